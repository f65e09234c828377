import type { TrendPoint, Trends, Vitals } from '../app/api/contracts';

/** A minute in which nothing happened, with whatever a test wants otherwise. */
export function aPoint(changes: Partial<TrendPoint> = {}): TrendPoint {
  return {
    at: '2026-01-01T12:00:00Z',
    running: 0,
    started: 0,
    ended: { success: 0, failed: 0, cancelled: 0 },
    failures: {},
    vitals: null,
    ...changes,
  };
}

export function someVitals(changes: Partial<Vitals> = {}): Vitals {
  return { stale: 0, executors: 1, slots: 8, load: 0, lag: null, ...changes };
}

/** The course of as many minutes as there are points, ending at 12:00. */
export function someTrends(
  points: readonly Partial<TrendPoint>[],
  changes: Partial<Trends> = {},
): Trends {
  const end = Date.UTC(2026, 0, 1, 12);
  return {
    step_s: 60,
    points: points.map((point, index) =>
      aPoint({ at: new Date(end - (points.length - index) * 60_000).toISOString(), ...point }),
    ),
    position: 1,
    watched_since: '2026-01-01T00:00:00Z',
    lag: null,
    ...changes,
  };
}
