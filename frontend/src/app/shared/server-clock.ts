import { Service, signal } from '@angular/core';

/**
 * The server's clock, as well as a page can know it.
 *
 * Ages and durations compare times that the server wrote with *now*; a laptop whose clock is off by
 * minutes must not show them wrong. The `Date` of every answer carries whole seconds, so a difference
 * within its error is taken as none.
 */
@Service()
export class ServerClock {
  private readonly offsetMs = signal(0);

  /** Milliseconds since 1970, by the server. */
  now(): number {
    return Date.now() + this.offsetMs();
  }

  /** Learns from an answer that was asked for and arrived at these times of this machine. */
  learn(date: string | null, askedAt: number, arrivedAt: number): void {
    const said = date === null ? Number.NaN : Date.parse(date);
    if (Number.isNaN(said)) return;
    const offset = said + 500 - (askedAt + arrivedAt) / 2;
    const error = 500 + (arrivedAt - askedAt) / 2;
    const next = Math.abs(offset) <= error ? 0 : offset;
    if (Math.abs(next - this.offsetMs()) > error) this.offsetMs.set(next);
  }
}
