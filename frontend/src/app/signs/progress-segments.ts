import { Component, computed, input } from '@angular/core';
import type { Workflow } from '../api/contracts';
import { signOf } from './status-sign';

export type Segment = 'done' | 'current' | 'doubt' | 'broken' | 'rest';

/** Most tasks that still get a segment each; more become one bar. */
const MOST = 12;

/** Progress as bars: one segment per task up to twelve, else one bar. No total, no bar. */
@Component({
  selector: 'lw-progress-segments',
  template: `
    @if (segments(); as parts) {
      <span class="bar {{ tone() }}" role="img" [attr.aria-label]="words()">
        @for (part of parts; track $index) {
          <i class="{{ part.kind }}" [style.flex-grow]="part.grow"></i>
        }
      </span>
    }
  `,
  styles: `
    .bar {
      display: flex;
      gap: 2px;
      height: 4px;
      max-width: 220px;
    }
    i {
      flex: 1 1 0;
      border-radius: 1.5px;
      background: var(--line-2);
    }
    .done {
      background: var(--tone);
    }
    .doubt .done {
      background: var(--running);
    }
    .success .done {
      background: color-mix(in srgb, var(--success) 42%, var(--surface));
    }
    .failed .done,
    .cancelled .done {
      background: color-mix(in srgb, var(--ink-3) 55%, var(--surface));
    }
    .current {
      background: linear-gradient(
        90deg,
        var(--tone) 45%,
        color-mix(in srgb, var(--tone) 28%, var(--surface)) 45%
      );
    }
    i.doubt {
      background: repeating-linear-gradient(90deg, var(--doubt) 0 3px, transparent 3px 6px);
    }
    .broken {
      background: var(--tone);
    }
    @media (max-width: 760px) {
      .bar {
        max-width: none;
      }
    }
  `,
})
export class ProgressSegments {
  readonly workflow = input.required<Workflow>();
  readonly lost = input(false);

  protected readonly sign = computed(() => signOf(this.workflow(), this.lost()));
  protected readonly tone = computed(() => this.sign().tone);
  protected readonly segments = computed(() =>
    segmentsOf(this.workflow(), this.sign().shape === 'doubt'),
  );
  protected readonly words = computed(() => {
    const progress = this.workflow().progress;
    return `${progress?.done ?? 0} of ${progress?.total ?? 0} tasks done`;
  });
}

/** The segments of a workflow; null where nobody knows how many tasks there are. */
export function segmentsOf(
  workflow: Workflow,
  doubt: boolean,
): readonly { readonly kind: Segment; readonly grow: number }[] | null {
  const total = workflow.progress?.total;
  if (!total) return null;
  const done = Math.min(workflow.progress?.done ?? 0, total);
  const standing = here(workflow, doubt);
  if (total > MOST) {
    const rest = total - done - (standing === 'rest' ? 0 : 1);
    const parts: { kind: Segment; grow: number }[] = [{ kind: 'done', grow: done }];
    if (done < total && standing !== 'rest') parts.push({ kind: standing, grow: 1 });
    parts.push({ kind: 'rest', grow: Math.max(0, rest) });
    return parts.filter((part) => part.grow > 0);
  }
  return Array.from({ length: total }, (_, index) => ({
    kind: index < done ? 'done' : index === done ? standing : 'rest',
    grow: 1,
  }));
}

/** How the task that comes after the last finished one looks. */
function here(workflow: Workflow, doubt: boolean): Segment {
  if (workflow.status === 'pending') return 'rest';
  if (!workflow.isTerminal) return doubt ? 'doubt' : 'current';
  if (workflow.status === 'success' || workflow.started_at === null) return 'rest';
  return 'broken';
}
