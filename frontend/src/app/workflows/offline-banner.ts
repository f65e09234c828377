import { Component, computed, inject } from '@angular/core';
import { PageLink } from '../live/page-link';
import { Icon } from '../shared/icon';
import { clockTime } from '../shared/times';

/** Says that nobody answers, since when, and offers to ask again now. */
@Component({
  selector: 'lw-offline-banner',
  imports: [Icon],
  template: `
    @if (page.offline()) {
      <div class="banner solid failed" role="alert">
        <lw-icon class="mark" name="offline" />
        <div class="says grow">
          <h2>
            Cannot reach the server
            @if (since()) {
              since {{ since() }}
            }
          </h2>
          <p>
            What you see is as of then and may have changed. Workflows go on without this page. It
            keeps trying.
          </p>
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
  protected readonly since = computed(() => {
    const asOf = this.page.sign()?.asOf;
    return asOf ? clockTime(asOf, Date.now()) : '';
  });
}
