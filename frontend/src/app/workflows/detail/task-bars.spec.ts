import { describe, expect, it } from 'vitest';
import { aWorkflow } from '../../../testing/workflows';
import { taskBars, taskCount } from './task-bars';

const NOW = Date.parse('2026-01-01T12:01:00Z');
const task = (label: string, start: number, end: number | null) => ({
  label,
  started_at: new Date(NOW - start * 1000).toISOString(),
  finished_at: end === null ? null : new Date(NOW - end * 1000).toISOString(),
});
const progress = {
  done: 1,
  total: 3,
  label: 'Compare',
  tasks: [task('Plan', 60, 22), task('Compare', 22, null)],
};
const kinds = (...bars: Parameters<typeof taskBars>) => taskBars(...bars)?.map((bar) => bar.kind);

describe('taskBars', () => {
  it('shows what is done, what runs and what comes next, with how long each took', () => {
    const bars = taskBars(aWorkflow({ progress }), NOW, false);
    expect(bars?.map(({ kind, label, took }) => [kind, label, took])).toEqual([
      ['done', 'Plan', '38 s'],
      ['current', 'Compare', '22 s'],
      ['rest', '', 'next'],
    ]);
  });

  it('says of the task in doubt only that', () => {
    expect(taskBars(aWorkflow({ progress }), NOW, true)?.[1]).toMatchObject({
      kind: 'doubt',
      took: 'in doubt',
    });
  });

  it('marks where it broke', () => {
    expect(kinds(aWorkflow({ progress, status: 'failed' }), NOW, false)).toEqual([
      'done',
      'broken',
      'rest',
    ]);
  });

  it('draws no million bars', () => {
    const many = aWorkflow({ progress: { done: 7, total: 1_000_000 } });
    expect(taskBars(many, NOW, false)).toBeNull();
    expect(taskCount(many)).toBe(1_000_000);
  });

  it('draws none where nobody knows how many there are', () => {
    expect(taskBars(aWorkflow(), NOW, false)).toBeNull();
    expect(taskBars(aWorkflow({ progress: { done: 3, total: null } }), NOW, false)).toBeNull();
  });
});
