/** How long to wait before trying again; all in milliseconds. */
export interface Backoff {
  /** The first wait. */
  readonly baseMs: number;
  /** No wait is longer: recovery must be noticed while someone still looks. */
  readonly capMs: number;
}

/**
 * Bounded exponential backoff with equal jitter: half of the wait is fixed, so that nobody hammers, and
 * half is random, so that a thousand tabs do not come back in the same instant.
 */
export function backoffMs(
  attempt: number,
  { baseMs, capMs }: Backoff,
  random: () => number,
): number {
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(Math.max(attempt, 1) - 1, 30));
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}
