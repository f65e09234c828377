/**
 * The list and its one link: many workflows over one connection.
 *
 * Every row is a signal of its own, and whatever arrives is written once per animation frame, so that a
 * thousand changes a second cost one rendering of the rows in sight. Rows never move by themselves: new
 * workflows wait until someone asks for them, and a row that no longer fits the filter stays, marked.
 */
import {
  DestroyRef,
  Service,
  inject,
  signal,
  type Signal,
  type WritableSignal,
} from '@angular/core';
import { Api } from '../../api/api';
import type { Frame, Workflow } from '../../api/contracts';
import { ApiError } from '../../api/api-error';
import { missed } from '../../live/asked';
import type { LadderState } from '../../live/ladder-state';
import { grounded } from '../../live/ladder-state';
import type { Asked, LiveLink, Source } from '../../live/live-link';
import { nextFrame } from '../../live/next-frame';
import { PageLink } from '../../live/page-link';
import { LinkBuilder } from '../../live/surroundings';
import { later } from '../../live/workflow-order';
import { ServerClock } from '../../shared/server-clock';
import { CompletionBell } from '../../shell/completion-bell';
import { Tally } from '../tally';
import { EVERYTHING, matches, toQuery, type ListFilter } from './list-query';

/** How many rows one question brings. */
export const PAGE_ROWS = 100;

export interface Row {
  readonly workflow: Workflow;
  /** It no longer fits the filter, and stays until the list is loaded anew. */
  readonly moved: boolean;
  /** Counts its changes of status while on the page. */
  readonly changes: number;
}

@Service()
export class WorkflowsFeed implements Source {
  private readonly api = inject(Api);
  private readonly builder = inject(LinkBuilder);
  private readonly page = inject(PageLink);
  private readonly clock = inject(ServerClock);
  private readonly tally = inject(Tally);
  private readonly bell = inject(CompletionBell);

  private readonly cells = new Map<string, WritableSignal<Row>>();
  private readonly order = signal<readonly string[]>([]);
  private readonly arrived = signal<ReadonlyMap<string, Workflow>>(new Map());
  private readonly state = signal<'loading' | 'ready' | 'failed'>('loading');
  private readonly thrown = signal<unknown>(null);
  private readonly more = signal<string | null>(null);
  private readonly none = signal(grounded());
  private readonly live = signal<LiveLink | null>(null);

  private filter: ListFilter = EVERYTHING;
  private readonly pending = new Map<string, Workflow>();
  private flushing = false;
  private loadingMore = false;
  private generation = 0;
  private position = 0;
  /** The rows are what the server had at this position; what it had and they lack is on a later page. */
  private listed = 0;
  private etag: string | null = null;
  private epoch: string | null = null;
  private release: (() => void) | null = null;

  /** Ids in the order of the rows. */
  readonly ids = this.order.asReadonly();
  /** Workflows that fit the filter and are not among the rows yet. */
  readonly newcomers = this.arrived.asReadonly();
  readonly phase = this.state.asReadonly();
  readonly error = this.thrown.asReadonly();
  /** Whether the server has more rows. */
  readonly hasMore = this.more.asReadonly();

  get link(): Signal<LadderState> {
    return this.live()?.state ?? this.none;
  }

  /** The row of an id that is in `ids`. */
  row(id: string): Signal<Row> {
    const cell = this.cells.get(id);
    if (!cell) throw new Error(`no row for ${id}`);
    return cell;
  }

  /** What is known of a workflow, where it is among the rows. */
  known(id: string): Workflow | null {
    return this.cells.get(id)?.().workflow ?? null;
  }

  /** Holds the link until `until` is destroyed. */
  open(until: DestroyRef): void {
    until.onDestroy(() => {
      this.generation += 1;
      this.closeLink();
    });
  }

  /** Shows another list; the old rows stay until the new ones are here. */
  async show(filter: ListFilter): Promise<void> {
    this.filter = filter;
    this.etag = null;
    await this.load();
  }

  /** Loads the list anew, newcomers included. */
  async load(): Promise<void> {
    const mine = ++this.generation;
    if (this.order().length === 0) this.state.set('loading');
    try {
      const { body, etag } = await this.api.list(this.question(null), null);
      if (mine !== this.generation || body === null) return;
      this.etag = etag;
      this.position = body.position;
      this.listed = body.position;
      this.replace(body.items);
      this.more.set(body.next_cursor);
      this.state.set('ready');
      this.thrown.set(null);
      this.openLink();
    } catch (error) {
      if (mine !== this.generation) return;
      this.thrown.set(error);
      this.state.set('failed');
      if (!(error instanceof ApiError) || error.status >= 500) this.openLink();
    }
  }

  /** Brings the next rows, if there are more. */
  async loadMore(): Promise<void> {
    const cursor = this.more();
    if (cursor === null || this.loadingMore) return;
    this.loadingMore = true;
    const mine = this.generation;
    try {
      const { body } = await this.api.list(this.question(cursor), null);
      if (mine !== this.generation || body === null) return;
      const fresh = body.items.filter(
        (workflow) => !this.cells.has(workflow.id) && this.fits(workflow),
      );
      for (const workflow of fresh) this.cells.set(workflow.id, signal(row(workflow)));
      for (const workflow of body.items) this.hear(workflow);
      this.order.update((ids) => [...ids, ...fresh.map((workflow) => workflow.id)]);
      this.more.set(body.next_cursor);
    } catch {
      // The rows that are there stay true; scrolling on asks again.
    } finally {
      this.loadingMore = false;
    }
  }

