/**
 * What Operations shows: how things went, who works, and what runs just now.
 *
 * The server tells the course of a span (`/trends`); the one stream of the page says when something moved, so
 * that it is asked for again, and keeps the workflows that run, for what they wait for and who is in doubt.
 */
import { DestroyRef, Service, computed, inject, signal } from '@angular/core';
import { Api, type Span } from '../api/api';
import type { ExecutorView, Frame, Trends, Workflow } from '../api/contracts';
import { missed } from '../live/asked';
import type { Asked, LiveLink, Source } from '../live/live-link';
import { nextFrame } from '../live/next-frame';
import { PageEvents } from '../live/page-events';
import { PageLink } from '../live/page-link';
import { LinkBuilder } from '../live/surroundings';
import { later } from '../live/workflow-order';
import { Settings } from '../shared/settings';
import { Tally } from '../workflows/tally';

/** What runs is asked for in one question; more than these are counted and not looked at. */
const MOST_LIVE = 200;
/** Between two questions for the course at least, and at most while someone looks. */
const REST_MS = 2_500;
const RENEW_MS = 15_000;

@Service({ autoProvided: false })
export class OperationsStore implements Source {
  private readonly api = inject(Api);
  private readonly tally = inject(Tally);
  private readonly settings = inject(Settings);
  private readonly events = inject(PageEvents);
  private readonly page = inject(PageLink);
  private readonly link: LiveLink;

  private readonly held = signal<ReadonlyMap<string, Workflow>>(new Map());
  private readonly known = signal<readonly ExecutorView[] | null>(null);
  private readonly course = signal<Trends | null>(null);
  private readonly thrown = signal<unknown>(null);
  private pending: Map<string, Workflow> | null = null;
  private forgets = false;
  private position = 0;
  private epoch = '';
  private span: Span = '1h';
  private generation = 0;
  private over = false;
  private askedAt = 0;
  /** Whether a question for the course is under way: a slow answer is waited for, not asked for again. */
  private asking = false;
  private soon: ReturnType<typeof setTimeout> | undefined;
  private beat: ReturnType<typeof setTimeout> | undefined;

  /** The workflows that run just now. */
  readonly live = computed(() => [...this.held().values()]);
  /** Null until the server has said. */
  readonly executors = this.known.asReadonly();
  /** The course of the span; the last one stays until the next is here. */
  readonly trends = this.course.asReadonly();
  /** Why there is no newer course; null where there is. */
  readonly error = this.thrown.asReadonly();

  constructor() {
    this.link = inject(LinkBuilder).build(this);
    const release = this.page.use(this.link.state, () => this.link.push());
    const deafen = this.events.listen((event) => {
      if (event === 'shown') this.askSoon(0);
    });
    void this.tally.load();
    void this.watchExecutors();
    this.link.start();
    inject(DestroyRef).onDestroy(() => {
      this.over = true;
      this.generation += 1;
      clearTimeout(this.soon);
      clearTimeout(this.beat);
      this.link.stop();
      deafen();
      release();
    });
  }

  /** Shows another span; what is shown stays until the answer is here. */
  async load(span: Span = this.span): Promise<void> {
    this.span = span;
    clearTimeout(this.soon);
    const mine = ++this.generation;
    this.askedAt = Date.now();
    this.asking = true;
    try {
      const trends = await this.api.trends(span);
      if (mine !== this.generation) return;
      this.course.set(trends);
      this.thrown.set(null);
    } catch (error) {
      if (mine !== this.generation) return;
      this.thrown.set(error);
    }
    this.asking = false;
    this.askSoon(RENEW_MS);
  }

  path(rung: 'ws' | 'sse'): string {
    // With the epoch, a place in another log is recognised as one.
    const place = `${this.epoch}:${this.position}`;
    const after = this.epoch === '' ? '' : `?after=${encodeURIComponent(place)}`;
    return `/${rung === 'ws' ? 'ws' : 'events'}/workflows${after}`;
  }

  async ask(aborted: AbortSignal): Promise<Asked> {
    try {
      const query = { status: 'running,cancelling', limit: String(MOST_LIVE) };
      const { body } = await this.api.list(query, null, aborted);
      if (body) {
        this.forgets = true;
        for (const workflow of body.items) this.hear(workflow);
        this.flushSoon();
      }
      this.tally.ask();
      this.askSoon();
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
        this.askSoon();
        break;
      case 'heartbeat':
        this.tally.ask();
        this.hear(frame.workflow);
        this.askSoon();
        break;
      case 'snapshot':
      case 'progress':
        this.hear(frame.workflow);
        break;
      case 'resync':
        this.forget();
        break;
      case 'hello':
        if (!frame.recovered) this.forget();
        // A place is reached when what was missed has been heard, not when it is promised.
        if (this.epoch !== frame.epoch) this.position = frame.position;
        this.epoch = frame.epoch;
        if (this.thrown() !== null) void this.load();
        break;
      case 'ping':
        this.position = Math.max(this.position, frame.position);
        break;
      case 'end':
      case 'output':
      case 'problem':
        break;
      default:
        unheardOf(frame);
    }
    return false;
  }

  /** What ran may have ended unheard: only what is heard from now on is true; snapshots of all follow. */
  private forget(): void {
    this.forgets = true;
    this.tally.ask();
    this.askSoon();
    this.flushSoon();
  }

  private hear(workflow: Workflow): void {
    this.position = Math.max(this.position, workflow.position);
    this.flushSoon();
    const before = this.pending?.get(workflow.id) ?? this.held().get(workflow.id) ?? null;
    this.pending?.set(workflow.id, later(before, workflow));
  }

  /** A quarter of a second of changes is one picture: charts need no sixty a second. */
  private flushSoon(): void {
    if (this.pending !== null) return;
    this.pending = new Map();
    setTimeout(() => nextFrame(() => this.flush()), 250);
  }

  private flush(): void {
    const heard = this.pending ?? new Map<string, Workflow>();
    this.pending = null;
    const held = this.forgets ? heard : new Map([...this.held(), ...heard]);
    this.forgets = false;
    this.held.set(new Map([...held].filter(([, workflow]) => !workflow.isTerminal)));
  }

  /** Asks for the course again, not before a rest, and not while nobody looks. */
  private askSoon(atLeastMs = 0): void {
    clearTimeout(this.soon);
    if (this.over) return;
    const wait = Math.max(atLeastMs, this.askedAt + REST_MS - Date.now());
    this.soon = setTimeout(() => {
      if (this.events.hidden) return; // asked for when it is shown
      if (this.asking) this.askSoon(REST_MS);
      else void this.load();
    }, wait);
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
      this.beat = setTimeout(() => void this.watchExecutors(), wait);
    }
  }
}

/** A frame of a newer server; nothing to do. */
function unheardOf(frame: never): void {
  void frame;
}
