/** What a list says of itself; pure. */
import { statusSign } from '../../signs/status-sign';
import { SPANS, type ListFilter } from './list-query';

/** What it is that there is none of. */
export function emptyWords(filter: ListFilter): string {
  const span = SPANS.find((one) => one.since === filter.since)?.label ?? '';
  const what = filter.statuses.map((status) => statusSign(status).label.toLowerCase()).join(' or ');
  const where = filter.definition ? ` of ${filter.definition}` : '';
  const when = filter.since === 'all' ? '' : ` in the ${span.toLowerCase()}`;
  const why = filter.errors.length > 0 ? ` for ${filter.errors.join(' or ')}` : '';
  const text = filter.text ? ` with “${filter.text}”` : '';
  const overlay =
    filter.overlay === 'doubt'
      ? ' in doubt'
      : filter.overlay === 'waiting'
        ? ' waiting for a person'
        : '';
  return `No ${what ? what + ' ' : ''}workflows${overlay}${where}${why}${text}${when}`;
}

/** By what the rows are in order, where no column says so. */
export function orderWords(sort: string | null): string {
  return sort === null ? ', newest first' : sort === '-finished_at' ? ', last ended first' : '';
}
