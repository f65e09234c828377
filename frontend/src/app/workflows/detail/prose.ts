/** Finds the text that people want to read in a result: the result itself, or its one obvious field. */

export interface Prose {
  readonly text: string;
  /** The field that it came from; null where the result is the text. */
  readonly field: string | null;
}

const FIELDS = ['raw', 'markdown', 'text', 'output', 'result', 'report', 'summary', 'content'];

export function proseOf(result: unknown): Prose | null {
  if (typeof result === 'string') return { text: result, field: null };
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return null;
  for (const field of FIELDS) {
    const value = (result as Readonly<Record<string, unknown>>)[field];
    if (typeof value === 'string' && value.trim() !== '') return { text: value, field };
  }
  return null;
}
