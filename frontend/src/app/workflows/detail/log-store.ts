/**
 * The output of one workflow: loaded in pages, then followed.
 *
 * It follows over server-sent events and asks instead wherever they are off, break or are held back; after the end it
 * asks once more, so that the last lines are here, and then never again.
 */
import { Service, computed, inject, signal, type DestroyRef } from '@angular/core';
import { Api } from '../../api/api';
import { ApiError } from '../../api/api-error';
import type { LogLine, Output } from '../../api/contracts';
import { backoffMs } from '../../live/backoff';
import { Settings } from '../../shared/settings';

/** Messages of one question; each brings one line or more. */
const PAGE = 1_000;
/** A stream that has not said a word by then, in ms, is one that something on the way holds back. */
const OPEN_MS = 5_000;
/** How long, in ms, the log is asked for instead where a stream never spoke. */
const REST_MS = 60_000;
/** Longest wait, in ms, between two questions while nobody answers. */
const CAP_MS = 30_000;
/** Lines kept; older ones are left out and said so. */
const MOST_LINES = 50_000;

export interface Line extends LogLine {
  readonly number: number;
}

@Service({ autoProvided: false })
export class LogStore {
  private readonly api = inject(Api);
  private readonly settings = inject(Settings);
  private readonly held = signal<readonly Line[]>([]);
  private readonly cut = signal(0);
  private readonly wrong = signal<unknown>(null);
  private readonly following = signal(true);
  private readonly over = signal(false);
  private readonly first = signal(false);

  readonly lines = this.held.asReadonly();
  readonly count = computed(() => this.held().length);
  /** Lines that were left out, here or where they came from. */
  readonly left = this.cut.asReadonly();
  readonly error = this.wrong.asReadonly();
  readonly follows = this.following.asReadonly();
  /** Whether the first lines are here. */
  readonly ready = this.first.asReadonly();
  /** Whether nothing can follow. */
  readonly complete = this.over.asReadonly();

  private id = '';
  private cursor: string | null = null;
  private source: EventSource | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private restUntil = 0;
  /** Questions in a row that failed. */
  private failures = 0;
  private visit = 0;
  private hasEnded = false;
  private asking = false;
  private number = 0;

  /** Loads and follows until `until` is destroyed. */
  follow(id: string, until: Pick<DestroyRef, 'onDestroy'>): void {
    const mine = ++this.visit;
    this.id = id;
    this.cursor = null;
    this.number = 0;
    this.hasEnded = false;
    this.held.set([]);
    this.cut.set(0);
    this.over.set(false);
    this.first.set(false);
    this.wrong.set(null);
    until.onDestroy(() => {
      this.visit += 1;
      this.hush();
    });
    void this.catchUp(mine);
  }

  /** Tells that the workflow has ended, so that the following can. */
  ended(ended: boolean): void {
    if (!ended || this.hasEnded) return;
    this.hasEnded = true;
    this.hush();
    // One question at a time: two would bring the same lines twice. The one under way looks again itself.
    if (!this.asking && !this.over()) void this.catchUp(this.visit);
  }

  toggleFollow(): void {
    this.following.update((on) => !on);
  }

  setFollow(on: boolean): void {
    this.following.set(on);
  }

  private async catchUp(mine: number): Promise<void> {
    this.asking = true;
    try {
      let last: boolean;
      let final: boolean;
      do {
        last = this.hasEnded;
        final = await this.readOn(mine);
        if (mine !== this.visit) return;
      } while (!final && last !== this.hasEnded);
      this.wrong.set(null);
      this.failures = 0;
      if (final || last) this.over.set(true);
      else this.listen(mine);
    } catch (error) {
      if (mine !== this.visit) return;
      this.wrong.set(error);
      this.first.set(true);
      this.failures += 1;
      if (!this.hasEnded) this.later(mine, retryAfterMs(error));
    } finally {
      if (mine === this.visit) this.asking = false;
    }
  }

  /** Reads from where we are to where the log is; true where the server says that nothing can follow. */
  private async readOn(mine: number): Promise<boolean> {
    for (;;) {
      const page = await this.api.logs(this.id, this.cursor, PAGE);
      if (mine !== this.visit) return false;
      this.add(page.items, page.dropped ?? 0);
      this.first.set(true);
      if (page.next_cursor === null) return true;
      const more = page.next_cursor !== this.cursor;
      this.cursor = page.next_cursor;
      if (!more || page.items.length < PAGE) return false;
    }
  }

  private listen(mine: number): void {
    const { sse, ping_s } = this.settings.config();
    if (!sse || !('EventSource' in globalThis) || Date.now() < this.restUntil) {
      this.later(mine);
      return;
    }
    const after = this.cursor === null ? '' : `?after=${encodeURIComponent(this.cursor)}`;
    const source = new EventSource(`/events/workflows/${encodeURIComponent(this.id)}/logs${after}`);
    this.source = source;
    source.addEventListener('output', (event: MessageEvent<string>) => {
      const output = mine === this.visit ? read(event.data) : null;
      if (!output) return;
      this.cursor = output.cursor;
      this.add(output.lines, output.dropped ?? 0);
    });
    let spoke = false;
    const lose = () => {
      source.close();
      if (this.source !== source) return;
      this.hush();
      if (!spoke) this.restUntil = Date.now() + REST_MS;
      if (mine === this.visit && !this.hasEnded) this.later(mine);
    };
    const patience = (ms: number) => {
      clearTimeout(this.silence);
      this.silence = setTimeout(lose, ms);
    };
    for (const name of ['hello', 'ping', 'output']) {
      source.addEventListener(name, () => {
        spoke = true;
        if (this.source === source) patience(ping_s * 2_500);
      });
    }
    source.onerror = lose;
    patience(OPEN_MS);
  }

  private later(mine: number, leastMs = 0): void {
    clearTimeout(this.timer);
    const pollMs = this.settings.config().poll_s * 1000;
    const wait =
      this.failures === 0
        ? pollMs
        : backoffMs(this.failures, { baseMs: 2 * pollMs, capMs: CAP_MS }, Math.random);
    this.timer = setTimeout(() => void this.catchUp(mine), Math.max(wait, leastMs));
  }

  private hush(): void {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.source?.close();
    this.source = null;
  }

  private add(lines: readonly LogLine[], dropped: number): void {
    if (dropped > 0) this.cut.update((count) => count + dropped);
    if (lines.length === 0) return;
    const fresh = lines.map((line): Line => ({ ...line, number: ++this.number }));
    const all = [...this.held(), ...fresh];
    const excess = all.length - MOST_LINES;
    if (excess > 0) this.cut.update((count) => count + excess);
    this.held.set(excess > 0 ? all.slice(excess) : all);
  }
}

function read(data: string): Output | null {
  try {
    return JSON.parse(data) as Output;
  } catch {
    return null;
  }
}

function retryAfterMs(error: unknown): number {
  return error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
}
