/**
 * From a JSON Schema of inputs to the fields of a form, and from what was typed to inputs; pure.
 *
 * It understands what people can fill in: text, numbers, choices, switches, lists of plain values and
 * groups of those. Anything else makes `fieldsOf` answer null, and the whole form is a JSON editor: a
 * form that drops a part of the schema in silence would start the wrong work.
 */

export type Kind = 'text' | 'long' | 'number' | 'integer' | 'choice' | 'switch' | 'list' | 'group';

export interface Field {
  readonly name: string;
  /** The path to it, as the server names it: `inputs.topic`. */
  readonly path: string;
  readonly label: string;
  readonly help: string;
  readonly kind: Kind;
  /** What kind of value, in words. */
  readonly type: string;
  readonly required: boolean;
  readonly nullable: boolean;
  readonly default: unknown;
  readonly choices: readonly unknown[];
  readonly least: number | null;
  readonly most: number | null;
  readonly longest: number | null;
  readonly shortest: number | null;
  readonly pattern: string | null;
  /** Of a list: what one entry is. */
  readonly entry: 'text' | 'number' | 'integer';
  readonly fields: readonly Field[];
}

/** What was typed, by path. Text for what is typed, a boolean for a switch, texts for a list. */
export type Draft = Readonly<Record<string, string | boolean | readonly string[]>>;

/** What is wrong, by path. */
export type Faults = Readonly<Record<string, string>>;

type Schema = Readonly<Record<string, unknown>>;

const DEEPEST = 3;
/** Text that may be longer than this gets several lines. */
const LONG_TEXT = 200;

/** The fields of an object schema; null where a form cannot draw all of it. */
export function fieldsOf(
  schema: Schema,
  path = 'inputs',
  root = schema,
  depth = 0,
): readonly Field[] | null {
  const resolved = resolve(schema, root);
  if (resolved === null || depth > DEEPEST) return null;
  const properties = resolved['properties'] ?? {};
  if (!isObject(properties)) return null;
  if (['oneOf', 'allOf', 'if', 'patternProperties', 'not'].some((key) => key in resolved))
    return null;
  const names = Object.keys(properties);
  if (names.length === 0 && resolved['additionalProperties'] !== false && depth > 0) return null;
  const required = Array.isArray(resolved['required']) ? resolved['required'] : [];
  const fields: Field[] = [];
  for (const name of names) {
    const property = properties[name];
    if (!isObject(property)) return null;
    const field = fieldOf(name, property, `${path}.${name}`, required.includes(name), root, depth);
    if (field === null) return null;
    fields.push(field);
  }
  return fields;
}

/** What a form begins with: the defaults, over them what was given. */
export function draftOf(fields: readonly Field[], given: Schema = {}): Draft {
  const draft: Record<string, string | boolean | readonly string[]> = {};
  for (const field of fields) {
    const value = field.name in given ? given[field.name] : field.default;
    if (field.kind === 'group')
      Object.assign(draft, draftOf(field.fields, isObject(value) ? value : {}));
    else if (field.kind === 'switch') draft[field.path] = value === true;
    else if (field.kind === 'list')
      draft[field.path] = Array.isArray(value) ? value.map(String) : [];
    else if (field.kind === 'choice') {
      const at = field.choices.findIndex((choice) => choice === value);
      draft[field.path] = at < 0 ? '' : String(at);
    } else draft[field.path] = value === undefined || value === null ? '' : String(value);
  }
  return draft;
}

/** The inputs that a draft stands for, and what is wrong with it. */
export function inputsOf(
  fields: readonly Field[],
  draft: Draft,
): { readonly inputs: Record<string, unknown>; readonly faults: Faults } {
  const inputs: Record<string, unknown> = {};
  const faults: Record<string, string> = {};
  for (const field of fields) {
    if (field.kind === 'group') {
      const inner = inputsOf(field.fields, draft);
      Object.assign(faults, inner.faults);
      if (field.required || Object.keys(inner.inputs).length > 0) inputs[field.name] = inner.inputs;
      continue;
    }
    const read = valueOf(field, draft[field.path]);
    if ('fault' in read) faults[field.path] = read.fault;
    else if (read.value !== undefined) inputs[field.name] = read.value;
  }
  return { inputs, faults };
}

