/**
 * Carries out what the ladder decides: opens and closes, sets timers, asks, and tells the ladder what came
 * of it. It owns no policy and keeps no truth; frames go straight to the source.
 */
import { signal, type Signal, type WritableSignal } from '@angular/core';
import type { Frame } from '../api/contracts';
import { climb } from './ladder';
import {
  grounded,
  type Effect,
  type Happening,
  type LadderState,
  type LinkName,
  type Refusal,
  type Rules,
  type TimerName,
} from './ladder-state';
import type { PageEvent } from './page-events';
import type { Connection, Open } from './transports';

/** What came of asking. */
export type Asked =
  | { readonly type: 'answered'; readonly ended?: boolean }
  | {
      readonly type: 'unanswered';
      readonly retryAfterMs: number | null;
      /** Somebody answered, and could not say how things stand: the way there is open. */
      readonly busy: boolean;
    }
  | { readonly type: 'denied'; readonly refusal: Refusal };

/** What the link is about: one workflow, or a list of them. */
export interface Source {
  /** The address of a live rung now; it may name the position to resume after. */
  path(rung: 'ws' | 'sse'): string;
  /** Asks once over HTTP, conditionally, and takes the answer. Never throws. */
  ask(aborted: AbortSignal): Promise<Asked>;
  /** Takes a frame; true once nothing can follow. */
  take(frame: Frame): boolean;
}

/** What the link needs of its surroundings. */
export interface Surroundings {
  readonly openWebSocket: Open;
  readonly openEvents: Open;
  readonly rules: Rules;
  readonly now: () => number;
  readonly page: { readonly hidden: boolean; listen(hear: (event: PageEvent) => void): () => void };
  readonly off: readonly ('ws' | 'sse')[];
}

/** Questions on their way at once: a browser opens six connections to a server, and streams hold some. */
const MOST_ASKED = 2;

export class LiveLink {
  private readonly written: WritableSignal<LadderState>;
  /** Where the ladder stands. */
  readonly state: Signal<LadderState>;
  private readonly links = new Map<LinkName, Connection>();
  private readonly timers = new Map<TimerName, ReturnType<typeof setTimeout>>();
  /** The questions on their way, oldest first. */
  private asking: readonly AbortController[] = [];
  private deafen: (() => void) | null = null;
  private rules: Rules;

  constructor(
    private readonly source: Source,
    private readonly around: Surroundings,
  ) {
    this.rules = around.rules;
    this.written = signal(grounded(around.off, around.page.hidden));
    this.state = this.written.asReadonly();
  }

  start(): void {
    this.deafen = this.around.page.listen((type) => this.tell({ type, at: this.around.now() }));
    this.tell({ type: 'started', at: this.around.now() });
  }

  stop(): void {
    this.tell({ type: 'stopped', at: this.around.now() });
    this.deafen?.();
    this.deafen = null;
  }

  /** Someone pressed *Try now*. */
  push(): void {
    this.tell({ type: 'pushed', at: this.around.now() });
  }

  private tell(happening: Happening): void {
    const step = climb(this.written(), happening, this.rules);
    this.written.set(step.state);
    for (const effect of step.effects) this.carryOut(effect);
    if (
      step.state.phase === 'ended' ||
      step.state.phase === 'refused' ||
      step.state.phase === 'idle'
    ) {
      this.giveUp(this.asking);
    }
  }

  private carryOut(effect: Effect): void {
    switch (effect.do) {
      case 'open':
        return this.open(effect.link, effect.rung);
      case 'close':
        return this.close(effect.link);
      case 'promote':
        return this.promote();
      case 'ask':
        return void this.ask();
      case 'set':
        clearTimeout(this.timers.get(effect.timer));
        this.timers.set(
          effect.timer,
          setTimeout(() => this.elapse(effect.timer), effect.ms),
        );
        return;
      case 'clear':
        clearTimeout(this.timers.get(effect.timer));
        this.timers.delete(effect.timer);
        return;
    }
  }

  private elapse(timer: TimerName): void {
    this.timers.delete(timer);
    this.tell({ type: 'elapsed', timer, at: this.around.now() });
  }

  private open(link: LinkName, rung: 'ws' | 'sse'): void {
    this.close(link);
    const open = rung === 'ws' ? this.around.openWebSocket : this.around.openEvents;
    // What a link is called may change under it: a probe that speaks becomes the main one.
    const connection: Connection = open(this.source.path(rung), {
      frame: (frame) => this.hear(connection, frame),
      lost: (code) => {
        const name = this.nameOf(connection);
        if (name) this.tell({ type: 'lost', link: name, code, at: this.around.now() });
      },
    });
    this.links.set(link, connection);
  }

  private hear(connection: Connection, frame: Frame): void {
    const link = this.nameOf(connection);
    if (!link) return;
    if (frame.type === 'hello') this.rules = { ...this.rules, silenceMs: frame.ping_s * 2_500 };
    this.tell({ type: 'spoke', link, at: this.around.now() });
    if (this.source.take(frame)) this.tell({ type: 'ended', at: this.around.now() });
  }

  private nameOf(connection: Connection): LinkName | null {
    for (const [name, held] of this.links) if (held === connection) return name;
    return null;
  }

  private close(link: LinkName): void {
    const connection = this.links.get(link);
    this.links.delete(link);
    connection?.close();
  }

  private promote(): void {
    const probe = this.links.get('probe');
    if (!probe) return;
    this.links.delete('probe');
    this.close('main');
    this.links.set('main', probe);
  }

  private async ask(): Promise<void> {
    this.giveUp(this.asking.slice(0, -(MOST_ASKED - 1)));
    const mine = new AbortController();
    this.asking = [...this.asking, mine];
    const asked = await this.source.ask(mine.signal);
    const at = this.asking.indexOf(mine);
    if (at < 0) return;
    // What was asked before this one can only bring older news.
    this.giveUp(this.asking.slice(0, at));
    this.asking = this.asking.filter((one) => one !== mine);
    this.hearAnswer(asked);
  }

  private giveUp(questions: readonly AbortController[]): void {
    this.asking = this.asking.filter((one) => !questions.includes(one));
    for (const one of questions) one.abort();
  }

  private hearAnswer(asked: Asked): void {
    const at = this.around.now();
    if (asked.type === 'unanswered') {
      this.tell({ ...asked, at });
    } else if (asked.type === 'denied') {
      this.tell({ type: 'denied', refusal: asked.refusal, at });
    } else {
      this.tell({ type: 'answered', at });
      if (asked.ended) this.tell({ type: 'ended', at });
    }
  }
}
