import { describe, expect, it } from 'vitest';
import { draftOf, fieldsOf, flat, inputsOf } from './schema';

const object = (properties: Record<string, unknown>, required: string[] = []) => ({
  type: 'object',
  properties,
  required,
});
const one = (property: Record<string, unknown>, required = true) => {
  const fields = fieldsOf(object({ a: property }, required ? ['a'] : []));
  if (fields === null) throw new Error('no form');
  return fields;
};
const typed = (property: Record<string, unknown>, text: string, required = true) =>
  inputsOf(one(property, required), { 'inputs.a': text });

describe('fieldsOf', () => {
  it.each([
    [{ type: 'string' }, 'text'],
    [{ type: 'string', maxLength: 4000 }, 'long'],
    [{ type: 'integer' }, 'integer'],
    [{ type: 'number' }, 'number'],
    [{ type: 'boolean' }, 'switch'],
    [{ enum: ['a', 'b'] }, 'choice'],
    [{ type: 'array', items: { type: 'string' } }, 'list'],
    [{ type: 'object', properties: { b: { type: 'string' } } }, 'group'],
    [{ anyOf: [{ type: 'integer' }, { type: 'null' }] }, 'integer'],
    [{ type: ['string', 'null'] }, 'text'],
  ])('draws %j as %s', (property, kind) => {
    expect(one(property)[0]?.kind).toBe(kind);
  });

  it('follows references within the schema', () => {
    const schema = {
      ...object({ a: { $ref: '#/$defs/Size' } }),
      $defs: { Size: { enum: [1, 2] } },
    };
    expect(fieldsOf(schema)?.[0]?.choices).toEqual([1, 2]);
  });

  it.each([
    [{ type: 'array', items: { type: 'object' } }],
    [{ anyOf: [{ type: 'integer' }, { type: 'string' }] }],
    [{ $ref: 'https://elsewhere.example/schema' }],
    [{}],
    [{ type: 'object', additionalProperties: true }],
    ['no schema at all'],
  ])('leaves %j to the JSON editor, and with it the whole form', (property) => {
    expect(fieldsOf(object({ fine: { type: 'string' }, a: property }))).toBeNull();
  });

  it('ends with a schema that contains itself', () => {
    const schema = {
      ...object({ a: { $ref: '#/$defs/T' } }),
      $defs: { T: object({ a: { $ref: '#/$defs/T' } }) },
    };
    expect(fieldsOf(schema)).toBeNull();
  });
});

describe('inputsOf', () => {
  it.each([
    [{ type: 'integer', maximum: 50 }, '80', 'Enter 50 or fewer.'],
    [{ type: 'integer', minimum: 1 }, '0', 'Enter 1 or more.'],
    [{ type: 'integer' }, '1.5', 'Enter a whole number.'],
    [{ type: 'number' }, 'many', 'Enter a number.'],
    [{ type: 'string' }, '', 'Enter something here.'],
    [{ type: 'string', minLength: 3 }, 'ab', 'Enter at least 3 characters.'],
    [{ type: 'string', maxLength: 2 }, '👍👍👍', 'Enter 2 characters or fewer; these are 3.'],
    [{ type: 'string', pattern: '^a+$' }, 'b', 'Enter text of the form ^a+$.'],
    [{ enum: ['a'] }, '', 'Choose one.'],
  ])('refuses %j for %j', (property, text, words) => {
    expect(typed(property, text).faults).toEqual({ 'inputs.a': words });
  });

  it.each([
    [{ type: 'integer' }, ' 7 ', 7],
    [{ type: 'number' }, '1.5', 1.5],
    [{ type: 'string' }, 'עברית 🚀 <script>', 'עברית 🚀 <script>'],
    [{ enum: [10, 20] }, '1', 20],
  ])('reads %j from %j', (property, text, value) => {
    expect(typed(property, text)).toEqual({ inputs: { a: value }, faults: {} });
  });

  it('leaves out what is optional and empty', () => {
    expect(typed({ type: 'string' }, '', false).inputs).toEqual({});
    expect(typed({ type: 'integer' }, '', false).inputs).toEqual({});
  });

  it('keeps the defaults of a whole form', () => {
    const schema = object({
      text: { type: 'string', default: 'x' },
      many: { type: 'array', items: { type: 'integer' }, default: [1, 2] },
      on: { type: 'boolean', default: true },
      case: { enum: ['fold', 'keep'], default: 'keep' },
      group: object({ inner: { type: 'integer', default: 3 } }),
    });
    const fields = fieldsOf(schema) ?? [];
    expect(inputsOf(fields, draftOf(fields)).inputs).toEqual({
      text: 'x',
      many: [1, 2],
      on: true,
      case: 'keep',
      group: { inner: 3 },
    });
    expect(flat(fields).map((field) => field.path)).toContain('inputs.group.inner');
  });

  it('names the entry of a list that is no number', () => {
    const fields = one({ type: 'array', items: { type: 'integer' } });
    expect(inputsOf(fields, { 'inputs.a': ['1', 'two'] }).faults['inputs.a']).toContain('“two”');
  });
});
