import type { Frame, Workflow } from '../app/api/contracts';

/** A running workflow, with whatever a test wants otherwise. */
export function aWorkflow(changes: Partial<Workflow> = {}): Workflow {
  const status = changes.status ?? 'running';
  return {
    id: 'brief-1',
    definition: 'brief',
    isTerminal: ['success', 'failed', 'cancelled'].includes(status),
    version: 2,
    position: 10,
    created_at: '2026-01-01T12:00:00Z',
    started_at: '2026-01-01T12:00:01Z',
    finished_at: null,
    updated_at: '2026-01-01T12:00:01Z',
    last_heartbeat_at: '2026-01-01T12:00:04Z',
    heartbeat: status === 'running' ? 'fresh' : null,
    error: null,
    progress: null,
    waiting_for: null,
    executor: 'atlas-01',
    title: null,
    started_by: null,
    warnings: [],
    usage: null,
    inputs: {},
    result: null,
    result_ref: null,
    retry_of: null,
    previous: null,
    cause: 'claimed',
    actor: 'atlas-01',
    deadline_s: null,
    queue_timeout_s: null,
    ...changes,
    status,
  };
}

export function hello(changes: Partial<Extract<Frame, { type: 'hello' }>> = {}): Frame {
  return { type: 'hello', epoch: 'e1', position: 1, recovered: true, ping_s: 15, ...changes };
}

export function snapshot(changes: Partial<Workflow> = {}): Frame {
  return { type: 'snapshot', workflow: aWorkflow(changes) };
}
