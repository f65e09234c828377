/**
 * What Operations shows: the workflows of a span of time, kept live, and the executors.
 *
 * The API has no time series yet; the series are drawn from the workflows themselves, so they are as true
 * as the list is, and they say so where the span holds more than was loaded.
 */
import { DestroyRef, Service, computed, inject, signal } from '@angular/core';
import { Api } from '../api/api';
import type { ExecutorView, Frame, Workflow } from '../api/contracts';
import { missed } from '../live/asked';
import type { Asked, LiveLink, Source } from '../live/live-link';
import { nextFrame } from '../live/next-frame';
import { PageEvents } from '../live/page-events';
import { PageLink } from '../live/page-link';
import { LinkBuilder } from '../live/surroundings';
import { later } from '../live/workflow-order';
import { ServerClock } from '../shared/server-clock';
import { Settings } from '../shared/settings';
import { Tally } from '../workflows/tally';

export type Span = '1h' | '24h' | '7d';

export const SPAN_MS: Readonly<Record<Span, number>> = {
  '1h': 3_600_000,
  '24h': 86_400_000,
  '7d': 604_800_000,
};

const PAGE_ROWS = 200;
const MOST_PAGES = 5;

@Service({ autoProvided: false })
export class OperationsStore implements Source {
  private readonly api = inject(Api);
  private readonly clock = inject(ServerClock);
  private readonly tally = inject(Tally);
  private readonly settings = inject(Settings);
  private readonly events = inject(PageEvents);
  private readonly page = inject(PageLink);
  private readonly link: LiveLink;

  private readonly held = signal<ReadonlyMap<string, Workflow>>(new Map());
  private readonly known = signal<readonly ExecutorView[] | null>(null);
  private readonly cut = signal(false);
  private readonly state = signal<'loading' | 'ready' | 'failed'>('loading');
  private readonly thrown = signal<unknown>(null);
  private readonly pending = new Map<string, Workflow>();
  private flushing = false;
  private position = 0;
  private span: Span = '1h';
  private generation = 0;
  private over = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  readonly workflows = computed(() => [...this.held().values()]);
  readonly executors = this.known.asReadonly();
  /** Whether the span holds more workflows than were loaded. */
  readonly truncated = this.cut.asReadonly();
  readonly phase = this.state.asReadonly();
  readonly error = this.thrown.asReadonly();

  constructor() {
    this.link = inject(LinkBuilder).build(this);
    const release = this.page.use(this.link.state, () => this.link.push());
    void this.tally.load();
    void this.watchExecutors();
    inject(DestroyRef).onDestroy(() => {
      this.over = true;
      this.generation += 1;
      clearTimeout(this.timer);
      this.link.stop();
      release();
    });
  }

  async load(span: Span): Promise<void> {
    this.span = span;
    const mine = ++this.generation;
    const since = new Date(this.clock.now() - SPAN_MS[span]).toISOString();
    const found = new Map<string, Workflow>();
    try {
      let cursor: string | null = null;
      for (let page = 0; page < MOST_PAGES; page++) {
        const query = { since, limit: String(PAGE_ROWS), cursor: cursor ?? undefined };
        const { body } = await this.api.list(query, null);
        if (mine !== this.generation || body === null) return;
        if (page === 0) this.position = body.position;
        for (const workflow of body.items) found.set(workflow.id, workflow);
        cursor = body.next_cursor;
        if (cursor === null) break;
      }
      for (const [id, workflow] of this.held()) {
        const fresh = found.get(id);
        if (fresh) found.set(id, later(workflow, fresh));
      }
      this.cut.set(cursor !== null);
      this.held.set(found);
      this.state.set('ready');
      this.thrown.set(null);
    } catch (error) {
      if (mine !== this.generation) return;
      this.thrown.set(error);
      if (this.held().size === 0) this.state.set('failed');
    }
    if (mine === this.generation && this.link.state().phase === 'idle') this.link.start();
  }

  path(rung: 'ws' | 'sse'): string {
    return `/${rung === 'ws' ? 'ws' : 'events'}/workflows?after=${this.position}`;
  }

  async ask(aborted: AbortSignal): Promise<Asked> {
    try {
      const { body } = await this.api.list({ limit: String(PAGE_ROWS) }, null, aborted);
      for (const workflow of body?.items ?? []) this.hear(workflow);
      if (body) this.position = Math.max(this.position, body.position);
      this.tally.ask();
      if (this.state() === 'failed') void this.load(this.span);
      return { type: 'answered' };
    } catch (error) {
      return missed(error);
    }
  }

  take(frame: Frame): boolean {
    switch (frame.type) {
      case 'status':
        this.tally.moved(frame);
        this.hear(frame.workflow);
        break;
      case 'heartbeat':
        this.tally.ask();
        this.hear(frame.workflow);
        break;
      case 'snapshot':
        this.hear(frame.workflow);
        break;
      case 'resync':
        void this.load(this.span);
        this.tally.ask();
        break;
      case 'hello':
        if (this.state() === 'failed') void this.load(this.span);
        else if (!frame.recovered && this.position > 0 && frame.position > this.position) {
          void this.load(this.span);
        }
        break;
      case 'ping':
        this.position = Math.max(this.position, frame.position);
        break;
      case 'progress':
      case 'end':
      case 'output':
      case 'problem':
        break;
      default:
        unheardOf(frame);
    }
    return false;
  }

  private hear(workflow: Workflow): void {
    this.position = Math.max(this.position, workflow.position);
    const before = this.pending.get(workflow.id) ?? this.held().get(workflow.id) ?? null;
    this.pending.set(workflow.id, later(before, workflow));
    if (this.flushing) return;
    this.flushing = true;
    // Charts need no sixty pictures a second.
    setTimeout(() => nextFrame(() => this.flush()), 250);
  }

  private flush(): void {
    this.flushing = false;
    if (this.pending.size === 0) return;
    this.held.set(new Map([...this.held(), ...this.pending]));
    this.pending.clear();
  }

  /** Executors have no stream of their own; they are asked for once a beat, and not while nobody looks. */
  private async watchExecutors(): Promise<void> {
    if (!this.events.hidden || this.known() === null) {
      try {
        this.known.set((await this.api.executors()).items);
      } catch {
        // The rows keep what was true; the link says that nobody answers.
      }
    }
    const wait = Math.max(2, this.settings.config().heartbeat_interval_s) * 1000;
    if (!this.over && this.link.state().phase !== 'refused') {
      this.timer = setTimeout(() => void this.watchExecutors(), wait);
    }
  }
}

/** A frame of a newer server; nothing to do. */
function unheardOf(frame: never): void {
  void frame;
}
