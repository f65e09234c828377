import { describe, expect, it } from 'vitest';
import { aPoint } from '../../testing/trends';
import {
  EXITS,
  TIMEOUTS,
  axisTop,
  causes,
  endedOf,
  failures,
  lagText,
  outcome,
  stretches,
} from './series';

describe('failures', () => {
  it('adds up the codes of one kind, piece by piece', () => {
    const points = [
      aPoint({ failures: { heartbeat_timeout: 1, executor_lost: 2, exception: 9 } }),
      aPoint(),
      aPoint({ failures: { abrupt_exit: 4 } }),
    ];
    expect(failures(points, TIMEOUTS)).toEqual([3, 0, 0]);
    expect(failures(points, EXITS)).toEqual([0, 0, 4]);
  });
});

describe('causes', () => {
  it('orders by how often, then by name, and shows a code that it does not know', () => {
    const points = [
      aPoint({ failures: { exception: 1, abrupt_exit: 1 } }),
      aPoint({ failures: { quota_exceeded: 3 } }),
    ];
    expect(causes(points)).toEqual([
      { code: 'quota_exceeded', count: 3 },
      { code: 'abrupt_exit', count: 1 },
      { code: 'exception', count: 1 },
    ]);
  });
});

describe('outcome', () => {
  it('says 100 % only where nothing went wrong', () => {
    expect(outcome([aPoint({ ended: { success: 999, failed: 1, cancelled: 0 } })]).share).toBe(99);
    expect(outcome([aPoint({ ended: { success: 5 } })])).toEqual({ ended: 5, share: 100 });
  });

  it('knows no share of nothing', () => {
    expect(outcome([aPoint()])).toEqual({ ended: 0, share: null });
  });

  it('takes a status that the server leaves out for none', () => {
    expect(endedOf(aPoint({ ended: {} }), 'failed')).toBe(0);
  });
});

describe('stretches', () => {
  it('joins what is side by side', () => {
    const stale = (count: number) => aPoint({ running: count });
    const found = stretches([1, 1, 0, 1, 0, 1].map(stale), (one) => one.running > 0);
    expect(found).toEqual([
      [0, 2],
      [3, 4],
      [5, 6],
    ]);
  });
});

describe('lagText', () => {
  it.each([
    [0.84, '0.8 ms'],
    [4, '4 ms'],
    [33.3, '33 ms'],
    [1_240, '1.2 s'],
  ])('says %d ms as %s', (ms, text) => {
    expect(lagText(ms)).toBe(text);
  });
});

describe('axisTop', () => {
  it.each([
    [0, 2],
    [3, 4],
    [5, 5],
    [7, 10],
    [11, 20],
    [450, 500],
  ])('fits %i under %i', (most, top) => {
    expect(axisTop(most)).toBe(top);
  });
});
