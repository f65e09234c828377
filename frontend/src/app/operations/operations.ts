import { Component, computed, effect, inject, signal, untracked } from '@angular/core';
import { RouterLink } from '@angular/router';
import { sentence } from '../api/api-error';
import type { ExecutorView } from '../api/contracts';
import { PageLink } from '../live/page-link';
import { CopyButton } from '../shared/copy-button';
import { Icon, type IconName } from '../shared/icon';
import { Settings } from '../shared/settings';
import { ago, fullTime, wholeDuration } from '../shared/times';
import { BeatStrip, missedBeats } from '../signs/beat-strip';
import { StatusIcon } from '../signs/status-icon';
import { Tally } from '../workflows/tally';
import { OfflineBanner } from '../workflows/offline-banner';
import { OperationsStore, SPAN_MS, type Span } from './operations-store';
import { buckets, causes } from './series';
import { TimeChart } from './time-chart';

/** How many buckets a span has, and what one is called. */
const BUCKETS: Readonly<Record<Span, number>> = { '1h': 60, '24h': 48, '7d': 56 };
const EACH: Readonly<Record<Span, string>> = {
  '1h': 'minute',
  '24h': '30 minutes',
  '7d': '3 hours',
};

/** How the whole installation does: what runs, what ended and why, and who works. */
@Component({
  selector: 'lw-operations',
  imports: [BeatStrip, CopyButton, Icon, OfflineBanner, RouterLink, StatusIcon, TimeChart],
  providers: [OperationsStore],
  templateUrl: './operations.html',
  styleUrl: './operations.css',
})
export class Operations {
  protected readonly store = inject(OperationsStore);
  protected readonly tally = inject(Tally);
  protected readonly page = inject(PageLink);
  private readonly settings = inject(Settings);

  protected readonly spans: readonly Span[] = ['1h', '24h', '7d'];
  protected readonly span = signal<Span>('1h');
  protected readonly spanWords = computed(() => this.span().replace(/(\d+)/, '$1 '));
  protected readonly to = this.page.truth;
  private readonly from = computed(() => this.to() - SPAN_MS[this.span()]);
  protected readonly series = computed(() =>
    buckets(this.store.workflows(), this.from(), this.to(), BUCKETS[this.span()]),
  );
  protected readonly each = computed(() => EACH[this.span()]);
  protected readonly causes = computed(() => causes(this.store.workflows(), this.from()));
  protected readonly failures = computed(() =>
    this.causes().reduce((sum, one) => sum + one.count, 0),
  );
  protected readonly mostCause = computed(() =>
    Math.max(1, ...this.causes().map((one) => one.count)),
  );

  protected readonly running = computed(() => this.tally.summary()?.statuses['running'] ?? null);
  protected readonly stale = computed(() => this.tally.summary()?.stale ?? null);
  protected readonly pending = computed(() => this.tally.summary()?.statuses['pending'] ?? null);
  protected readonly waiting = computed(
    () =>
      this.store.workflows().filter((one) => !one.isTerminal && one.waiting_for !== null).length,
  );
  protected readonly timeouts = computed(() => this.failedBy('heartbeat_timeout', 'executor_lost'));
  protected readonly exits = computed(() => this.failedBy('abrupt_exit', 'exit_without_result'));
  protected readonly signals = computed(() => {
    const counts = new Map<string, number>();
    for (const { error, finished_at } of this.store.workflows()) {
      if (error?.code !== 'abrupt_exit' || !finished_at || Date.parse(finished_at) < this.from())
        continue;
      const name = error.signal ?? `exit code ${error.exit_code ?? '?'}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return [...counts].map(([name, count]) => `${count} by ${name}`).join(', ');
  });
  protected readonly rate = computed(() => {
    const ended = this.store
      .workflows()
      .filter(
        (one) => one.isTerminal && one.finished_at && Date.parse(one.finished_at) >= this.from(),
      );
    const good = ended.filter((one) => one.status === 'success').length;
    return {
      ended: ended.length,
      share: ended.length === 0 ? null : Math.round((100 * good) / ended.length),
    };
  });
  protected readonly executors = computed(() => {
    const list = this.store.executors();
    return list === null ? null : [...list].sort(byName).map((one) => this.rowOf(one));
  });
  protected readonly beating = computed(
    () => this.executors()?.filter((one) => one.sign.beats).length ?? 0,
  );
  protected readonly words = sentence;

  constructor() {
    effect(() => {
      const span = this.span();
      untracked(() => void this.store.load(span));
    });
  }

  private failedBy(...codes: readonly string[]): number {
    return this.causes()
      .filter((one) => codes.includes(one.code))
      .reduce((sum, one) => sum + one.count, 0);
  }

  private rowOf(one: ExecutorView) {
    const now = this.page.truth();
    const age = one.last_beat_at === null ? null : now - Date.parse(one.last_beat_at);
    const sign = executorSign(one.state, this.page.doubtful());
    const interval = this.settings.config().heartbeat_interval_s;
    const load = one.running.length;
    return {
      one,
      sign,
      load,
      slots: Array.from(
        { length: Math.min(16, Math.max(one.slots, load)) },
        (_, index) => index < load,
      ),
      missed: sign.beats
        ? 0
        : one.state === 'gone'
          ? 12
          : Math.max(1, missedBeats(age ?? 0, interval)),
      beat:
        one.last_beat_at === null
          ? 'never heard'
          : sign.beats
            ? ago(one.last_beat_at, now)
            : one.state === 'silent'
              ? `stale, ${wholeDuration(age ?? 0)}`
              : ago(one.last_beat_at, now),
      beatFully: one.last_beat_at ? fullTime(one.last_beat_at) : '',
      up:
        one.state === 'gone'
          ? 'ended'
          : one.started_at
            ? wholeDuration(now - Date.parse(one.started_at))
            : '–',
    };
  }
}

interface ExecutorSign {
  readonly label: string;
  readonly tone: string;
  readonly icon: IconName | null;
  readonly shape: 'cancelling' | 'doubt' | 'failed' | 'other' | null;
  readonly asks: boolean;
  /** Whether its beats arrive. */
  readonly beats: boolean;
}

/** The sign of an executor's state; one that a newer server knows is shown as it is. */
export function executorSign(state: string, lost: boolean): ExecutorSign {
  if (lost && state !== 'gone') {
    return {
      label: `Was ${state}`,
      tone: 'doubt',
      icon: null,
      shape: 'doubt',
      asks: true,
      beats: false,
    };
  }
  switch (state) {
    case 'serving':
      return {
        label: 'Beating',
        tone: 'success',
        icon: 'pulse',
        shape: null,
        asks: false,
        beats: true,
      };
    case 'draining':
      return {
        label: 'Draining',
        tone: 'cancelling',
        icon: null,
        shape: 'cancelling',
        asks: false,
        beats: true,
      };
    case 'silent':
      return {
        label: 'Silent',
        tone: 'doubt',
        icon: null,
        shape: 'doubt',
        asks: true,
        beats: false,
      };
    case 'gone':
      return {
        label: 'Gone',
        tone: 'cancelled',
        icon: 'offline',
        shape: null,
        asks: false,
        beats: false,
      };
    case 'lost':
      return {
        label: 'Lost',
        tone: 'failed',
        icon: null,
        shape: 'failed',
        asks: true,
        beats: false,
      };
    default:
      return {
        label: state,
        tone: 'pending',
        icon: null,
        shape: 'other',
        asks: false,
        beats: true,
      };
  }
}

function byName(a: ExecutorView, b: ExecutorView): number {
  return a.executor.localeCompare(b.executor);
}
