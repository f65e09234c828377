import { Component, computed, effect, inject } from '@angular/core';
import { LiveAnnouncer } from '@angular/cdk/a11y';
import { PageLink } from '../live/page-link';
import { Icon, type IconName } from '../shared/icon';
import { Settings } from '../shared/settings';
import { Ticker } from '../shared/ticker';
import { ago } from '../shared/times';

const ICONS: Readonly<Record<string, IconName>> = {
  live: 'pulse',
  events: 'events',
  polling: 'polling',
  offline: 'offline',
  opening: 'pulse',
  ended: 'check',
};

/** Live, Events, Polling or Offline, and as of when. */
@Component({
  selector: 'lw-link-indicator',
  imports: [Icon],
  template: `
    @if (sign(); as link) {
      <span class="link {{ link.tone }}" [attr.data-link]="link.kind" [attr.title]="meaning()">
        <lw-icon [name]="icon()" />
        {{ link.label }}
        @if (detail(); as words) {
          <small>{{ words }}</small>
        }
      </span>
    }
  `,
  styles: `
    .link {
      display: inline-flex;
      align-items: center;
      gap: 7px;
      height: 32px;
      padding: 0 10px;
      font-weight: 500;
      color: var(--ink-2);
      white-space: nowrap;
    }
    lw-icon {
      color: var(--ink-3);
    }
    .success lw-icon {
      color: var(--success);
    }
    .doubt lw-icon {
      color: var(--doubt);
    }
    .failed lw-icon {
      color: var(--failed);
    }
    small {
      font-size: 12px;
      font-weight: 400;
      color: var(--ink-3);
    }
    @media (max-width: 760px) {
      .link {
        padding: 0;
        height: 44px;
      }
    }
  `,
})
export class LinkIndicator {
  private readonly page = inject(PageLink);
  private readonly settings = inject(Settings);
  private readonly ticker = inject(Ticker);
  protected readonly sign = this.page.sign;
  protected readonly icon = computed<IconName>(() => ICONS[this.sign()?.kind ?? ''] ?? 'pulse');
  protected readonly detail = computed(() => {
    const sign = this.sign();
    if (!sign) return '';
    if (sign.asOf !== null) {
      this.ticker.now();
      return `as of ${ago(sign.asOf, Date.now())}`;
    }
    return sign.kind === 'polling' ? `every ${this.settings.config().poll_s} s` : '';
  });
  protected readonly meaning = computed(() => {
    switch (this.sign()?.kind) {
      case 'live':
        return 'Changes arrive over a WebSocket as they happen.';
      case 'events':
        return 'Changes arrive as server-sent events as they happen.';
      case 'polling':
        return 'Live updates are off or blocked; the page asks again and again.';
      case 'offline':
        return this.page.busy()
          ? 'The server answers that it cannot tell. What you see is the last known truth.'
          : 'Nobody answers. What you see is the last known truth.';
      case 'ended':
        return 'The workflow has ended; nothing will change it.';
      default:
        return 'Opening the link to the server.';
    }
  });

  constructor() {
    const announcer = inject(LiveAnnouncer);
    let before: string | null = null;
    effect(() => {
      const sign = this.sign();
      const kind = sign?.kind ?? null;
      if (kind === before || kind === null || kind === 'opening') return;
      if (before !== null) void announcer.announce(`Link: ${sign?.label ?? ''}`, 'polite');
      before = kind;
    });
  }
}