  /** Takes what a command answered, as if it had been heard. */
  accept(workflow: Workflow): void {
    this.hear(workflow);
  }

  push(): void {
    this.live()?.push();
  }

  path(rung: 'ws' | 'sse'): string {
    const place = this.epoch === null ? String(this.position) : `${this.epoch}:${this.position}`;
    return `/${rung === 'ws' ? 'ws' : 'events'}/workflows?after=${encodeURIComponent(place)}`;
  }

  async ask(aborted: AbortSignal): Promise<Asked> {
    try {
      const { body, etag } = await this.api.list(this.question(null), this.etag, aborted);
      this.etag = etag;
      if (body !== null) {
        this.position = Math.max(this.position, body.position);
        if (this.state() === 'failed') this.replace(body.items);
        this.state.set('ready');
        this.thrown.set(null);
        for (const workflow of body.items) this.hear(workflow);
        this.tally.ask();
      }
      return { type: 'answered' };
    } catch (error) {
      return missed(error);
    }
  }

  take(frame: Frame): boolean {
    switch (frame.type) {
      case 'hello':
        if (this.epoch !== null && this.epoch !== frame.epoch) this.begin(frame.position);
        // A list that never came must still come, whatever the stream can make up for.
        else if (!frame.recovered || this.state() === 'failed') this.reload();
        this.epoch = frame.epoch;
        break;
      case 'resync':
        this.reload();
        break;
      case 'status':
        this.tally.moved(frame);
        this.hear(frame.workflow);
        break;
      case 'heartbeat':
        this.tally.ask();
        this.hear(frame.workflow);
        break;
      case 'snapshot':
      case 'progress':
        this.hear(frame.workflow);
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

  private hear(workflow: Workflow): void {
    this.position = Math.max(this.position, workflow.position);
    const waiting = this.pending.get(workflow.id) ?? null;
    this.pending.set(workflow.id, waiting === null ? workflow : later(waiting, workflow));
    if (this.flushing) return;
    this.flushing = true;
    nextFrame(() => this.flush());
  }

  private flush(): void {
    this.flushing = false;
    const newcomers = new Map(this.arrived());
    let changed = false;
    for (const [id, heard] of this.pending) {
      const cell = this.cells.get(id);
      if (cell) {
        const before = cell();
        const workflow = later(before.workflow, heard);
        if (workflow === before.workflow) continue;
        const moved = !this.fits(workflow);
        const changes = before.changes + (workflow.status === before.workflow.status ? 0 : 1);
        cell.set({ workflow, moved, changes });
        if (workflow.isTerminal && !before.workflow.isTerminal)
          this.ring(before.workflow, workflow);
      } else if (this.fits(heard) && !this.isBelow(heard)) {
        newcomers.set(id, later(newcomers.get(id) ?? null, heard));
        changed = true;
      } else if (newcomers.delete(id)) {
        changed = true;
      }
    }
    this.pending.clear();
    if (!changed) return;
    if (this.state() === 'ready' && this.order().length === 0) {
      // Nothing can jump where nothing is: the first workflow shows at once.
      this.replace([...newcomers.values()].sort((a, b) => b.position - a.position));
    } else {
      this.arrived.set(newcomers);
    }
  }

  /** Whether a workflow that is not among the rows is old: it comes when someone scrolls there. */
  private isBelow(workflow: Workflow): boolean {
    // An overlay comes and goes without a position of its own.
    if (this.more() === null || this.filter.overlay !== null) return false;
    return workflow.position <= this.listed;
  }

  private ring(before: Workflow, ended: Workflow): void {
    this.bell.tell(before);
    this.bell.tell(ended);
  }

  private replace(items: readonly Workflow[]): void {
    const shown = items.filter((workflow) => this.fits(workflow));
    const kept = new Map(this.cells);
    this.cells.clear();
    for (const workflow of shown) {
      const cell = kept.get(workflow.id);
      if (cell) {
        const before = cell();
        const next = later(before.workflow, workflow);
        if (next !== before.workflow || before.moved)
          cell.set({ ...before, workflow: next, moved: !this.fits(next) });
      }
      this.cells.set(workflow.id, cell ?? signal(row(workflow)));
    }
    this.arrived.set(new Map());
    this.order.set(shown.map((workflow) => workflow.id));
  }

  private fits(workflow: Workflow): boolean {
    return matches(this.filter, workflow, this.clock.now());
  }

  private question(cursor: string | null) {
    return {
      ...toQuery(this.filter, this.clock.now()),
      limit: String(PAGE_ROWS),
      cursor: cursor ?? undefined,
    };
  }

  /** Something was missed; the rows are asked for again, and nothing jumps meanwhile. */
  private reload(): void {
    this.etag = null;
    this.tally.ask();
    void this.ask(new AbortController().signal);
  }

  /** Another log: no position of the old one means anything. */
  private begin(position: number): void {
    this.position = position;
    this.cells.clear();
    this.order.set([]);
    this.etag = null;
    void this.load();
  }

  private openLink(): void {
    if (this.live()) return;
    const link = this.builder.build(this);
    this.live.set(link);
    this.release = this.page.use(link.state, () => link.push());
    link.start();
  }

  private closeLink(): void {
    this.live()?.stop();
    this.live.set(null);
    this.release?.();
    this.release = null;
  }
}

function row(workflow: Workflow): Row {
  return { workflow, moved: false, changes: 0 };
}

/** A frame of a newer server; nothing to do. */
function unheardOf(frame: never): void {
  void frame;
}
