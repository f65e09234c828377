import { Component, computed, effect, inject, signal, untracked } from '@angular/core';
import { RouterLink } from '@angular/router';
import { ApiError, sentence } from '../api/api-error';
import type { Span } from '../api/api';
import { PageLink } from '../live/page-link';
import { clockTime, wholeDuration } from '../shared/times';
import { StatusIcon } from '../signs/status-icon';
import { EVERYTHING, toAddress } from '../workflows/list/list-query';
import { OfflineBanner } from '../workflows/offline-banner';
import { Tally } from '../workflows/tally';
import { Executors } from './executors';
import { OperationsStore } from './operations-store';
import { ENDED, EXITS, TIMEOUTS, causes, endedOf, failures, lagText, outcome, sum } from './series';
import { Sparkline } from './sparkline';
import { TimeChart, pieceWords } from './time-chart';

const SPANS: readonly { readonly span: Span; readonly label: string; readonly each: string }[] = [
  { span: '1h', label: '1 h', each: 'minute' },
  { span: '24h', label: '24 h', each: '30 minutes' },
  { span: '7d', label: '7 d', each: '3 hours' },
];

/** How the whole installation does: what runs, what ended and why, and who works. */
@Component({
  selector: 'lw-operations',
  imports: [Executors, OfflineBanner, RouterLink, Sparkline, StatusIcon, TimeChart],
  providers: [OperationsStore],
  templateUrl: './operations.html',
  styleUrl: './operations.css',
})
export class Operations {
  protected readonly store = inject(OperationsStore);
  protected readonly tally = inject(Tally);
  protected readonly page = inject(PageLink);

  protected readonly spans = SPANS;
  protected readonly span = signal<Span>('1h');
  /** Of what is shown, not of what was asked for: the words change with the numbers. */
  protected readonly shown = signal(SPANS[0]);
  protected readonly points = computed(() => this.store.trends()?.points ?? []);
  protected readonly step = computed(() => this.store.trends()?.step_s ?? 60);
  protected readonly asTable = signal(false);

  protected readonly running = computed(() => this.tally.summary()?.statuses['running'] ?? null);
  protected readonly stale = computed(() => this.tally.summary()?.stale ?? null);
  protected readonly runningNote = computed(() => {
    const pending = this.tally.summary()?.statuses['pending'] ?? null;
    const waiting = this.store.live().filter((one) => one.waiting_for !== null).length;
    const parts = [
      pending === null ? '' : `${pending.toLocaleString('en')} pending`,
      waiting === 0 ? '' : waiting === 1 ? '1 waits for a person' : `${waiting} wait for people`,
    ];
    return parts.filter((part) => part !== '').join(', ');
  });
  /** Who is in doubt for longest. */
  protected readonly staleNote = computed(() => {
    const doubted = this.store
      .live()
      .filter((one) => one.heartbeat === 'stale' && one.last_heartbeat_at !== null)
      .sort(
        (a, b) => Date.parse(a.last_heartbeat_at ?? '') - Date.parse(b.last_heartbeat_at ?? ''),
      );
    const [first] = doubted;
    if (!first) return (this.stale() ?? 0) > 0 ? 'until someone answers' : 'everyone was heard';
    const age = this.page.truth() - Date.parse(first.last_heartbeat_at ?? '');
    return `${first.executor ?? 'an executor'}, for ${wholeDuration(age)}`;
  });
  protected readonly runningLine = computed(() => this.points().map((one) => one.running));
  protected readonly staleLine = computed(() =>
    this.points().map((one) => one.vitals?.stale ?? null),
  );
  protected readonly timeoutLine = computed(() => failures(this.points(), TIMEOUTS));
  protected readonly timeouts = computed(() => sum(this.timeoutLine()));
  protected readonly exitLine = computed(() => failures(this.points(), EXITS));
  protected readonly exits = computed(() => sum(this.exitLine()));
  protected readonly exitNote = computed(() => {
    const killed = sum(failures(this.points(), ['abrupt_exit']));
    const silent = this.exits() - killed;
    const parts = [
      killed > 0 ? `${killed} died` : '',
      silent > 0 ? `${silent} left no result` : '',
    ];
    return parts.filter((part) => part !== '').join(', ') || 'no process died unseen';
  });
  protected readonly outcome = computed(() => outcome(this.points()));
  protected readonly successLine = computed(() =>
    this.points().map((one) => endedOf(one, 'success')),
  );
  protected readonly lag = computed(() => {
    const lag = this.store.trends()?.lag;
    return lag
      ? { p50: lagText(lag.p50_ms), p99: lagText(lag.p99_ms), worst: lagText(lag.worst_ms) }
      : null;
  });
  protected readonly lagLine = computed(() =>
    this.points().map((one) => one.vitals?.lag?.p99_ms ?? null),
  );
  protected readonly lagMedians = computed(() =>
    this.points().map((one) => one.vitals?.lag?.p50_ms ?? null),
  );
  protected readonly hasSlots = computed(() => this.points().some((one) => one.vitals !== null));
  protected readonly hasDoubts = computed(() =>
    this.points().some((one) => (one.vitals?.stale ?? 0) > 0),
  );
  /** From when this edge has seen it, where the span begins before. */
  protected readonly watchedSince = computed(() => {
    const trends = this.store.trends();
    const first = trends?.points[0];
    if (!trends || !first || Date.parse(trends.watched_since) <= Date.parse(first.at)) return '';
    return clockTime(trends.watched_since, this.page.truth());
  });
  protected readonly rows = computed(() =>
    this.points()
      .map((point, index, all) => ({
        at: pieceWords(point, this.step(), index === all.length - 1),
        running: point.running,
        ended: ENDED.map((how) => endedOf(point, how)),
        stale: point.vitals?.stale ?? '–',
        lag: point.vitals?.lag ? lagText(point.vitals.lag.p99_ms) : '–',
      }))
      .reverse(),
  );
  protected readonly causes = computed(() =>
    causes(this.points()).map((one) => ({ ...one, address: failedFor([one.code]) })),
  );
  protected readonly failed = computed(() => sum(this.causes().map((one) => one.count)));
  protected readonly mostCause = computed(() =>
    Math.max(1, ...this.causes().map((one) => one.count)),
  );
  protected readonly problem = computed(() => {
    const error = this.store.error();
    if (error === null) return '';
    if (error instanceof ApiError && error.status === 404)
      return 'This server is older than the app and does not tell how things went.';
    return `How things went cannot be read. ${sentence(error)}`;
  });

  protected readonly timedOut = failedFor(TIMEOUTS);
  protected readonly died = failedFor(EXITS);

  constructor() {
    effect(() => {
      const span = this.span();
      untracked(() => void this.store.load(span));
    });
    effect(() => {
      const step = this.store.trends()?.step_s;
      const found = SPANS[step === 1_800 ? 1 : step === 10_800 ? 2 : 0];
      untracked(() => this.shown.set(found));
    });
  }
}

/** The list of what failed so, the last first: a span would leave out what had begun before it. */
function failedFor(errors: readonly string[]): Record<string, string | null> {
  return toAddress({ ...EVERYTHING, statuses: ['failed'], errors, sort: '-finished_at' });
}
