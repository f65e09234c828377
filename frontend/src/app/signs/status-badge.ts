import { Component, computed, input } from '@angular/core';
import type { Workflow } from '../api/contracts';
import { signOf, statusSign } from './status-sign';
import { StatusIcon } from './status-icon';

/** A status in words and shape: plain, tinted where it asks for an eye, or the page's one headline. */
@Component({
  selector: 'lw-status-badge',
  imports: [StatusIcon],
  template: `
    <span class="badge {{ sign().tone }}" [class.asks]="sign().asks" [class.headline]="headline()">
      <lw-status-icon [shape]="sign().shape" [share]="share()" [beat]="beat()" />
      <span [attr.title]="sign().meaning">{{ sign().label }}</span>
    </span>
  `,
  styles: `
    :host {
      display: inline-flex;
      max-width: 100%;
    }
    .badge {
      display: inline-flex;
      align-items: center;
      gap: 7px;
      font-weight: 500;
      white-space: nowrap;
      color: var(--tone);
    }
    .asks {
      background: var(--tint);
      padding: 2px 9px 2px 5px;
      margin-left: -5px;
      border-radius: 12px;
    }
    .headline {
      height: 28px;
      padding: 0 12px 0 7px;
      margin: 0;
      border-radius: 14px;
      background: var(--tint);
      font-weight: 600;
    }
    .headline lw-status-icon {
      width: 18px;
      height: 18px;
    }
  `,
  host: { '[attr.data-status]': 'status()' },
})
export class StatusBadge {
  readonly workflow = input<Workflow>();
  /** A status by itself, where there is no workflow. */
  readonly of = input<string>('pending');
  /** Whether the page cannot know any more. */
  readonly lost = input(false);
  readonly headline = input(false);
  readonly beat = input(false);

  protected readonly status = computed(() => this.workflow()?.status ?? this.of());
  protected readonly sign = computed(() => {
    const workflow = this.workflow();
    return workflow ? signOf(workflow, this.lost()) : statusSign(this.of());
  });
  protected readonly share = computed(() => {
    const progress = this.workflow()?.progress;
    return progress?.total ? (progress.done ?? 0) / progress.total : null;
  });
}
