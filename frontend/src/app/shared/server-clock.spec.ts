import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServerClock } from './server-clock';

const HERE = Date.UTC(2026, 0, 1, 12);

describe('ServerClock', () => {
  let clock: ServerClock;
  /** An answer of a server whose clock is off by `seconds`. */
  const answered = (seconds: number, took = 20) =>
    clock.learn(new Date(HERE + seconds * 1000).toUTCString(), HERE - took, HERE);

  beforeEach(() => {
    vi.useFakeTimers();
    vi.setSystemTime(HERE);
    clock = new ServerClock();
  });
  afterEach(() => vi.useRealTimers());

  it('takes a difference within the error of whole seconds for none', () => {
    answered(0);
    expect(clock.now()).toBe(HERE);
  });

  it('follows a server whose clock is minutes off, to a second', () => {
    answered(-300);
    expect(Math.abs(clock.now() - (HERE - 300_000))).toBeLessThanOrEqual(1_000);
  });

  it('does not waver with every answer', () => {
    answered(-300);
    const learnt = clock.now();
    answered(-300.4);
    answered(-299.6);
    expect(clock.now()).toBe(learnt);
  });

  it.each([null, '', 'yesterday'])('learns nothing from %j', (date) => {
    clock.learn(date, HERE, HERE);
    expect(clock.now()).toBe(HERE);
  });
});
