import {
  Component,
  ElementRef,
  DestroyRef,
  afterNextRender,
  computed,
  inject,
  input,
  signal,
} from '@angular/core';
import { statusSign } from '../signs/status-sign';
import { axisTop, ENDED, type Bucket } from './series';

const LEFT = 34;
const RIGHT = 8;
const TOP = 8;
const GAUGE = 118;
const GAP = 26;
const RATE = 92;
const BOTTOM = 22;

/**
 * Running as a gauge and ended as a rate, on one axis of time.
 *
 * Drawn as SVG with the colours of the tokens, so that a change of theme needs no redrawing. The table
 * beside it, for those who listen, says the same in numbers.
 */
@Component({
  selector: 'lw-time-chart',
  template: `
    <div class="frame">
      <svg
        [attr.viewBox]="'0 0 ' + width() + ' ' + height"
        [attr.height]="height"
        role="img"
        [attr.aria-label]="summary()"
        (pointermove)="point($event)"
        (pointerleave)="hover.set(null)"
      >
        @for (line of grid(); track $index) {
          <line
            class="grid"
            [attr.x1]="left"
            [attr.x2]="width() - right"
            [attr.y1]="line.y"
            [attr.y2]="line.y"
          />
          <text class="axis end" [attr.x]="left - 8" [attr.y]="line.y + 4">{{ line.text }}</text>
        }
        <path class="area" [attr.d]="area()" />
        <path class="stroke" [attr.d]="stroke()" />
        @for (bar of bars(); track $index) {
          <rect
            class="{{ bar.kind }}"
            [attr.x]="bar.x"
            [attr.y]="bar.y"
            [attr.width]="bar.w"
            [attr.height]="bar.h"
            rx="1"
          />
        }
        @for (tick of ticks(); track $index) {
          <text
            class="axis"
            [attr.x]="tick.x"
            [attr.y]="height - 6"
            [attr.text-anchor]="tick.anchor"
          >
            {{ tick.text }}
          </text>
        }
        @if (pointed(); as at) {
          <line
            class="cross"
            [attr.x1]="at.x"
            [attr.x2]="at.x"
            [attr.y1]="top"
            [attr.y2]="height - 22"
          />
          <circle class="dot" [attr.cx]="at.x" [attr.cy]="at.y" r="3.5" />
        }
      </svg>
      @if (pointed(); as at) {
        <div class="tip" [style.left.px]="at.tip" aria-hidden="true">
          <b>{{ at.time }}</b>
          <span>{{ at.bucket.running }} running</span>
          @for (kind of ended; track kind) {
            @if (at.bucket.ended[kind] > 0) {
              <span class="{{ kind }}">{{ at.bucket.ended[kind] }} {{ words(kind) }}</span>
            }
          }
        </div>
      }
    </div>
  `,
  styles: `
    :host {
      display: block;
    }
    .frame {
      position: relative;
    }
    svg {
      width: 100%;
      display: block;
      touch-action: pan-y;
    }
    .grid {
      stroke: var(--line);
    }
    .axis {
      fill: var(--ink-3);
      font-size: 11px;
    }
    .end {
      text-anchor: end;
    }
    .area {
      fill: color-mix(in srgb, var(--running) 16%, transparent);
    }
    .stroke {
      fill: none;
      stroke: var(--running);
      stroke-width: 1.75;
      stroke-linejoin: round;
    }
    rect.success {
      fill: color-mix(in srgb, var(--success) 70%, var(--surface));
    }
    rect.failed {
      fill: var(--failed);
    }
    rect.cancelled {
      fill: color-mix(in srgb, var(--cancelled) 60%, var(--surface));
    }
    .cross {
      stroke: var(--line-2);
    }
    .dot {
      fill: var(--surface);
      stroke: var(--running);
      stroke-width: 2;
    }
    .tip {
      position: absolute;
      top: 6px;
      transform: translateX(-50%);
      display: grid;
      padding: 6px 10px;
      background: var(--raised);
      border-radius: var(--radius-control);
      box-shadow: var(--elevation-2);
      font-size: 12px;
      line-height: 17px;
      white-space: nowrap;
      pointer-events: none;
    }
    .tip span {
      color: var(--tone, var(--running));
    }
  `,
})
export class TimeChart {
  readonly buckets = input.required<readonly Bucket[]>();
  readonly to = input.required<number>();

  protected readonly left = LEFT;
  protected readonly right = RIGHT;
  protected readonly top = TOP;
  protected readonly height = TOP + GAUGE + GAP + RATE + BOTTOM;
  protected readonly ended = ENDED;
  protected readonly width = signal(720);
  protected readonly hover = signal<number | null>(null);

