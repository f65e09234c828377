import { Component, computed, input } from '@angular/core';
import type { Shape } from './status-sign';

const AROUND = 2 * Math.PI * 6.2;

/**
 * The shape of a status. Ring is alive, solid is final, dashed is in doubt; a running ring is filled as
 * far as the work is done. It takes its colour from the text around it.
 */
@Component({
  selector: 'lw-status-icon',
  template: `
    <svg viewBox="0 0 16 16" aria-hidden="true">
      @switch (shape()) {
        @case ('pending') {
          <circle class="ring" cx="8" cy="8" r="6.2" />
          <path class="line" d="M8 4.800V8l2 1.4" />
        }
        @case ('running') {
          <circle class="ring faint" cx="8" cy="8" r="6.2" />
          <circle
            class="ring arc"
            cx="8"
            cy="8"
            r="6.2"
            transform="rotate(-90 8 8)"
            [attr.stroke-dasharray]="arc()"
          />
          <circle class="dot" cx="8" cy="8" r="2.4" [class.beat]="beat()" />
        }
        @case ('cancelling') {
          <circle class="ring" cx="8" cy="8" r="6.2" />
          <rect class="dot" x="5.5" y="5.5" width="5" height="5" rx="1" />
        }
        @case ('cancelled') {
          <rect class="dot" x="1.6" y="1.6" width="12.8" height="12.8" rx="3.4" />
          <path class="cut" d="M5 8h6" />
        }
        @case ('success') {
          <circle class="dot" cx="8" cy="8" r="7" />
          <path class="cut" d="m4.9 8.2 2.1 2.1 4.1-4.4" />
        }
        @case ('warned') {
          <circle class="dot" cx="7.2" cy="7.2" r="6.2" />
          <path class="cut" d="m4.5 7.4 1.9 1.9 3.5-3.8" />
          <path class="corner" d="M12 8.6 15.6 15H8.400z" />
        }
        @case ('failed') {
          <path class="dot" d="M5.1 1h5.800L15 5.100v5.800L10.9 15H5.100L1 10.900V5.100z" />
          <path class="cut" d="m5.7 5.7 4.6 4.600m0-4.6-4.6 4.6" />
        }
        @case ('waiting') {
          <circle class="ring" cx="8" cy="4.9" r="2.9" />
          <path class="ring" d="M2.4 14.200c.3-3 2.4-4.7 5.6-4.700s5.3 1.7 5.6 4.7" />
        }
        @case ('doubt') {
          <circle class="ring dashes" cx="8" cy="8" r="6.2" />
          <path class="line" d="M6.4 6.600a1.650 1.650 0 1 1 2.5 1.400c-.6.35-.9.6-.9 1.1" />
          <circle class="dot" cx="8" cy="11" r=".85" />
        }
        @case ('other') {
          <circle class="ring" cx="8" cy="8" r="6.2" />
          <path class="line" d="M5.5 8h.01M8 8h.01M10.5 8h.01" />
        }
      }
    </svg>
  `,
  styles: `
    :host {
      display: inline-block;
      width: 16px;
      height: 16px;
      flex: none;
    }
    svg {
      width: 100%;
      height: 100%;
      fill: none;
      stroke-linecap: round;
      stroke-linejoin: round;
    }
    .ring {
      stroke: currentColor;
      stroke-width: 1.6;
    }
    .faint {
      stroke-opacity: 0.26;
      stroke-width: 1.8;
    }
    .arc {
      stroke-width: 1.9;
      stroke-linecap: butt;
    }
    .dashes {
      stroke-width: 1.7;
      stroke-dasharray: 2.6 2.27;
      stroke-linecap: butt;
    }
    .line {
      stroke: currentColor;
      stroke-width: 1.5;
    }
    .dot {
      fill: currentColor;
    }
    .cut {
      stroke: var(--surface);
      stroke-width: 1.8;
    }
    .corner {
      fill: var(--doubt);
      stroke: var(--surface);
      stroke-width: 1.2;
    }
    .beat {
      animation: beat 480ms var(--ease) 1;
    }
    @keyframes beat {
      30% {
        opacity: 0.35;
      }
    }
  `,
})
export class StatusIcon {
  readonly shape = input.required<Shape>();
  /** Done of total, 0 to 1; null where nobody knows. */
  readonly share = input<number | null>(null);
  /** Pulses the dot once: a heartbeat has just arrived. */
  readonly beat = input(false);

  protected readonly arc = computed(() => {
    // A little is always filled: an empty ring would look like pending.
    const share = Math.min(1, Math.max(0.06, this.share() ?? 0.75));
    return `${share * AROUND} ${AROUND}`;
  });
}
