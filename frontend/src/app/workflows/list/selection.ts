/** Which rows are chosen, and what a click with Shift adds; pure. */
export interface Selection {
  readonly ids: ReadonlySet<string>;
  /** Where a range begins: the row that was chosen last. */
  readonly anchor: string | null;
}

export const NOTHING: Selection = { ids: new Set(), anchor: null };

export function choose(
  selection: Selection,
  id: string,
  on: boolean,
  range: boolean,
  order: readonly string[],
): Selection {
  const ids = new Set(selection.ids);
  for (const one of range ? between(selection.anchor, id, order) : [id]) {
    if (on) ids.add(one);
    else ids.delete(one);
  }
  return { ids, anchor: id };
}

/** Leaves out what is no longer among the rows. */
export function within(selection: Selection, order: readonly string[]): Selection {
  const ids = new Set(order.filter((id) => selection.ids.has(id)));
  return ids.size === selection.ids.size ? selection : { ...selection, ids };
}

function between(from: string | null, to: string, order: readonly string[]): readonly string[] {
  const start = from === null ? -1 : order.indexOf(from);
  const end = order.indexOf(to);
  if (start < 0 || end < 0) return [to];
  return order.slice(Math.min(start, end), Math.max(start, end) + 1);
}
