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
import type { TrendPoint } from '../api/contracts';
import { statusSign } from '../signs/status-sign';
import { axisTop, ENDED, endedOf, stretches, sum } from './series';

const LEFT = 34;
const RIGHT = 8;
const TOP = 8;
const GAUGE = 118;
const GAP = 26;
const RATE = 92;
const BOTTOM = 22;
/** Slots so far above what runs would press what runs flat; the executors' rows show them anyway. */
const MOST_SLOTS = 6;

/**
 * Running as a gauge and ended as a rate, on one axis of time.
 *
 * Over the gauge a dashed line shows how many could run; behind it a band marks when someone was in doubt.
 * Drawn as SVG with the colours of the tokens, so that a change of theme needs no redrawing. It is pointed at
 * by a mouse, a finger or the arrow keys; the page has the same numbers as a table.
 */
@Component({
  selector: 'lw-time-chart',
  templateUrl: './time-chart.html',
  styleUrl: './time-chart.css',
})
export class TimeChart {
  readonly points = input.required<readonly TrendPoint[]>();
  /** Seconds a piece of time. */
  readonly step = input.required<number>();

  protected readonly left = LEFT;
  protected readonly right = RIGHT;
  protected readonly top = TOP;
  protected readonly gauge = GAUGE;
  protected readonly height = TOP + GAUGE + GAP + RATE + BOTTOM;
  protected readonly width = signal(720);
  private readonly hover = signal<number | null>(null);

