import { Component, computed, inject, input } from '@angular/core';
import type { Transition, Workflow } from '../../api/contracts';
import { PageLink } from '../../live/page-link';
import { duration, fullTime, preciseTime, wholeDuration } from '../../shared/times';
import { StatusIcon } from '../../signs/status-icon';
import { signOf, statusSign, type Shape, type Tone } from '../../signs/status-sign';

interface Moment {
  readonly key: string;
  readonly shape: Shape;
  readonly tone: Tone;
  readonly label: string;
  readonly time: string;
  readonly full: string;
  readonly words: string;
  readonly span: string;
  /** Doubt is shown, and is no status. */
  readonly doubt: boolean;
}

/** What happened, newest on top: each status with its cause and how long it stood. */
@Component({
  selector: 'lw-timeline',
  imports: [StatusIcon],
  template: `
    <ol>
      @for (moment of moments(); track moment.key) {
        <li class="{{ moment.tone }}" [class.dashed]="moment.doubt">
          <lw-status-icon [shape]="moment.shape" [share]="share()" />
          <b>{{ moment.label }}</b>
          <time [attr.title]="moment.full">{{ moment.time }}</time>
          <p>
            {{ moment.words }}
            @if (moment.span) {
              <span class="muted nowrap">· {{ moment.span }}</span>
            }
          </p>
        </li>
      }
    </ol>
  `,
  styles: `
    li {
      display: grid;
      grid-template-columns: 18px 1fr auto;
      gap: 0 10px;
      position: relative;
      padding-bottom: 18px;
    }
    li:last-child {
      padding-bottom: 2px;
    }
    li::after {
      content: '';
      position: absolute;
      left: 8px;
      top: 21px;
      bottom: 0;
      border-left: 2px solid var(--line-2);
    }
    li:last-child::after {
      display: none;
    }
    .dashed::after {
      border-left-style: dashed;
      border-color: var(--doubt);
    }
    lw-status-icon {
      width: 18px;
      height: 18px;
      margin-top: 1px;
      color: var(--tone);
    }
    b {
      font-weight: 600;
      color: var(--tone);
    }
    time {
      font-family: var(--mono);
      font-size: 11.5px;
      color: var(--ink-3);
      letter-spacing: -0.02em;
    }
    p {
      grid-column: 2 / 4;
      color: var(--ink-2);
      font-size: 12px;
      line-height: 17px;
      margin-top: 1px;
      overflow-wrap: anywhere;
    }
  `,
})
export class Timeline {
  readonly workflow = input.required<Workflow>();
  readonly transitions = input.required<readonly Transition[]>();
  readonly lost = input(false);
  private readonly page = inject(PageLink);

  protected readonly share = computed(() => {
    const progress = this.workflow().progress;
    return progress?.total ? (progress.done ?? 0) / progress.total : null;
  });
  protected readonly moments = computed<readonly Moment[]>(() => {
    const workflow = this.workflow();
    const known = this.transitions();
    const now = this.page.truth();
    const sign = signOf(workflow, this.lost());
    const moments: Moment[] = [];
    if (this.lost() && sign.shape === 'doubt') {
      moments.push({
        key: 'doubt',
        shape: 'doubt',
        tone: 'doubt',
        label: 'Not known since',
        time: preciseTime(now).slice(0, 8),
        full: fullTime(now),
        words: 'The page has lost its link to the server',
        span: '',
        doubt: true,
      });
    } else if (sign.shape === 'doubt' && workflow.last_heartbeat_at !== null) {
      const since = now - Date.parse(workflow.last_heartbeat_at);
      moments.push({
        key: 'doubt',
        shape: 'doubt',
        tone: 'doubt',
        label: 'In doubt',
        time: preciseTime(workflow.last_heartbeat_at).slice(0, 8),
        full: fullTime(workflow.last_heartbeat_at),
        words: `${workflow.executor ?? 'The executor'} was last heard then`,
        span: `${wholeDuration(since)} so far`,
        doubt: true,
      });
    }
    for (const [index, one] of [...known.entries()].reverse()) {
      const next = known[index + 1];
      const plain = statusSign(one.status);
      moments.push({
        key: String(one.version),
        // Ring is alive: what is in doubt, or is over, has none.
        shape: plain.shape,
        tone: next || sign.shape !== 'doubt' ? plain.tone : 'pending',
        label: plain.label,
        time: preciseTime(one.at),
        full: fullTime(one.at),
        words: causeWords(one, workflow),
        span: next
          ? duration(Date.parse(next.at) - Date.parse(one.at))
          : this.standing(one, workflow, now, sign.shape === 'doubt'),
        doubt: false,
      });
    }
    return moments;
  });

  /** How long the last status has stood, as far as that is known. */
  private standing(last: Transition, workflow: Workflow, now: number, doubt: boolean): string {
    if (workflow.isTerminal) return 'final';
    if (!doubt) return `${wholeDuration(now - Date.parse(last.at))} so far`;
    const beat = workflow.last_heartbeat_at;
    return beat === null ? '' : `${wholeDuration(Date.parse(beat) - Date.parse(last.at))} known`;
  }
}

/** Why a status came about, in words. */
export function causeWords(one: Transition, workflow: Workflow): string {
  switch (one.cause) {
    case 'submitted':
      return workflow.started_by
        ? `Started by ${workflow.started_by}`
        : `Asked for by ${one.actor}`;
    case 'claimed':
      return `Claimed by ${one.actor}`;
    case 'cancel_requested':
      return `Cancel asked by ${one.actor}`;
    case 'succeeded':
      return 'The final message arrived';
    case 'failed':
      return `${one.actor} saw it end badly`;
    case 'cancelled':
      return `${one.actor} saw the process end`;
    case 'lost':
      return `Nobody vouched for the process; verdict of ${one.actor}`;
    case 'queue_timed_out':
      return `No executor took it in time; verdict of ${one.actor}`;
    default:
      return `${one.cause}, said by ${one.actor}`;
  }
}
