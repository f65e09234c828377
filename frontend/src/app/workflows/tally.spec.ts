import { TestBed } from '@angular/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeServer } from '../../testing/fake-server';
import { aWorkflow } from '../../testing/workflows';
import type { Changed, Status } from '../api/contracts';
import { Tally } from './tally';

describe('Tally', () => {
  let server: FakeServer;
  let tally: Tally;
  let statuses: Record<string, number>;

  const moved = (previous: Status | null, status: Status, position: number): Changed => ({
    type: 'status',
    previous,
    changed: [],
    workflow: aWorkflow({ status, position }),
  });

  beforeEach(async () => {
    vi.useFakeTimers();
    statuses = { pending: 1, running: 2, success: 5 };
    server = new FakeServer();
    server.on(/summary/, () => ({ statuses, stale: 1, position: 10, executors: 1 }));
    TestBed.configureTestingModule({ providers: server.providers });
    tally = TestBed.inject(Tally);
    await tally.load();
  });
  afterEach(() => vi.useRealTimers());

  it('moves one from here to there', () => {
    tally.moved(moved('running', 'success', 11));
    tally.moved(moved(null, 'pending', 12));
    expect(tally.summary()?.statuses).toEqual({ pending: 2, running: 1, success: 6 });
    expect(tally.total()).toBe(9);
  });

  it('counts nothing twice that the count has seen', () => {
    tally.moved(moved('running', 'success', 10));
    tally.moved(moved('running', 'success', 11));
    tally.moved(moved('running', 'success', 11));
    expect(tally.summary()?.statuses['success']).toBe(6);
  });

  it('counts a status that it does not know', () => {
    tally.moved(moved('running', 'paused' as Status, 11));
    expect(tally.summary()?.statuses['paused']).toBe(1);
  });

  it('asks once, after a rest, however often it is told to', async () => {
    for (let time = 0; time < 50; time++) tally.ask();
    expect(server.count(/summary/)).toBe(1);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(server.count(/summary/)).toBe(2);
  });

  it('asks again when what was stale has ended', async () => {
    tally.moved(moved('running', 'failed', 11));
    await vi.advanceTimersByTimeAsync(3_000);
    expect(server.count(/summary/)).toBe(2);
  });

  it('keeps what it knows where nobody answers, or an older answer comes late', async () => {
    tally.moved(moved('running', 'success', 30));
    await tally.load();
    expect(tally.summary()?.position).toBe(30);
    server.vanish();
    await tally.load();
    expect(tally.summary()?.statuses['success']).toBe(6);
  });
});
