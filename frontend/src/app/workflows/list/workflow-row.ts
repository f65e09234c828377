import { Component, computed, inject, input, output, type Signal } from '@angular/core';
import { RouterLink } from '@angular/router';
import { CdkMenu, CdkMenuItem, CdkMenuTrigger } from '@angular/cdk/menu';
import { Clipboard } from '@angular/cdk/clipboard';
import { PageLink } from '../../live/page-link';
import { CopyButton } from '../../shared/copy-button';
import { Icon } from '../../shared/icon';
import { Settings } from '../../shared/settings';
import { ago, clockTime, fullTime, wholeDuration } from '../../shared/times';
import { BeatStrip, missedBeats } from '../../signs/beat-strip';
import { elapsed, elapsedText } from '../../signs/elapsed';
import { ProgressSegments } from '../../signs/progress-segments';
import { StatusBadge } from '../../signs/status-badge';
import { shortWhy } from '../../signs/why';
import { Commands, titleOf, type Act } from '../commands';
import type { Row } from './workflows-feed';

/** One workflow in the list. */
@Component({
  selector: 'lw-workflow-row',
  imports: [
    BeatStrip,
    CdkMenu,
    CdkMenuItem,
    CdkMenuTrigger,
    CopyButton,
    Icon,
    ProgressSegments,
    RouterLink,
    StatusBadge,
  ],
  templateUrl: './workflow-row.html',
  styleUrl: './workflow-row.css',
  host: {
    role: 'row',
    '[class.selected]': 'selected()',
    '[class.moved]': 'row()().moved',
    '[class.changed]': 'row()().changes > 0',
    '[attr.aria-rowindex]': 'index() + 2',
    '[attr.data-id]': 'workflow().id',
    '[attr.data-status]': 'workflow().status',
    '[attr.data-change]': 'row()().changes % 2',
  },
})
export class WorkflowRow {
  readonly row = input.required<Signal<Row>>();
  readonly index = input.required<number>();
  readonly selected = input(false);
  readonly pick = output<{ readonly on: boolean; readonly range: boolean }>();
  readonly ask = output<Act>();

  private readonly page = inject(PageLink);
  private readonly settings = inject(Settings);
  private readonly clipboard = inject(Clipboard);
  private readonly commands = inject(Commands);

  protected readonly workflow = computed(() => this.row()().workflow);
  protected readonly lost = computed(() => this.page.doubtful());
  protected readonly name = computed(() => titleOf(this.workflow()));
  /** What the id adds to the definition's name, with which most ids begin: both fit in one line then. */
  protected readonly tail = computed(() => {
    const { id, definition, title } = this.workflow();
    return title && id.startsWith(`${definition}-`) ? id.slice(definition.length) : '';
  });
  protected readonly asked = computed(() => this.commands.pending().get(this.workflow().id));
  protected readonly count = computed(() => {
    const { progress } = this.workflow();
    return progress?.total ? `${progress.done ?? 0} of ${progress.total}` : '';
  });
  protected readonly doing = computed(() => {
    const workflow = this.workflow();
    switch (workflow.status) {
      case 'pending':
        return 'Waits for a free slot';
      case 'failed':
        return workflow.error ? shortWhy(workflow.error, workflow.executor) : '';
      case 'success':
        return 'Done';
      case 'cancelled':
        return workflow.started_at === null ? 'Cancelled before it began' : 'Cancelled';
      case 'cancelling':
        return 'Stopping';
      default:
        return workflow.waiting_for ?? workflow.progress?.label ?? '';
    }
  });
  protected readonly started = computed(() => {
    const workflow = this.workflow();
    const now = this.page.truth();
    return workflow.started_at === null
      ? `queued ${clockTime(workflow.created_at, now)}`
      : clockTime(workflow.started_at, now);
  });
  protected readonly startedFully = computed(() =>
    fullTime(this.workflow().started_at ?? this.workflow().created_at),
  );
  protected readonly elapsed = computed(() =>
    elapsedText(elapsed(this.workflow(), this.page.truth(), this.lost())),
  );
  protected readonly beat = computed(() => {
    const workflow = this.workflow();
    if (workflow.isTerminal) return { text: 'ended', strip: false, bad: false, missed: 0 };
    if (this.lost()) return { text: 'not known', strip: false, bad: true, missed: 0 };
    const last = workflow.last_heartbeat_at;
    const stale = workflow.heartbeat === 'stale';
    if (last === null) return { text: stale ? 'stale' : '–', strip: false, bad: stale, missed: 0 };
    const age = this.page.truth() - Date.parse(last);
    if (!stale) {
      return { text: 'beating', strip: true, bad: false, missed: 0 };
    }
    const missed = Math.max(1, missedBeats(age, this.settings.config().heartbeat_interval_s));
    return { text: `stale, ${wholeDuration(age)}`, strip: true, bad: true, missed };
  });
  protected readonly act = computed<Act>(() => {
    const workflow = this.workflow();
    if (workflow.isTerminal) return 'retry';
    return workflow.heartbeat === 'stale' ? 'reconcile' : 'cancel';
  });
  protected readonly actName = computed(() => `${ACTS[this.act()]} ${this.name()}`);
  protected readonly disabled = computed(() => this.page.offline() || this.asked() !== undefined);
  protected readonly ended = computed(() => {
    const { finished_at } = this.workflow();
    return finished_at === null ? '' : `Ended ${ago(finished_at, this.page.truth())}`;
  });

  protected choose(event: MouseEvent): void {
    const box = event.target as HTMLInputElement;
    this.pick.emit({ on: box.checked, range: event.shiftKey });
  }

  protected copyId(): void {
    this.clipboard.copy(this.workflow().id);
  }

  protected copyLink(): void {
    const link = new URL(`workflows/${this.workflow().id}`, document.baseURI);
    this.clipboard.copy(link.href);
  }
}

const ACTS: Readonly<Record<Act, string>> = {
  cancel: 'Cancel',
  reconcile: 'Check with the executor:',
  retry: 'Retry',
};