/** All fields, groups opened. */
export function flat(fields: readonly Field[]): readonly Field[] {
  return fields.flatMap((field) => (field.kind === 'group' ? flat(field.fields) : [field]));
}

type Read = { readonly value: unknown } | { readonly fault: string };

function valueOf(field: Field, typed: Draft[string] | undefined): Read {
  switch (field.kind) {
    case 'switch':
      return { value: typed === true };
    case 'list':
      return listOf(field, Array.isArray(typed) ? typed : []);
    case 'choice':
      return typed === '' || typed === undefined
        ? absent(field, 'Choose one.')
        : { value: field.choices[Number(typed)] };
    case 'number':
    case 'integer':
      return String(typed ?? '').trim() === ''
        ? absent(field, 'Enter a number.')
        : numberOf(field, String(typed), field.kind);
    default:
      return textOf(field, String(typed ?? ''));
  }
}

function absent(field: Field, fault: string): Read {
  if (field.nullable && field.required) return { value: null };
  return field.required ? { fault } : { value: undefined };
}

function textOf(field: Field, text: string): Read {
  if (text === '') {
    // An optional text that was emptied is left out, so that the definition's own default holds.
    if (!field.required || field.nullable) return absent(field, '');
    return (field.shortest ?? 1) > 0 ? { fault: 'Enter something here.' } : { value: '' };
  }
  const length = [...text].length;
  if (field.shortest !== null && length < field.shortest) {
    return { fault: `Enter at least ${field.shortest} characters.` };
  }
  if (field.longest !== null && length > field.longest) {
    return { fault: `Enter ${field.longest} characters or fewer; these are ${length}.` };
  }
  if (field.pattern !== null && !fits(text, field.pattern)) {
    return { fault: `Enter text of the form ${field.pattern}.` };
  }
  return { value: text };
}

function numberOf(field: Field, text: string, kind: 'number' | 'integer'): Read {
  const value = Number(text.trim());
  if (!Number.isFinite(value)) return { fault: 'Enter a number.' };
  if (kind === 'integer' && !Number.isInteger(value)) return { fault: 'Enter a whole number.' };
  if (field.most !== null && value > field.most) return { fault: `Enter ${field.most} or fewer.` };
  if (field.least !== null && value < field.least)
    return { fault: `Enter ${field.least} or more.` };
  return { value };
}

function listOf(field: Field, texts: readonly string[]): Read {
  if (texts.length === 0 && !field.required) {
    return { value: field.default === undefined ? undefined : [] };
  }
  if (field.least !== null && texts.length < field.least) {
    return { fault: `Enter at least ${field.least}.` };
  }
  if (field.most !== null && texts.length > field.most)
    return { fault: `Enter ${field.most} at most.` };
  if (field.entry === 'text') return { value: texts };
  const values: unknown[] = [];
  for (const text of texts) {
    const read = numberOf({ ...field, least: null, most: null }, text, field.entry);
    if ('fault' in read) return { fault: `“${text}”: ${read.fault}` };
    values.push(read.value);
  }
  return { value: values };
}

