import { InjectionToken, Service, inject } from '@angular/core';
import { Settings } from '../shared/settings';
import { DEFAULT_RULES, type Rules } from './ladder-state';
import { LiveLink, type Source } from './live-link';
import { PageEvents } from './page-events';
import { OPEN_EVENTS, OPEN_WEB_SOCKET } from './transports';

export const RULES = new InjectionToken<Rules>('RULES', { factory: () => DEFAULT_RULES });

/** Builds links out of what the page offers and the server allows. */
@Service()
export class LinkBuilder {
  private readonly settings = inject(Settings);
  private readonly rules = inject(RULES);
  private readonly page = inject(PageEvents);
  private readonly openWebSocket = inject(OPEN_WEB_SOCKET);
  private readonly openEvents = inject(OPEN_EVENTS);

  build(source: Source): LiveLink {
    const config = this.settings.config();
    return new LiveLink(source, {
      openWebSocket: this.openWebSocket,
      openEvents: this.openEvents,
      page: this.page,
      now: () => Date.now(),
      rules: { ...this.rules, pollMs: config.poll_s * 1000, silenceMs: config.ping_s * 2_500 },
      off: [...(config.ws ? [] : ['ws' as const]), ...(config.sse ? [] : ['sse' as const])],
    });
  }
}
