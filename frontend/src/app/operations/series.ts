/** From what the server tells of a span of time to what charts and figures show; pure. */
import type { TrendPoint } from '../api/contracts';

export type Ended = 'success' | 'failed' | 'cancelled';

export const ENDED: readonly Ended[] = ['success', 'failed', 'cancelled'];

/** Nobody vouched for the process any more. */
export const TIMEOUTS: readonly string[] = ['heartbeat_timeout', 'executor_lost'];
/** The process ended without a word. */
export const EXITS: readonly string[] = ['abrupt_exit', 'exit_without_result'];

/** How many ended so in one piece of time; a status that a newer server has is not among them. */
export function endedOf(point: TrendPoint, how: Ended): number {
  return point.ended[how] ?? 0;
}

/** How many failed for one of these reasons, piece by piece. */
export function failures(
  points: readonly TrendPoint[],
  codes: readonly string[],
): readonly number[] {
  return points.map((point) => codes.reduce((sum, code) => sum + (point.failures[code] ?? 0), 0));
}

/** How often each cause made a workflow fail, most often first. */
export function causes(
  points: readonly TrendPoint[],
): readonly { readonly code: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const point of points) {
    for (const [code, count] of Object.entries(point.failures)) {
      counts.set(code, (counts.get(code) ?? 0) + count);
    }
  }
  return [...counts]
    .map(([code, count]) => ({ code, count }))
    .sort((a, b) => b.count - a.count || a.code.localeCompare(b.code));
}

/** How many ended, and how many in a hundred of them well; null where none did. */
export function outcome(points: readonly TrendPoint[]): {
  readonly ended: number;
  readonly share: number | null;
} {
  const good = sum(points.map((point) => endedOf(point, 'success')));
  const ended = sum(points.flatMap((point) => ENDED.map((how) => endedOf(point, how))));
  // Rounded down: 100 % is said only where nothing went wrong.
  return { ended, share: ended === 0 ? null : Math.floor((100 * good) / ended) };
}

export function sum(values: readonly number[]): number {
  return values.reduce((all, one) => all + one, 0);
}

/** The top of an axis that fits `most`: 1, 2, 4, 5 or 10 times a power of ten, and never below 2. */
export function axisTop(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  for (const step of [1, 2, 4, 5, 10]) {
    if (step * power >= Math.max(2, most)) return step * power;
  }
  return 10 * power;
}

/** Pieces of time side by side in which `holds`, as [first, one after the last]. */
export function stretches(
  points: readonly TrendPoint[],
  holds: (point: TrendPoint) => boolean,
): readonly (readonly [number, number])[] {
  const found: [number, number][] = [];
  points.forEach((point, index) => {
    if (!holds(point)) return;
    const last = found.at(-1);
    if (last?.[1] === index) last[1] = index + 1;
    else found.push([index, index + 1]);
  });
  return found;
}

/** A length of time that is short: `4 ms`, `1.2 s`. */
export function lagText(ms: number): string {
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`;
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
