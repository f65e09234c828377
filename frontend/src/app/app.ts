import { Component, DOCUMENT, DestroyRef, computed, inject } from '@angular/core';
import { toSignal } from '@angular/core/rxjs-interop';
import { NavigationEnd, Router, RouterLink, RouterLinkActive, RouterOutlet } from '@angular/router';
import { filter, map } from 'rxjs';
import { Session } from './api/session';
import { PageLink } from './live/page-link';
import { Icon } from './shared/icon';
import { Notices } from './shared/notices';
import { Settings } from './shared/settings';
import { Login } from './shell/login';
import { Overlays } from './shell/overlays';
import { Release } from './shell/release';
import { Shortcuts } from './shell/shortcuts';
import { Theme } from './shell/theme';
import { LinkIndicator } from './signs/link-indicator';
import { StartOpener } from './start/start-opener';

/** The frame around every page: where one is, how the link stands, and the way to everything else. */
@Component({
  selector: 'lw-root',
  imports: [Icon, LinkIndicator, Login, RouterLink, RouterLinkActive, RouterOutlet],
  templateUrl: './app.html',
  styleUrl: './app.css',
})
export class App {
  protected readonly session = inject(Session);
  protected readonly theme = inject(Theme);
  protected readonly overlays = inject(Overlays);
  protected readonly start = inject(StartOpener);
  protected readonly notices = inject(Notices);
  protected readonly settings = inject(Settings);
  protected readonly link = inject(PageLink);
  protected readonly release = inject(Release);
  private readonly router = inject(Router);
  private readonly document = inject(DOCUMENT);
  protected readonly mac = /Mac|iPhone|iPad/.test(navigator.userAgent);
  private readonly address = toSignal(
    this.router.events.pipe(
      filter((event) => event instanceof NavigationEnd),
      map((event) => event.urlAfterRedirects),
    ),
    { initialValue: this.router.url },
  );
  protected readonly inWorkflows = computed(() => this.address().startsWith('/workflows'));

  protected reload(): void {
    this.document.location.reload();
  }

  constructor() {
    void this.settings.load();
    const go = (path: string) => () => void this.router.navigateByUrl(path);
    inject(Shortcuts).use(
      [
        {
          keys: 'Ctrl+k',
          does: 'Search, or run a command',
          act: () => this.overlays.openPalette(),
          always: true,
        },
        { keys: 'c', does: 'Start a workflow', act: () => this.start.open() },
        { keys: 'g w', does: 'Go to workflows', act: go('/workflows') },
        { keys: 'g o', does: 'Go to operations', act: go('/operations') },
        { keys: 'g d', does: 'Go to definitions', act: go('/definitions') },
        { keys: '?', does: 'Show this list', act: () => this.overlays.openKeys() },
      ],
      inject(DestroyRef),
    );
  }
}
