import { Service, inject, signal } from '@angular/core';
import { Api } from '../api/api';
import type { ClientConfig } from '../api/contracts';

/** What is assumed until the server has spoken, and where an older one leaves something out. */
export const ASSUMED: ClientConfig = {
  version: '',
  ws: true,
  sse: true,
  stale_after_s: 9,
  heartbeat_interval_s: 3,
  heartbeat_timeout_s: 15,
  ping_s: 15,
  poll_s: 2,
  epoch: '',
};

/** The server's flags and thresholds, asked for once at the start and again when the epoch changes. */
@Service()
export class Settings {
  private readonly api = inject(Api);
  private readonly read = signal(ASSUMED);
  readonly config = this.read.asReadonly();
  private asking: Promise<void> | null = null;

  /** Asks, once; a server that is down leaves what is assumed. */
  load(): Promise<void> {
    this.asking ??= this.reload();
    return this.asking;
  }

  async reload(): Promise<void> {
    try {
      this.read.set({ ...ASSUMED, ...(await this.api.config()) });
    } catch {
      this.asking = null; // the next page asks again; the ladder tells people that nobody answers
    }
  }
}
