import { Component, DestroyRef, inject, input, signal } from '@angular/core';
import { Clipboard } from '@angular/cdk/clipboard';
import { LiveAnnouncer } from '@angular/cdk/a11y';
import { Icon } from './icon';

const SHOWN_MS = 1_200;

/** Copies a text; a tick says that it did. */
@Component({
  selector: 'lw-copy-button',
  imports: [Icon],
  template: `
    <button
      type="button"
      class="button ghost square small"
      [attr.aria-label]="'Copy ' + (name() || text())"
      (click)="copy($event)"
    >
      <lw-icon [name]="copied() ? 'check' : 'copy'" />
    </button>
  `,
  styles: `
    :host {
      display: inline-flex;
    }
    .button.small.square {
      width: 24px;
      height: 24px;
      color: var(--ink-3);
    }
    lw-icon {
      width: 13px;
      height: 13px;
    }
    @media (max-width: 760px) {
      .button.small.square {
        width: 36px;
        height: 36px;
        margin: -8px 0;
      }
    }
  `,
})
export class CopyButton {
  readonly text = input.required<string>();
  /** What is copied, for those who listen; the text itself where it is short. */
  readonly name = input('');
  protected readonly copied = signal(false);
  private readonly clipboard = inject(Clipboard);
  private readonly announcer = inject(LiveAnnouncer);
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    inject(DestroyRef).onDestroy(() => clearTimeout(this.timer));
  }

  protected copy(event: Event): void {
    event.stopPropagation();
    event.preventDefault();
    if (!this.clipboard.copy(this.text())) return;
    this.copied.set(true);
    void this.announcer.announce('Copied');
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.copied.set(false), SHOWN_MS);
  }
}
