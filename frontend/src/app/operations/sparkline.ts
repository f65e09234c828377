import { Component, computed, input } from '@angular/core';

const WIDTH = 100;
const HEIGHT = 24;

/**
 * The course of a figure, without axes: the number above says how much, this says when. It takes its colour
 * from the tone around it, and is hidden from those who listen; the table of the chart has the numbers.
 */
@Component({
  selector: 'lw-sparkline',
  template: `
    <svg
      [attr.viewBox]="'0 0 ' + width + ' ' + height"
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <line
        class="ground"
        x1="0"
        [attr.x2]="width"
        [attr.y1]="height - 0.5"
        [attr.y2]="height - 0.5"
      />
      @if (kind() === 'bars') {
        @for (bar of bars(); track bar.x) {
          <rect [attr.x]="bar.x" [attr.y]="bar.y" [attr.width]="bar.w" [attr.height]="bar.h" />
        }
      } @else {
        @for (path of lines(); track $index) {
          <path [class.faint]="$index > 0" [attr.d]="path" />
        }
      }
    </svg>
  `,
  styles: `
    :host {
      display: block;
      height: 24px;
      margin-top: 8px;
    }
    svg {
      width: 100%;
      height: 100%;
      overflow: visible;
    }
    .ground {
      stroke: var(--line-2);
      vector-effect: non-scaling-stroke;
    }
    rect {
      fill: var(--tone, var(--ink-3));
    }
    path {
      fill: none;
      stroke: var(--tone, var(--ink-3));
      stroke-width: 1.5;
      stroke-linejoin: round;
      vector-effect: non-scaling-stroke;
    }
    .faint {
      stroke: var(--ink-3);
      stroke-width: 1;
    }
  `,
})
export class Sparkline {
  /** One value a piece of time; null where nobody knows, which leaves a gap. */
  readonly values = input.required<readonly (number | null)[]>();
  /** A second line on the same scale. */
  readonly under = input<readonly (number | null)[]>([]);
  readonly kind = input<'bars' | 'line'>('bars');

  protected readonly width = WIDTH;
  protected readonly height = HEIGHT;
  private readonly most = computed(() =>
    Math.max(1e-9, ...this.values().map(Number), ...this.under().map(Number)),
  );
  protected readonly bars = computed(() => {
    const step = WIDTH / Math.max(1, this.values().length);
    return this.values().flatMap((value, index) => {
      if (!value) return [];
      // The least thing that happened is still seen.
      const h = Math.max(3, (HEIGHT * value) / this.most());
      return [{ x: index * step, y: HEIGHT - h, w: step * 0.72, h }];
    });
  });
  protected readonly lines = computed(() =>
    [this.values(), this.under()].map((values) => this.line(values)).filter((path) => path !== ''),
  );

  private line(values: readonly (number | null)[]): string {
    const step = WIDTH / Math.max(1, values.length);
    let pen = 'M';
    return values
      .map((value, index) => {
        if (value === null) {
          pen = 'M';
          return '';
        }
        const y = HEIGHT - 1 - ((HEIGHT - 2) * value) / this.most();
        const from = `${pen}${(index * step).toFixed(2)} ${y.toFixed(2)}`;
        pen = 'L';
        // A level rather than a slope: a single known piece is seen as well.
        return `${from}H${((index + 1) * step).toFixed(2)}`;
      })
      .join('');
  }
}
