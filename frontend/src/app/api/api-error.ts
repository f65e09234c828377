import type { Problem } from './contracts';

/** The server refused, in the shape that all its refusals share (RFC 9457). */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly problem: Problem,
    /** How long the server asks to be left alone; null where it does not say. */
    readonly retryAfterMs: number | null,
  ) {
    super(problem.detail || problem.title);
  }

  get status(): number {
    return this.problem.status;
  }

  get code(): string {
    return this.problem.code;
  }
}

/** Nobody answered: no network, no server, or an answer that is none. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** One sentence for people, whatever was thrown. */
export function sentence(thrown: unknown): string {
  if (thrown instanceof ApiError) {
    if (thrown.status === 403) return 'Needs the operator role.';
    if (thrown.status === 503) {
      const wait = thrown.retryAfterMs;
      const when =
        wait === null ? 'Try again in a moment.' : `Try again in ${Math.ceil(wait / 1000)} s.`;
      return `The server cannot decide right now. ${when}`;
    }
    return thrown.message;
  }
  return thrown instanceof Unreachable
    ? 'The server did not answer. Nothing is known to have changed.'
    : String(thrown);
}
