/** The tasks of a workflow as bars; pure. */
import type { Workflow } from '../../api/contracts';
import { duration, wholeDuration } from '../../shared/times';

export interface TaskBar {
  readonly kind: 'done' | 'current' | 'doubt' | 'broken' | 'rest';
  readonly label: string;
  /** How long it took, or what there is to say instead. */
  readonly took: string;
  /** How wide it is beside the others: longer tasks are wider, within bounds that keep all readable. */
  readonly weight: number;
}

/** More tasks than these are one long bar. */
export const MOST_BARS = 12;

/** How many tasks there are; 0 where nobody knows. */
export function taskCount({ progress }: Pick<Workflow, 'progress'>): number {
  return progress?.total ?? progress?.tasks?.length ?? 0;
}

/** One bar per task; null where there are too many to tell apart, or nobody knows how many. */
export function taskBars(
  workflow: Workflow,
  now: number,
  doubt: boolean,
): readonly TaskBar[] | null {
  const progress = workflow.progress;
  const total = taskCount(workflow);
  if (!progress || total === 0 || total > MOST_BARS) return null;
  const done = Math.min(progress.done ?? 0, total);
  const longest = Math.max(1, ...(progress.tasks ?? []).map((task) => span(task, now) ?? 0));
  return Array.from({ length: total }, (_, index): TaskBar => {
    const task = progress.tasks?.[index];
    const took = task ? span(task, now) : null;
    const weight = took === null ? 1 : 1 + Math.min(1.4, (took / longest) * 1.4);
    const label = task?.label ?? (index === done ? (progress.label ?? '') : '');
    if (index < done) {
      const text = task?.started_at && task.finished_at && took !== null ? duration(took) : '';
      return { kind: 'done', label, took: text, weight };
    }
    if (index > done) {
      return {
        kind: 'rest',
        label,
        took: index === done + 1 && !workflow.isTerminal ? 'next' : '',
        weight: 1,
      };
    }
    if (workflow.isTerminal) {
      const began = workflow.started_at !== null && workflow.status !== 'success';
      return { kind: began ? 'broken' : 'rest', label, took: began ? 'ended here' : '', weight };
    }
    if (workflow.status === 'pending') return { kind: 'rest', label, took: '', weight: 1 };
    if (doubt) return { kind: 'doubt', label, took: 'in doubt', weight };
    return { kind: 'current', label, took: took === null ? '' : wholeDuration(took), weight };
  });
}

function span(
  task: { readonly started_at?: string | null; readonly finished_at?: string | null },
  now: number,
): number | null {
  if (!task.started_at) return null;
  const end = task.finished_at ? Date.parse(task.finished_at) : now;
  return Math.max(0, end - Date.parse(task.started_at));
}
