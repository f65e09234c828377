import { Component, computed, inject } from '@angular/core';
import { PageLink } from '../live/page-link';
import { Icon } from '../shared/icon';
import { clockTime } from '../shared/times';

/** Says that nobody answers, or that the server cannot, since when, and offers to ask again now. */
@Component({
  selector: 'lw-offline-banner',
  imports: [Icon],
  template: `
    @if (page.offline()) {
      <div class="banner solid failed" data-banner="offline">
        <lw-icon class="mark" name="offline" />
        <div class="says grow" role="alert">
          <h2>{{ head() }}</h2>
          <p>{{ body() }}</p>
        </div>
        <button type="button" class="button" (click)="page.push()">Try now</button>
      </div>
    }
  `,
  styles: `
    .banner {
      margin-top: 12px;
      margin-bottom: 0;
    }
  `,
})
export class OfflineBanner {
  protected readonly page = inject(PageLink);
  private readonly since = computed(() => {
    const asOf = this.page.sign()?.asOf;
    return asOf ? clockTime(asOf, Date.now()) : '';
  });
  protected readonly head = computed(() => {
    const since = this.since() ? ` since ${this.since()}` : '';
    return this.page.busy()
      ? `The server cannot tell how things stand${since}`
      : `Cannot reach the server${since}`;
  });
  protected readonly body = computed(() => {
    const seen = this.since()
      ? 'What you see is as of then and may have changed. '
      : 'Nothing is known yet. ';
    return `${seen}Workflows go on without this page. ${this.page.retryWords()}`;
  });
}
