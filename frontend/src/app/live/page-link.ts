import { Service, computed, effect, inject, signal, untracked, type Signal } from '@angular/core';
import { Session } from '../api/session';
import { Settings } from '../shared/settings';
import { Ticker } from '../shared/ticker';
import { ServerClock } from '../shared/server-clock';
import { inDoubt, linkSign, truthTime, type LinkSign } from './link-sign';
import type { LadderState } from './ladder-state';

/** The one link of the page that is open, as the top bar shows it and clocks go by it. */
@Service()
export class PageLink {
  private readonly settings = inject(Settings);
  private readonly ticker = inject(Ticker);
  private readonly clock = inject(ServerClock);
  private readonly session = inject(Session);
  private readonly current = signal<{
    readonly state: Signal<LadderState>;
    readonly push: () => void;
  } | null>(null);

  /** Null while no page has a link, and where there never was anything behind it. */
  readonly sign = computed<LinkSign | null>(() => {
    const current = this.current();
    if (!current) return null;
    const state = current.state();
    if (state.phase === 'refused' && state.heardAt === null) return null;
    this.ticker.now();
    return linkSign(state, Date.now(), this.settings.config().ping_s * 1000);
  });
  /** Whether what the page shows may have changed without its knowing. */
  readonly doubtful = computed(() => {
    const sign = this.sign();
    return sign !== null && inDoubt(sign);
  });
  readonly offline = computed(() => this.sign()?.kind === 'offline');
  /** The server is there and says that it cannot tell. */
  readonly busy = computed(() => this.offline() && this.current()?.state().busy === true);
  /** Seconds until the page asks again; null while it asks, or where all is well. */
  readonly retryS = computed(() => {
    const nextAt = this.current()?.state().nextAt ?? null;
    this.ticker.now();
    return nextAt === null ? null : Math.max(0, Math.ceil((nextAt - Date.now()) / 1000));
  });
  readonly retryWords = computed(() => {
    const seconds = this.retryS();
    return seconds === null || seconds === 0 ? 'Asking again now.' : `Retrying in ${seconds} s.`;
  });
  /** How often the link was opened; each time may be by another release of the server. */
  readonly openings = computed(() => this.current()?.state().openings ?? 0);
  /** Up to when the page knows, in the server's milliseconds; clocks count to here. */
  readonly truth = computed(() => {
    const sign = this.sign();
    const now = this.ticker.now();
    if (sign === null || sign.asOf === null) return now;
    return truthTime(sign, Date.now()) + this.clock.now() - Date.now();
  });

  constructor() {
    effect(() => {
      // A stream says so by its close code alone; without this the page would wait for ever.
      if (this.current()?.state().refusal === 'auth') untracked(() => this.session.require());
    });
  }

  /** The page's link from now on; call what is returned when the page goes. */
  use(state: Signal<LadderState>, push: () => void): () => void {
    const mine = { state, push };
    this.current.set(mine);
    return () => this.current.update((held) => (held === mine ? null : held));
  }

  /** Tries again now. */
  push(): void {
    this.current()?.push();
  }
}
