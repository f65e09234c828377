import { Service, computed, effect, inject, signal, untracked } from '@angular/core';
import { PageLink } from '../live/page-link';
import { Settings } from '../shared/settings';

/**
 * Whether this page is of an older release than the server: a tab may be open for weeks.
 *
 * Such a page goes on: what it does not know it shows as it is. But its other pages may be gone from the
 * server, so it offers to load itself anew, and never does so by itself: someone may be typing.
 */
@Service()
export class Release {
  private readonly settings = inject(Settings);
  private readonly link = inject(PageLink);
  private readonly first = signal<string | null>(null);
  private readonly gone = signal(false);

  /** The server's release, where it is another than this page began with; '' where it is the same. */
  readonly newer = computed(() => {
    const now = this.settings.config().version;
    const first = this.first();
    return first !== null && now !== '' && now !== first ? now : '';
  });
  readonly outdated = computed(() => this.gone() || this.newer() !== '');

  constructor() {
    effect(() => {
      const version = this.settings.config().version;
      if (version !== '' && untracked(this.first) === null) this.first.set(version);
    });
    let opened = 0;
    effect(() => {
      const openings = this.link.openings();
      // A link that was lost may have come back to another release.
      if (openings > 1 && openings !== opened) untracked(() => void this.settings.reload());
      opened = openings;
    });
  }

  /** A part of the app could not be loaded: the server has another release, or does not answer. */
  missedPart(): void {
    this.gone.set(true);
  }
}
