import { DestroyRef, Service, inject, signal } from '@angular/core';
import { ServerClock } from './server-clock';

/** One clock for the whole page: relative times and elapsed times all move in the same instant. */
@Service()
export class Ticker {
  private readonly clock = inject(ServerClock);
  private readonly ticked = signal(this.clock.now());
  /** The server's time in milliseconds, once a second. */
  readonly now = this.ticked.asReadonly();

  constructor() {
    const timer = setInterval(() => this.ticked.set(this.clock.now()), 1000);
    inject(DestroyRef).onDestroy(() => clearInterval(timer));
  }
}
