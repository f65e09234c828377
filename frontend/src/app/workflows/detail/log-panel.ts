import {
  CdkFixedSizeVirtualScroll,
  CdkVirtualForOf,
  CdkVirtualScrollViewport,
} from '@angular/cdk/scrolling';
import {
  Component,
  computed,
  effect,
  inject,
  input,
  signal,
  untracked,
  viewChild,
} from '@angular/core';
import { sentence } from '../../api/api-error';
import type { Workflow } from '../../api/contracts';
import { PageLink } from '../../live/page-link';
import { Icon } from '../../shared/icon';
import { ago, preciseTime } from '../../shared/times';
import { LogStore, type Line } from './log-store';

const LINE_PX = 20;
/** Nearer to the end than this counts as being there. */
const NEAR_PX = 30;

/** What the process wrote: followed, filtered, downloaded. */
@Component({
  selector: 'lw-log-panel',
  imports: [CdkFixedSizeVirtualScroll, CdkVirtualForOf, CdkVirtualScrollViewport, Icon],
  templateUrl: './log-panel.html',
  styleUrl: './log-panel.css',
})
export class LogPanel {
  readonly workflow = input.required<Workflow>();
  /** A few lines, beside something else. */
  readonly short = input(false);
  protected readonly logs = inject(LogStore);
  private readonly page = inject(PageLink);
  private readonly viewport = viewChild(CdkVirtualScrollViewport);
  protected readonly filter = signal('');
  private readonly seen = signal(0);

  protected readonly shown = computed(() => {
    const text = this.filter().trim().toLowerCase();
    const lines = this.logs.lines();
    return text === '' ? lines : lines.filter((line) => line.text.toLowerCase().includes(text));
  });
  protected readonly height = computed(() => {
    const most = this.short() ? 12 : 24;
    const lines = this.workflow().isTerminal
      ? Math.max(3, Math.min(most, this.shown().length))
      : most;
    return lines * LINE_PX;
  });
  protected readonly placeholder = computed(() => {
    const count = this.logs.count();
    return count === 1 ? 'Filter 1 line' : `Filter ${count.toLocaleString('en')} lines`;
  });
  protected readonly unseen = computed(() =>
    this.logs.follows() ? 0 : Math.max(0, this.logs.count() - this.seen()),
  );
  protected readonly end = computed(() => {
    const count = this.logs.count();
    const last = this.logs.lines().at(-1);
    if (this.logs.error() && count === 0)
      return `The log cannot be read: ${sentence(this.logs.error())}`;
    if (this.workflow().isTerminal) {
      if (!this.logs.complete() && count === 0) return 'Reading the log.';
      return last ? `End of log at ${preciseTime(last.at)}.` : 'The process wrote nothing.';
    }
    if (!last) return 'Nothing written yet. New lines appear here.';
    const when = `Last line ${ago(last.at, this.page.truth())}.`;
    if (this.page.offline()) return `${when} Not following: the server does not answer.`;
    return this.logs.follows() ? `${when} Following; new lines appear here.` : `${when} Paused.`;
  });
  protected readonly pieces = (line: Line) => split(line.text, this.filter().trim());
  protected readonly time = (line: Line) => preciseTime(line.at);
  protected readonly track = (_: number, line: Line) => line.number;

  constructor() {
    effect(() => {
      const count = this.shown().length;
      const follows = this.logs.follows();
      const viewport = this.viewport();
      if (!viewport || !follows || count === 0) return;
      untracked(() => this.seen.set(this.logs.count()));
      // After the lines are in: the viewport measures with the next frame.
      requestAnimationFrame(() => {
        viewport.checkViewportSize();
        viewport.scrollTo({ bottom: 0 });
      });
    });
  }

  protected scrolled(event: WheelEvent | Event): void {
    const element = event.currentTarget as HTMLElement;
    const away = element.scrollHeight - element.scrollTop - element.clientHeight;
    if (event.type === 'wheel' && (event as WheelEvent).deltaY < 0 && this.logs.follows()) {
      this.pause();
    } else if (event.type === 'scroll' && away < NEAR_PX && !this.logs.follows()) {
      this.logs.setFollow(true);
    }
  }

  protected setFollow(on: boolean): void {
    if (on) this.logs.setFollow(true);
    else this.pause();
  }

  protected download(): void {
    const text = this.logs
      .lines()
      .map((line) => `${line.at} ${line.stream} ${line.text}`)
      .join('\n');
    const address = URL.createObjectURL(new Blob([text, '\n'], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = address;
    link.download = `${this.workflow().id}.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1_000);
  }

  private pause(): void {
    this.seen.set(this.logs.count());
    this.logs.setFollow(false);
  }
}

/** The parts of a line, the found ones marked. */
export function split(
  text: string,
  found: string,
): readonly { readonly text: string; readonly hit: boolean }[] {
  if (found === '') return [{ text, hit: false }];
  const parts: { text: string; hit: boolean }[] = [];
  const lower = text.toLowerCase();
  const sought = found.toLowerCase();
  let at = 0;
  for (;;) {
    const next = lower.indexOf(sought, at);
    if (next < 0) break;
    if (next > at) parts.push({ text: text.slice(at, next), hit: false });
    parts.push({ text: text.slice(next, next + sought.length), hit: true });
    at = next + sought.length;
  }
  if (at < text.length) parts.push({ text: text.slice(at), hit: false });
  return parts;
}