function fieldOf(
  name: string,
  schema: Schema,
  path: string,
  required: boolean,
  root: Schema,
  depth: number,
): Field | null {
  const opened = openNull(schema, root);
  if (opened === null) return null;
  const { inner, nullable } = opened;
  const base = {
    name,
    path,
    label: text(schema['title']) ?? text(inner['title']) ?? nameInWords(name),
    help: text(schema['description']) ?? text(inner['description']) ?? '',
    required,
    nullable,
    default: schema['default'] ?? inner['default'],
    choices: [] as readonly unknown[],
    least: number(inner['minimum']) ?? number(inner['exclusiveMinimum']),
    most: number(inner['maximum']) ?? number(inner['exclusiveMaximum']),
    longest: number(inner['maxLength']),
    shortest: number(inner['minLength']),
    pattern: text(inner['pattern']),
    entry: 'text' as const,
    fields: [] as readonly Field[],
  };
  const choices = inner['enum'] ?? ('const' in inner ? [inner['const']] : undefined);
  if (Array.isArray(choices)) return { ...base, kind: 'choice', type: 'choice', choices };
  switch (inner['type']) {
    case 'string': {
      const long = inner['format'] === 'textarea' || (base.longest ?? 0) > LONG_TEXT;
      return { ...base, kind: long ? 'long' : 'text', type: 'text' };
    }
    case 'number':
    case 'integer':
      return { ...base, kind: inner['type'], type: range(base.least, base.most) };
    case 'boolean':
      return { ...base, kind: 'switch', type: 'yes or no' };
    case 'array':
      return listField(base, inner, root);
    case 'object': {
      const fields = fieldsOf(inner, path, root, depth + 1);
      return fields === null ? null : { ...base, kind: 'group', type: 'group', fields };
    }
    default:
      return null;
  }
}

function listField(base: Omit<Field, 'kind' | 'type'>, schema: Schema, root: Schema): Field | null {
  const items = isObject(schema['items']) ? resolve(schema['items'], root) : null;
  const type = items?.['type'];
  if (type !== 'string' && type !== 'number' && type !== 'integer') return null;
  return {
    ...base,
    kind: 'list',
    type: 'list',
    entry: type === 'string' ? 'text' : type,
    least: number(schema['minItems']),
    most: number(schema['maxItems']),
  };
}

/** Opens `anyOf: [X, null]`, the way in which an optional value is written. */
function openNull(
  schema: Schema,
  root: Schema,
): { readonly inner: Schema; readonly nullable: boolean } | null {
  const resolved = resolve(schema, root);
  if (resolved === null) return null;
  const choices = resolved['anyOf'];
  if (Array.isArray(resolved['type'])) {
    const types = (resolved['type'] as unknown[]).filter((type) => type !== 'null');
    return types.length === 1 ? { inner: { ...resolved, type: types[0] }, nullable: true } : null;
  }
  if (!Array.isArray(choices)) return { inner: resolved, nullable: false };
  const others = choices.filter((choice) => isObject(choice) && choice['type'] !== 'null');
  const [only] = others;
  if (others.length !== 1 || !isObject(only)) return null;
  const inner = resolve(only, root);
  return inner === null ? null : { inner, nullable: others.length < choices.length };
}

function resolve(schema: Schema, root: Schema): Schema | null {
  const reference = schema['$ref'];
  if (reference === undefined) return schema;
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return null;
  let found: unknown = root;
  for (const part of reference.slice(2).split('/')) {
    found = isObject(found) ? found[part] : undefined;
  }
  return isObject(found) && !('$ref' in found) ? { ...found, ...schema, $ref: undefined } : null;
}

function range(least: number | null, most: number | null): string {
  if (least !== null && most !== null) return `${least} to ${most}`;
  if (least !== null) return `${least} or more`;
  return most === null ? 'number' : `${most} or fewer`;
}

function nameInWords(name: string): string {
  const words = name.replaceAll(/[_-]+/g, ' ').trim();
  return words === '' ? name : words[0]?.toUpperCase() + words.slice(1);
}

function fits(text: string, pattern: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch {
    return true; // a pattern of another dialect; the server judges
  }
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

/** What a JSON editor begins with: every input that is needed, with its default or the emptiest value. */
export function skeletonOf(schema: Schema): Record<string, unknown> {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  const found: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(properties)) {
    if (!required.includes(name)) continue;
    const inner = isObject(property) ? (resolve(property, schema) ?? {}) : {};
    found[name] = 'default' in inner ? inner['default'] : emptyOf(inner['type']);
  }
  return found;
}

function emptyOf(type: unknown): unknown {
  switch (type) {
    case 'object':
      return {};
    case 'array':
      return [];
    case 'string':
      return '';
    default:
      return null; // to be replaced: nobody's number is a good guess
  }
}