  private readonly step = computed(
    () => (this.width() - LEFT - RIGHT) / Math.max(1, this.buckets().length),
  );
  private readonly most = computed(() =>
    axisTop(Math.max(0, ...this.buckets().map((one) => one.running))),
  );
  private readonly mostEnded = computed(() =>
    axisTop(Math.max(0, ...this.buckets().map((one) => total(one)))),
  );
  private readonly points = computed(() =>
    this.buckets().map((one, index) => ({
      x: LEFT + (index + 0.5) * this.step(),
      y: TOP + GAUGE * (1 - one.running / this.most()),
    })),
  );
  protected readonly stroke = computed(() =>
    this.points()
      .map(
        (point, index) => `${index === 0 ? 'M' : 'L'}${point.x.toFixed(1)} ${point.y.toFixed(1)}`,
      )
      .join(''),
  );
  protected readonly area = computed(() => {
    const points = this.points();
    const [first, last] = [points[0], points.at(-1)];
    if (!first || !last) return '';
    return `${this.stroke()}L${last.x.toFixed(1)} ${TOP + GAUGE}L${first.x.toFixed(1)} ${TOP + GAUGE}Z`;
  });
  protected readonly bars = computed(() => {
    const base = TOP + GAUGE + GAP + RATE;
    const width = Math.max(1, this.step() - 2);
    return this.buckets().flatMap((one, index) => {
      let floor = base;
      return ENDED.filter((kind) => one.ended[kind] > 0).map((kind) => {
        const h = (RATE * one.ended[kind]) / this.mostEnded();
        floor -= h;
        return { kind, x: LEFT + index * this.step() + 1, y: floor, w: width, h };
      });
    });
  });
  protected readonly grid = computed(() => {
    const base = TOP + GAUGE + GAP;
    return [
      ...[1, 0.5, 0].map((share) => ({
        y: TOP + GAUGE * (1 - share),
        text: label(this.most() * share),
      })),
      ...[1, 0.5, 0].map((share) => ({
        y: base + RATE * (1 - share),
        text: label(this.mostEnded() * share),
      })),
    ];
  });
  protected readonly ticks = computed(() => {
    const from = this.buckets()[0]?.at ?? this.to();
    const span = this.to() - from;
    const count = this.width() < 460 ? 2 : 4;
    return Array.from({ length: count + 1 }, (_, index) => ({
      x: LEFT + ((this.width() - LEFT - RIGHT) * index) / count,
      anchor: index === 0 ? 'start' : index === count ? 'end' : 'middle',
      text: clock(from + (span * index) / count, span),
    }));
  });
  protected readonly pointed = computed(() => {
    const index = this.hover();
    const bucket = index === null ? undefined : this.buckets()[index];
    const point = index === null ? undefined : this.points()[index];
    if (!bucket || !point) return null;
    const span = this.to() - (this.buckets()[0]?.at ?? this.to());
    const tip = Math.min(this.width() - 60, Math.max(60, point.x));
    return { ...point, bucket, tip, time: clock(bucket.at, span) };
  });
  protected readonly summary = computed(() => {
    const buckets = this.buckets();
    const sums = ENDED.map((kind) => {
      const sum = buckets.reduce((all, one) => all + one.ended[kind], 0);
      return `${sum} ${this.words(kind)}`;
    });
    const most = Math.max(0, ...buckets.map((one) => one.running));
    return `Over the time shown: at most ${most} running at once; ended ${sums.join(', ')}.`;
  });

  constructor() {
    const element = inject<ElementRef<HTMLElement>>(ElementRef).nativeElement;
    const until = inject(DestroyRef);
    afterNextRender(() => {
      this.width.set(Math.max(280, element.clientWidth));
      if (!('ResizeObserver' in globalThis)) return;
      const observer = new ResizeObserver(() => this.width.set(Math.max(280, element.clientWidth)));
      observer.observe(element);
      until.onDestroy(() => observer.disconnect());
    });
  }

  protected words(kind: string): string {
    return statusSign(kind).label.toLowerCase();
  }

  protected point(event: PointerEvent): void {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.width();
    const index = Math.floor((x - LEFT) / this.step());
    this.hover.set(index >= 0 && index < this.buckets().length ? index : null);
  }
}

function total(bucket: Bucket): number {
  return ENDED.reduce((sum, kind) => sum + bucket.ended[kind], 0);
}

function label(value: number): string {
  return Number.isInteger(value) ? String(value) : '';
}

function clock(time: number, span: number): string {
  const date = new Date(time);
  const minutes = `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
  if (span <= 86_400_000) return minutes;
  return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' }).format(date);
}
