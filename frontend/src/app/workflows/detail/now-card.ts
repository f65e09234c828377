import { Component, computed, inject, input } from '@angular/core';
import type { Workflow } from '../../api/contracts';
import { PageLink } from '../../live/page-link';
import { Settings } from '../../shared/settings';
import { clockTime, duration, preciseTime, wholeDuration } from '../../shared/times';
import { BeatStrip, missedBeats } from '../../signs/beat-strip';
import { elapsed } from '../../signs/elapsed';
import { signOf } from '../../signs/status-sign';
import { taskBars, taskCount } from './task-bars';

/** How it stands now: the clock, the heartbeat, the tasks, and up to when all of that is known. */
@Component({
  selector: 'lw-now-card',
  imports: [BeatStrip],
  template: `
    <section class="card {{ sign().tone }}" aria-label="Now">
      <div class="now">
        <div class="time">
          <div class="label">{{ heading() }}</div>
          <div class="clock" data-clock>
            @for (part of clock(); track $index) {
              <span class="part"
                >{{ part.value }}<small>{{ part.unit }}</small></span
              >
            }
          </div>
          <div class="beat" [class.bad]="beat().bad">
            @if (beat().strip) {
              <lw-beat-strip [count]="12" [missed]="beat().missed" />
            }
            <span [class.muted]="!beat().bad">{{ beat().text }}</span>
          </div>
        </div>
        <div class="work">
          <div class="label clip" dir="auto" [attr.title]="doing()">{{ doing() }}</div>
          @if (bars(); as tasks) {
            <ol class="tasks">
              @for (task of tasks; track $index) {
                <li class="{{ task.kind }}" [style.flex-grow]="task.weight">
                  <span class="bar"></span>
                  <div class="task clip" dir="auto" [attr.title]="task.label">
                    {{ task.label }}
                  </div>
                  <div class="took clip">{{ task.took }}</div>
                </li>
              }
            </ol>
          } @else if (total() > 0) {
            <div
              class="long"
              role="progressbar"
              aria-label="Tasks done"
              aria-valuemin="0"
              [attr.aria-valuemax]="total()"
              [attr.aria-valuenow]="done()"
            >
              <i [style.width.%]="(100 * done()) / total()"></i>
            </div>
          } @else if (workflow().isTerminal) {
            <p class="muted plain">{{ sign().meaning }}</p>
          } @else {
            <p class="muted plain">
              {{
                workflow().status === 'pending'
                  ? 'It begins as soon as an executor that serves it has a free slot.'
                  : 'It does not say how many steps there are.'
              }}
            </p>
          }
        </div>
      </div>
      <div class="truth">
        <span>{{ truth().before }}</span>
        @if (truth().time) {
          <span class="mono">{{ truth().time }}</span>
        }
        @if (truth().gap) {
          <span class="gap" [class.open]="truth().gap === 'open'"></span>
        }
        @if (truth().after) {
          <b>{{ truth().after }}</b>
        }
        @if (truth().until) {
          <span class="mono">{{ truth().until }}</span>
        }
        <span class="grow"></span>
        <span class="wide-only">{{ truth().aside }}</span>
      </div>
    </section>
  `,
  styleUrl: './now-card.css',
})
export class NowCard {
  readonly workflow = input.required<Workflow>();
  readonly lost = input(false);
  private readonly page = inject(PageLink);
  private readonly settings = inject(Settings);

