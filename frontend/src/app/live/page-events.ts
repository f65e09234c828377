import { DOCUMENT, Service, inject } from '@angular/core';

export type PageEvent = 'hidden' | 'shown' | 'online' | 'offline';

/** What happens to the page itself: hidden, shown again, network gone or back. */
@Service()
export class PageEvents {
  private readonly document = inject(DOCUMENT);

  get hidden(): boolean {
    return this.document.visibilityState === 'hidden';
  }

  /** Calls `hear` for each event until the returned function is called. */
  listen(hear: (event: PageEvent) => void): () => void {
    const page = this.document;
    const view = page.defaultView;
    const seen = () => hear(this.hidden ? 'hidden' : 'shown');
    const shown = () => {
      if (!this.hidden) hear('shown');
    };
    const online = () => hear('online');
    const offline = () => hear('offline');
    page.addEventListener('visibilitychange', seen);
    view?.addEventListener('focus', shown);
    view?.addEventListener('pageshow', shown);
    view?.addEventListener('online', online);
    view?.addEventListener('offline', offline);
    return () => {
      page.removeEventListener('visibilitychange', seen);
      view?.removeEventListener('focus', shown);
      view?.removeEventListener('pageshow', shown);
      view?.removeEventListener('online', online);
      view?.removeEventListener('offline', offline);
    };
  }
}
