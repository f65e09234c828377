import { describe, expect, it } from 'vitest';
import { aWorkflow } from '../../testing/workflows';
import { axisTop, buckets, causes } from './series';

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 12, minute)).toISOString();
const from = Date.UTC(2026, 0, 1, 12, 0);
const to = Date.UTC(2026, 0, 1, 12, 10);
const ran = (
  start: number,
  end: number | null,
  status: 'success' | 'failed' | 'running' = 'success',
) =>
  aWorkflow({
    status: end === null ? 'running' : status,
    started_at: at(start),
    finished_at: end === null ? null : at(end),
  });

describe('buckets', () => {
  it('counts who was running at the end of each', () => {
    const series = buckets([ran(1, 4), ran(2, null), ran(-5, 3)], from, to, 10);
    expect(series.map((one) => one.running)).toEqual([1, 2, 3, 2, 1, 1, 1, 1, 1, 1]);
  });

  it('counts ends by how, within the span only', () => {
    const series = buckets([ran(1, 4), ran(2, 4, 'failed'), ran(-5, -2)], from, to, 10);
    expect(series[4]?.ended).toEqual({ success: 1, failed: 1, cancelled: 0 });
    const all = series.reduce((sum, one) => sum + one.ended.success + one.ended.failed, 0);
    expect(all).toBe(2);
  });

  it('takes a workflow that lived within one bucket as ended, never as running', () => {
    const series = buckets([ran(2, 2)], from, to, 10);
    expect(series.every((one) => one.running === 0)).toBe(true);
  });
});

describe('causes', () => {
  it('orders by how often, and leaves out what is older', () => {
    const failed = (code: 'exception' | 'abrupt_exit', end: number) =>
      aWorkflow({ status: 'failed', finished_at: at(end), error: { code, message: '' } });
    const found = causes(
      [
        failed('exception', 1),
        failed('abrupt_exit', 2),
        failed('abrupt_exit', 3),
        failed('exception', -9),
      ],
      from,
    );
    expect(found).toEqual([
      { code: 'abrupt_exit', count: 2 },
      { code: 'exception', count: 1 },
    ]);
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
