import { Component, computed, input } from '@angular/core';

/** One tick per expected heartbeat; the missed ones sink and turn amber. Always beside text. */
@Component({
  selector: 'lw-beat-strip',
  template: `@for (missed of ticks(); track $index) {
    <i [class.missed]="missed"></i>
  }`,
  styles: `
    :host {
      display: inline-flex;
      gap: 2px;
      align-items: flex-end;
      height: 12px;
      flex: none;
    }
    i {
      width: 2px;
      height: 12px;
      border-radius: 1px;
      background: color-mix(in srgb, var(--ink-3) 70%, var(--surface));
    }
    .missed {
      height: 4px;
      background: var(--doubt);
    }
  `,
  host: { 'aria-hidden': 'true' },
})
export class BeatStrip {
  readonly count = input(8);
  readonly missed = input(0);
  protected readonly ticks = computed(() => {
    const count = this.count();
    const missed = Math.min(this.missed(), count);
    return Array.from({ length: count }, (_, index) => index >= count - missed);
  });
}

/** How many beats are missing at an age of the last one: the one that is due now is not missing yet. */
export function missedBeats(ageMs: number, intervalS: number): number {
  return intervalS > 0 ? Math.max(0, Math.floor(ageMs / 1000 / intervalS) - 1) : 0;
}