  private readonly pace = computed(
    () => (this.width() - LEFT - RIGHT) / Math.max(1, this.points().length),
  );
  private readonly slots = computed(() => {
    const slots = this.points().map((one) => one.vitals?.slots ?? null);
    const running = Math.max(1, ...this.points().map((one) => one.running));
    return Math.max(0, ...slots.map(Number)) > running * MOST_SLOTS ? slots.map(() => null) : slots;
  });
  private readonly most = computed(() =>
    axisTop(Math.max(0, ...this.points().map((one) => one.running), ...this.slots().map(Number))),
  );
  private readonly mostEnded = computed(() =>
    axisTop(Math.max(0, ...this.points().map((one) => total(one)))),
  );
  private readonly places = computed(() =>
    this.points().map((one, index) => ({
      x: LEFT + (index + 0.5) * this.pace(),
      y: this.level(one.running),
    })),
  );
  protected readonly stroke = computed(() =>
    this.places()
      .map(
        (place, index) => `${index === 0 ? 'M' : 'L'}${place.x.toFixed(1)} ${place.y.toFixed(1)}`,
      )
      .join(''),
  );
  protected readonly area = computed(() => {
    const places = this.places();
    const [first, last] = [places[0], places.at(-1)];
    if (!first || !last) return '';
    return `${this.stroke()}L${last.x.toFixed(1)} ${TOP + GAUGE}L${first.x.toFixed(1)} ${TOP + GAUGE}Z`;
  });
  protected readonly limit = computed(() => {
    let pen = 'M';
    return this.slots()
      .map((slots, index) => {
        if (slots === null) {
          pen = 'M';
          return '';
        }
        const from = `${pen}${(LEFT + index * this.pace()).toFixed(1)} ${this.level(slots).toFixed(1)}`;
        pen = 'L';
        return `${from}H${(LEFT + (index + 1) * this.pace()).toFixed(1)}`;
      })
      .join('');
  });
  protected readonly doubts = computed(() =>
    stretches(this.points(), (one) => (one.vitals?.stale ?? 0) > 0).map(([first, end]) => ({
      x: LEFT + first * this.pace(),
      w: (end - first) * this.pace(),
    })),
  );
  protected readonly bars = computed(() => {
    const base = TOP + GAUGE + GAP + RATE;
    const width = Math.max(1, this.pace() - 2);
    return this.points().flatMap((one, index) => {
      let floor = base;
      return ENDED.filter((kind) => endedOf(one, kind) > 0).map((kind) => {
        const h = (RATE * endedOf(one, kind)) / this.mostEnded();
        floor -= h;
        return { kind, x: LEFT + index * this.pace() + 1, y: floor, w: width, h };
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
    const from = Date.parse(this.points()[0]?.at ?? '');
    if (Number.isNaN(from)) return [];
    const span = this.step() * 1000 * this.points().length;
    const count = this.width() < 460 ? 2 : 4;
    return Array.from({ length: count + 1 }, (_, index) => ({
      x: LEFT + ((this.width() - LEFT - RIGHT) * index) / count,
      anchor: index === 0 ? 'start' : index === count ? 'end' : 'middle',
      text: pieceTime(from + (span * index) / count, span > DAY_MS ? 'day' : 'clock'),
    }));
  });
  protected readonly pointed = computed(() => {
    const index = this.hover();
    const point = index === null ? undefined : this.points()[index];
    const place = index === null ? undefined : this.places()[index];
    if (index === null || !point || !place) return null;
    const last = index === this.points().length - 1;
    return {
      ...place,
      tip: Math.min(this.width() - 72, Math.max(72, place.x)),
      lines: [
        { tone: '', text: pieceWords(point, this.step(), last) },
        { tone: 'running', text: `${point.running.toLocaleString('en')} running` },
        ...ENDED.filter((kind) => endedOf(point, kind) > 0).map((kind) => ({
          tone: kind as string,
          text: `${endedOf(point, kind).toLocaleString('en')} ${words(kind)}`,
        })),
        ...((point.vitals?.stale ?? 0) > 0
          ? [{ tone: 'doubt', text: `${point.vitals?.stale} in doubt` }]
          : []),
        ...(point.vitals && point.vitals.slots > 0
          ? [{ tone: 'plain', text: `${point.vitals.slots.toLocaleString('en')} slots` }]
          : []),
      ],
    };
  });
  protected readonly summary = computed(() => {
    const points = this.points();
    const sums = ENDED.map(
      (kind) => `${sum(points.map((one) => endedOf(one, kind)))} ${words(kind)}`,
    );
    const most = Math.max(0, ...points.map((one) => one.running));
    return (
      `Over the time shown: at most ${most} running at once; ended ${sums.join(', ')}. ` +
      'The arrow keys read piece by piece.'
    );
  });
  protected readonly spoken = computed(
    () =>
      this.pointed()
        ?.lines.map((line) => line.text)
        .join(', ') ?? '',
  );

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

  protected point(event: PointerEvent): void {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.width();
    const index = Math.floor((x - LEFT) / this.pace());
    this.hover.set(index >= 0 && index < this.points().length ? index : null);
  }

  protected leave(): void {
    this.hover.set(null);
  }

  protected walk(event: KeyboardEvent): void {
    const last = this.points().length - 1;
    const now = this.hover() ?? last + 1;
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.hover.set(Math.min(last, Math.max(0, next)));
  }

  private level(value: number): number {
    return TOP + GAUGE * (1 - value / this.most());
  }
}

const DAY_MS = 86_400_000;

/** When a piece of time was, in words: `14:05` or, of a week, `23 Nov, 15:00`; the last is not over. */
export function pieceWords(point: TrendPoint, stepS: number, last: boolean): string {
  const from = Date.parse(point.at);
  const day = stepS > 3_600 ? `${pieceTime(from, 'day')}, ` : '';
  const end = last ? 'now' : pieceTime(from + stepS * 1000, 'clock');
  return `${day}${pieceTime(from, 'clock')} to ${end}`;
}

function total(point: TrendPoint): number {
  return sum(ENDED.map((kind) => endedOf(point, kind)));
}

function words(kind: string): string {
  return statusSign(kind).label.toLowerCase();
}

function label(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : '';
}

function pieceTime(time: number, form: 'clock' | 'day'): string {
  const date = new Date(time);
  if (form === 'day')
    return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' }).format(date);
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}
