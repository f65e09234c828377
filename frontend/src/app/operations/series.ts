/** From workflows to what charts and figures show; pure. Times in the server's milliseconds. */
import type { Workflow } from '../api/contracts';

export type Ended = 'success' | 'failed' | 'cancelled';

export interface Bucket {
  /** When it begins. */
  readonly at: number;
  /** How many were running at its end. */
  readonly running: number;
  /** How many ended within it, by how. */
  readonly ended: Readonly<Record<Ended, number>>;
}

export const ENDED: readonly Ended[] = ['success', 'failed', 'cancelled'];

/** `count` equal buckets from `from` to `to`. */
export function buckets(
  workflows: Iterable<Workflow>,
  from: number,
  to: number,
  count: number,
): readonly Bucket[] {
  const width = (to - from) / count;
  const steps = new Array<number>(count + 1).fill(0);
  const ended = Array.from({ length: count }, () => ({ success: 0, failed: 0, cancelled: 0 }));
  const index = (time: number) => Math.floor((time - from) / width);
  for (const workflow of workflows) {
    const end = workflow.finished_at === null ? null : Date.parse(workflow.finished_at);
    if (workflow.started_at !== null) {
      const first = Math.max(0, index(Date.parse(workflow.started_at)));
      const last = end === null ? count : Math.max(0, Math.min(count, index(end)));
      if (first < count && last > first) {
        steps[first] = (steps[first] ?? 0) + 1;
        steps[last] = (steps[last] ?? 0) - 1;
      }
    }
    if (end === null || !workflow.isTerminal) continue;
    const bucket = ended[index(end)];
    if (bucket && isEnded(workflow.status)) bucket[workflow.status] += 1;
  }
  let running = 0;
  return ended.map((counts, at) => {
    running += steps[at] ?? 0;
    return { at: from + at * width, running, ended: counts };
  });
}

/** How often each cause made a workflow fail since `from`, most often first. */
export function causes(
  workflows: Iterable<Workflow>,
  from: number,
): readonly { readonly code: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const { error, finished_at } of workflows) {
    if (error === null || finished_at === null || Date.parse(finished_at) < from) continue;
    counts.set(error.code, (counts.get(error.code) ?? 0) + 1);
  }
  return [...counts]
    .map(([code, count]) => ({ code, count }))
    .sort((a, b) => b.count - a.count || a.code.localeCompare(b.code));
}

/** The top of an axis that fits `most`: 1, 2, 4, 5 or 10 times a power of ten, and never below 2. */
export function axisTop(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  for (const step of [1, 2, 4, 5, 10]) {
    if (step * power >= Math.max(2, most)) return step * power;
  }
  return 10 * power;
}

function isEnded(status: string): status is Ended {
  return status === 'success' || status === 'failed' || status === 'cancelled';
}
