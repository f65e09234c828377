import { Component, computed, inject, input } from '@angular/core';
import { RouterLink } from '@angular/router';
import type { ExecutorView } from '../api/contracts';
import { PageLink } from '../live/page-link';
import { CopyButton } from '../shared/copy-button';
import { Icon } from '../shared/icon';
import { Settings } from '../shared/settings';
import { ago, fullTime, wholeDuration } from '../shared/times';
import { BeatStrip, missedBeats } from '../signs/beat-strip';
import { StatusIcon } from '../signs/status-icon';
import { executorSign } from './executor-sign';

/** More slots than these are a number and no boxes. */
const MOST_BOXES = 16;
const TICKS = 12;

/** Who works: state, load and last beat of every executor that was heard of. */
@Component({
  selector: 'lw-executors',
  imports: [BeatStrip, CopyButton, Icon, RouterLink, StatusIcon],
  templateUrl: './executors.html',
  styleUrl: './executors.css',
})
export class Executors {
  /** Null until the server has said. */
  readonly executors = input.required<readonly ExecutorView[] | null>();
  private readonly page = inject(PageLink);
  private readonly settings = inject(Settings);

  protected readonly rows = computed(() => {
    const list = this.executors();
    return list === null ? null : [...list].sort(byName).map((one) => this.rowOf(one));
  });
  protected readonly beating = computed(
    () => this.rows()?.filter((row) => row.sign.beats).length ?? 0,
  );
  protected readonly capacity = computed(() => {
    const beating = this.rows()?.filter((row) => row.sign.beats) ?? [];
    const slots = beating.reduce((sum, row) => sum + row.one.slots, 0);
    return { slots, load: beating.reduce((sum, row) => sum + row.load, 0) };
  });

  private rowOf(one: ExecutorView) {
    const now = this.page.truth();
    const age = one.last_beat_at === null ? null : now - Date.parse(one.last_beat_at);
    const sign = executorSign(one.state, this.page.doubtful());
    const load = one.running.length;
    const boxes = Math.max(one.slots, load);
    return {
      one,
      sign,
      load,
      boxes: boxes > MOST_BOXES ? [] : Array.from({ length: boxes }, (_, index) => index < load),
      missed: this.missed(one, age, sign.beats),
      beat: beatWords(one, age, now),
      beatFully: one.last_beat_at ? fullTime(one.last_beat_at) : '',
      up: upWords(one, now),
      upFully: one.started_at ? `Since ${fullTime(one.started_at)}` : '',
    };
  }

  private missed(one: ExecutorView, age: number | null, beats: boolean): number {
    if (beats) return 0;
    if (one.state === 'gone') return TICKS;
    return Math.max(1, missedBeats(age ?? 0, this.settings.config().heartbeat_interval_s));
  }
}

function beatWords(one: ExecutorView, age: number | null, now: number): string {
  if (one.last_beat_at === null || age === null) return 'never heard';
  return one.state === 'silent' ? `stale, ${wholeDuration(age)}` : ago(one.last_beat_at, now);
}

function upWords(one: ExecutorView, now: number): string {
  if (one.state === 'gone') return 'ended';
  return one.started_at ? wholeDuration(now - Date.parse(one.started_at)) : '–';
}

function byName(a: ExecutorView, b: ExecutorView): number {
  return a.executor.localeCompare(b.executor);
}