  protected readonly sign = computed(() => signOf(this.workflow(), this.lost()));
  private readonly elapsed = computed(() =>
    elapsed(this.workflow(), this.page.truth(), this.lost()),
  );
  protected readonly heading = computed(() => {
    switch (this.elapsed().kind) {
      case 'queued':
        return 'Waits in the queue';
      case 'running':
        return 'Runs for';
      case 'frozen':
        return this.workflow().started_at === null ? 'Waited for at least' : 'Ran for at least';
      case 'final':
        return 'Ran for';
      case 'never':
        return 'Never ran';
    }
  });
  protected readonly clock = computed(() => {
    const { ms, kind } = this.elapsed();
    if (kind === 'never') return [{ value: '–', unit: '' }];
    const text = kind === 'final' ? duration(ms) : wholeDuration(ms);
    const words = text.split(' ');
    const parts = [];
    for (let at = 0; at < words.length; at += 2) {
      parts.push({ value: words[at] ?? '', unit: words[at + 1] ?? '' });
    }
    return parts;
  });
  protected readonly beat = computed(() => {
    const workflow = this.workflow();
    const none = { strip: false, bad: false, missed: 0 };
    if (workflow.isTerminal) return { ...none, text: 'ended, final' };
    if (this.lost()) return { ...none, bad: true, text: 'not known' };
    const last = workflow.last_heartbeat_at;
    if (workflow.status === 'pending') return { ...none, text: 'no process yet' };
    const stale = workflow.heartbeat === 'stale';
    if (last === null) {
      return { ...none, bad: stale, text: `${stale ? 'no' : 'waits for the first'} heartbeat` };
    }
    if (!stale) {
      const every = this.settings.config().heartbeat_interval_s;
      return { ...none, strip: true, text: `beating every ${every} s` };
    }
    const age = this.page.truth() - Date.parse(last);
    const missed = Math.max(1, missedBeats(age, this.settings.config().heartbeat_interval_s));
    return { strip: true, bad: true, missed, text: `stale, ${wholeDuration(age)}` };
  });
  protected readonly doubt = computed(() => this.sign().shape === 'doubt');
  protected readonly bars = computed(() =>
    taskBars(this.workflow(), this.page.truth(), this.doubt()),
  );
  protected readonly total = computed(() => taskCount(this.workflow()));
  protected readonly done = computed(() => this.workflow().progress?.done ?? 0);
  protected readonly doing = computed(() => {
    const workflow = this.workflow();
    const progress = workflow.progress;
    const total = progress?.total ?? null;
    const done = progress?.done ?? 0;
    const label = progress?.label ?? '';
    if (workflow.status === 'pending') return 'Not begun';
    if (total === null) return label || (workflow.isTerminal ? 'Ended' : 'Under way');
    const task = Math.min(done + 1, total);
    if (workflow.status === 'success') {
      // A function may end without having counted its last step; what it said stands.
      return done >= total
        ? total === 1
          ? 'Its one task is done'
          : `All ${total} tasks done`
        : `Done; it had reported ${done} of ${total}`;
    }
    if (workflow.isTerminal) {
      return done >= total
        ? `Ended after task ${total}`
        : `Ended in task ${task} of ${total}${label ? `, ${label}` : ''}`;
    }
    const asOf =
      this.doubt() && workflow.last_heartbeat_at !== null
        ? `, as of ${clockTime(workflow.last_heartbeat_at, this.page.truth())}`
        : '';
    return `Task ${task} of ${total}${label ? `, ${label}` : ''}${asOf}`;
  });
  protected readonly truth = computed(() => {
    const workflow = this.workflow();
    const kind = this.page.sign()?.kind;
    const link =
      kind === 'live' || kind === 'events'
        ? 'Page linked live'
        : kind === 'polling'
          ? 'Page asks every few seconds'
          : '';
    if (workflow.isTerminal && workflow.finished_at !== null) {
      // Ended is by the executor's clock and recorded by the supervisor's: never subtracted.
      return {
        before: 'Ended',
        time: preciseTime(workflow.finished_at),
        gap: 'closed',
        after: 'recorded',
        until: preciseTime(workflow.updated_at),
        aside: 'Final; nothing changes it',
      };
    }
    if (this.lost()) {
      const asOf = this.page.sign()?.asOf ?? null;
      const time = asOf === null ? '' : preciseTime(asOf);
      return {
        before: 'Last known true',
        time,
        gap: 'open',
        after: 'link lost',
        until: '',
        aside: '',
      };
    }
    if (this.doubt()) {
      return {
        before: 'Last known true',
        time: workflow.last_heartbeat_at ? preciseTime(workflow.last_heartbeat_at) : '',
        gap: 'open',
        after: 'nothing heard since',
        until: '',
        aside: link ? `${link}; the doubt is about the process` : '',
      };
    }
    return {
      before: 'Last change',
      time: preciseTime(workflow.updated_at),
      gap: 'closed',
      after: 'still so',
      until: '',
      aside: link,
    };
  });
}
