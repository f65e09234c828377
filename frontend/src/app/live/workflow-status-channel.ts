/** Live truth about single workflows: one link per workflow and page, shared by whoever watches. */
import { DestroyRef, Service, inject, signal, type Signal } from '@angular/core';
import { Api } from '../api/api';
import type { Frame, Workflow } from '../api/contracts';
import { Settings } from '../shared/settings';
import { missed } from './asked';
import type { LadderState } from './ladder-state';
import type { Asked, LiveLink, Source } from './live-link';
import { nextFrame } from './next-frame';
import { LinkBuilder } from './surroundings';
import { hasEnded, later } from './workflow-order';

/** A workflow that somebody watches. It stops by itself once the workflow has ended. */
export interface Watched {
  /** The latest known truth; null until the first. It never goes backwards. */
  readonly workflow: Signal<Workflow | null>;
  readonly link: Signal<LadderState>;
  /** Takes what a command answered, as if it had been heard. */
  accept(workflow: Workflow): void;
  /** Tries again now rather than at the next turn. */
  push(): void;
}

@Service()
export class WorkflowStatusChannel {
  private readonly api = inject(Api);
  private readonly builder = inject(LinkBuilder);
  private readonly settings = inject(Settings);
  private readonly open = new Map<string, { readonly one: OneWorkflow; watchers: number }>();

  /** Watches until `until` is destroyed; the last watcher to go closes the link. */
  watch(id: string, until: DestroyRef): Watched {
    let entry = this.open.get(id);
    if (!entry) {
      entry = { one: new OneWorkflow(id, this.api, this.builder, this.settings), watchers: 0 };
      this.open.set(id, entry);
      entry.one.start();
    }
    const held = entry;
    held.watchers += 1;
    until.onDestroy(() => {
      held.watchers -= 1;
      if (held.watchers > 0) return;
      held.one.stop();
      this.open.delete(id);
    });
    return held.one;
  }
}

class OneWorkflow implements Watched, Source {
  private readonly shown = signal<Workflow | null>(null);
  readonly workflow = this.shown.asReadonly();
  readonly link: Signal<LadderState>;
  private readonly live: LiveLink;
  /** The latest heard; shown with the next frame, so that a burst costs one rendering. */
  private heard: Workflow | null = null;
  private flushing = false;
  private epoch: string | null = null;
  private etag: string | null = null;

  constructor(
    private readonly id: string,
    private readonly api: Api,
    builder: LinkBuilder,
    private readonly settings: Settings,
  ) {
    this.live = builder.build(this);
    this.link = this.live.state;
  }

  start(): void {
    this.live.start();
  }

  stop(): void {
    this.live.stop();
  }

  push(): void {
    this.live.push();
  }

  accept(workflow: Workflow): void {
    if (workflow.id === this.id) this.hear(workflow);
  }

  path(rung: 'ws' | 'sse'): string {
    // With the epoch, a place in another log is recognised as one.
    const after =
      this.heard === null || this.epoch === null
        ? ''
        : `?after=${encodeURIComponent(`${this.epoch}:${this.heard.position}`)}`;
    return `/${rung === 'ws' ? 'ws' : 'events'}/workflows/${encodeURIComponent(this.id)}${after}`;
  }

  async ask(aborted: AbortSignal): Promise<Asked> {
    try {
      const { body, etag } = await this.api.workflow(this.id, this.etag, aborted);
      this.etag = etag;
      if (body !== null) {
        if (this.heard !== null && body.position < this.heard.position) await this.checkEpoch();
        this.hear(body);
      }
      return { type: 'answered', ended: hasEnded(this.heard) };
    } catch (thrown) {
      return missed(thrown);
    }
  }

  take(frame: Frame): boolean {
    switch (frame.type) {
      case 'hello':
        this.enterEpoch(frame.epoch);
        return false;
      case 'snapshot':
      case 'status':
      case 'progress':
      case 'heartbeat':
        this.hear(frame.workflow);
        return hasEnded(this.heard);
      case 'end':
        return hasEnded(this.heard);
      case 'resync':
      case 'ping':
      case 'output':
      case 'problem':
        return false;
      default:
        return unheardOf(frame);
    }
  }

  private hear(workflow: Workflow): void {
    this.heard = later(this.heard, workflow);
    if (this.flushing) return;
    this.flushing = true;
    nextFrame(() => {
      this.flushing = false;
      this.shown.set(this.heard);
    });
  }

  /** Positions of another log mean nothing here: whatever comes next is the truth. */
  private enterEpoch(epoch: string): void {
    if (epoch === '') return; // nobody has said
    if (this.epoch !== null && this.epoch !== epoch) {
      this.heard = null;
      this.etag = null;
    }
    this.epoch = epoch;
  }

  /** A lower position over HTTP is an old answer, or a new log: only the epoch tells them apart. */
  private async checkEpoch(): Promise<void> {
    await this.settings.reload();
    this.enterEpoch(this.settings.config().epoch);
  }
}

/** A frame of a newer server that this app does not know: nothing to do, and nothing ended. */
function unheardOf(frame: never): boolean {
  void frame;
  return false;
}
