/** What the list shows, as the address bar spells it; pure. */
import type { ListQuery } from '../../api/api';
import type { Workflow } from '../../api/contracts';

export type Since = '1h' | '24h' | '7d' | 'all';
export type Overlay = 'doubt' | 'waiting';

export interface ListFilter {
  /** Empty: every status. */
  readonly statuses: readonly string[];
  readonly definition: string | null;
  /** Why they failed; empty: whatever became of them. */
  readonly errors: readonly string[];
  /** Part of the id, title, definition, executor or error. */
  readonly text: string;
  readonly since: Since;
  /** What the API calls the order; null for its own. */
  readonly sort: string | null;
  /** Only rows of this overlay, which no status tells. */
  readonly overlay: Overlay | null;
}

export const EVERYTHING: ListFilter = {
  statuses: [],
  definition: null,
  errors: [],
  text: '',
  since: 'all',
  sort: null,
  overlay: null,
};

export const SPANS: readonly {
  readonly since: Since;
  readonly label: string;
  readonly ms: number;
}[] = [
  { since: '1h', label: 'Last hour', ms: 3_600_000 },
  { since: '24h', label: 'Last 24 hours', ms: 86_400_000 },
  { since: '7d', label: 'Last 7 days', ms: 604_800_000 },
  { since: 'all', label: 'Any time', ms: 0 },
];

/** Reads the address bar; what it does not understand it leaves out. */
export function fromAddress(params: Readonly<Record<string, string | undefined>>): ListFilter {
  const span = SPANS.find((one) => one.since === params['since']);
  const overlay = params['show'];
  return {
    statuses: words(params['status']),
    definition: params['definition'] || null,
    errors: words(params['error']),
    text: params['q'] ?? '',
    since: span?.since ?? 'all',
    sort: params['sort'] || null,
    overlay: overlay === 'doubt' || overlay === 'waiting' ? overlay : null,
  };
}

/** Writes the address bar; null takes a parameter away. */
export function toAddress(filter: ListFilter): Record<string, string | null> {
  return {
    status: filter.statuses.join(',') || null,
    definition: filter.definition,
    error: filter.errors.join(',') || null,
    q: filter.text || null,
    since: filter.since === 'all' ? null : filter.since,
    sort: filter.sort,
    show: filter.overlay,
  };
}

/** The question to `GET /workflows` at `now`, in the server's milliseconds. */
export function toQuery(filter: ListFilter, now: number): ListQuery {
  const span = SPANS.find((one) => one.since === filter.since)?.ms ?? 0;
  const statuses = filter.statuses.length > 0 ? filter.statuses : LIVE_OF[filter.overlay ?? ''];
  return {
    status: statuses?.join(','),
    definition: filter.definition ?? undefined,
    error: filter.errors.join(',') || undefined,
    q: filter.text || undefined,
    since:
      span > 0 ? new Date(Math.floor((now - span) / 60_000) * 60_000).toISOString() : undefined,
    sort: filter.sort ?? undefined,
  };
}

/** Whether a workflow belongs to the list: what the server would say, said here of what a stream brings. */
export function matches(filter: ListFilter, workflow: Workflow, now: number): boolean {
  const statuses: readonly string[] = filter.statuses;
  if (statuses.length > 0 && !statuses.includes(workflow.status)) return false;
  if (filter.definition !== null && workflow.definition !== filter.definition) return false;
  if (filter.errors.length > 0 && !filter.errors.includes(workflow.error?.code ?? '')) return false;
  if (filter.overlay === 'doubt' && workflow.heartbeat !== 'stale') return false;
  if (filter.overlay === 'waiting' && workflow.waiting_for === null) return false;
  const span = SPANS.find((one) => one.since === filter.since)?.ms ?? 0;
  if (span > 0 && Date.parse(workflow.created_at) < now - span) return false;
  return folded(searched(workflow)).includes(folded(filter.text));
}

/** Whether two filters ask for the same list. */
export function sameFilter(one: ListFilter, other: ListFilter): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Whether anything is left out. */
export function isNarrowed(filter: ListFilter): boolean {
  return !sameFilter({ ...filter, sort: null }, EVERYTHING);
}

/** Where the server looks for text. */
function searched({ id, title, definition, executor, error }: Workflow): string {
  return [id, title, definition, executor, error?.message].join('\n');
}

/** Without case and variants of characters, as the server compares them; capitals tell ß and ss alike. */
function folded(text: string): string {
  return text.normalize('NFKC').toUpperCase();
}

function words(parameter: string | undefined): readonly string[] {
  return (parameter ?? '').split(',').filter((word) => /^[a-z_]+$/.test(word));
}

const LIVE_OF: Readonly<Record<string, readonly string[]>> = {
  doubt: ['running', 'cancelling'],
  waiting: ['running'],
};
