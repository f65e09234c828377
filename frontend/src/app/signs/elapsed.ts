/** How long a workflow has run, and whether that is known; pure. */
import type { Workflow } from '../api/contracts';
import { duration, wholeDuration } from '../shared/times';

export interface Elapsed {
  readonly ms: number;
  /** `running` ticks, `final` and `frozen` do not; `queued` counts the wait before the start. */
  readonly kind: 'queued' | 'running' | 'frozen' | 'final' | 'never';
}

/** Elapsed time as of `truth` (server's ms): the moment up to which the page knows. */
export function elapsed(workflow: Workflow, truth: number, lost: boolean): Elapsed {
  const started = workflow.started_at === null ? null : Date.parse(workflow.started_at);
  if (workflow.isTerminal) {
    if (started === null || workflow.finished_at === null) return { ms: 0, kind: 'never' };
    return { ms: Date.parse(workflow.finished_at) - started, kind: 'final' };
  }
  if (started === null) {
    const waited = truth - Date.parse(workflow.created_at);
    return { ms: waited, kind: lost ? 'frozen' : 'queued' };
  }
  if (workflow.heartbeat === 'stale') {
    const beat =
      workflow.last_heartbeat_at === null ? started : Date.parse(workflow.last_heartbeat_at);
    return { ms: Math.max(0, beat - started), kind: 'frozen' };
  }
  return { ms: truth - started, kind: lost ? 'frozen' : 'running' };
}

/** `4 m 10 s`, `≥ 6 m 13 s` in doubt, `waits 11 s` before the start, `–` where it never ran. */
export function elapsedText({ ms, kind }: Elapsed): string {
  switch (kind) {
    case 'queued':
      return `waits ${wholeDuration(ms)}`;
    case 'frozen':
      return `≥ ${wholeDuration(ms)}`;
    case 'never':
      return '–';
    case 'running':
      return wholeDuration(ms);
    case 'final':
      return ms < 1_000 ? duration(ms) : wholeDuration(ms);
  }
}
