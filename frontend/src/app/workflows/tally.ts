import { Service, computed, inject, signal } from '@angular/core';
import { Api } from '../api/api';
import type { Changed, Summary } from '../api/contracts';

/** Between two questions at most; the stream counts in between. */
const REST_MS = 3_000;

/** Counts by status: asked for once, then kept by what the stream says moved. */
@Service()
export class Tally {
  private readonly api = inject(Api);
  private readonly counted = signal<Summary | null>(null);
  private timer: ReturnType<typeof setTimeout> | null = null;
  private askedAt = 0;

  /** Null until the server has said; then never a gap. */
  readonly summary = this.counted.asReadonly();
  readonly total = computed(() => {
    const summary = this.counted();
    return summary ? Object.values(summary.statuses).reduce((sum, count) => sum + count, 0) : null;
  });

  /** Asks soon; many calls make one question. */
  ask(): void {
    if (this.timer !== null) return;
    const wait = Math.max(0, this.askedAt + REST_MS - Date.now());
    this.timer = setTimeout(() => void this.load(), wait);
  }

  async load(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.askedAt = Date.now();
    try {
      const heard = await this.api.summary();
      const known = this.counted();
      if (known === null || heard.position >= known.position) this.counted.set(heard);
    } catch {
      // The counts keep their date: the link says how old the page is.
    }
  }

  /** A status moved: one less there, one more here, unless the count has seen it already. */
  moved({ previous, workflow }: Changed): void {
    const known = this.counted();
    if (known === null || workflow.position <= known.position) return;
    const statuses: Record<string, number> = { ...known.statuses };
    if (previous !== null) statuses[previous] = Math.max(0, (statuses[previous] ?? 0) - 1);
    statuses[workflow.status] = (statuses[workflow.status] ?? 0) + 1;
    this.counted.set({ ...known, statuses, position: workflow.position });
    if (workflow.isTerminal && known.stale > 0) this.ask();
  }
}
