import { Service, signal } from '@angular/core';
import { recall, remember } from '../../shared/memory';
import { EVERYTHING, type ListFilter } from './list-query';

/** A filter that someone gave a name. */
export interface SavedView {
  readonly name: string;
  readonly filter: ListFilter;
}

/** Views that come with the app. */
export const BUILT_IN: readonly SavedView[] = [
  { name: 'Everything', filter: EVERYTHING },
  { name: 'Live', filter: { ...EVERYTHING, statuses: ['pending', 'running', 'cancelling'] } },
  { name: 'Failed today', filter: { ...EVERYTHING, statuses: ['failed'], since: '24h' } },
];

const KEY = 'lastword.views';

/** Named filters, kept in this browser. */
@Service()
export class SavedViews {
  private readonly kept = signal<readonly SavedView[]>(readable(recall<unknown>(KEY, [])));
  readonly own = this.kept.asReadonly();

  save(name: string, filter: ListFilter): void {
    this.kept.update((views) => [...views.filter((view) => view.name !== name), { name, filter }]);
    remember(KEY, this.kept());
  }

  remove(name: string): void {
    this.kept.update((views) => views.filter((view) => view.name !== name));
    remember(KEY, this.kept());
  }
}

/** What an older release of the app, or a curious person, has left there is shown only where it makes sense. */
function readable(kept: unknown): readonly SavedView[] {
  if (!Array.isArray(kept)) return [];
  return kept.flatMap((view: Partial<SavedView> | null) => {
    const { name, filter } = view ?? {};
    if (typeof name !== 'string' || name === '' || typeof filter !== 'object') return [];
    const whole = { ...EVERYTHING, ...filter };
    const makesSense = Array.isArray(filter.statuses) && Array.isArray(whole.errors);
    return makesSense ? [{ name, filter: whole }] : [];
  });
}
