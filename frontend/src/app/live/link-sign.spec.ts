import { describe, expect, it } from 'vitest';
import { grounded, type LadderState } from './ladder-state';
import { inDoubt, linkSign, truthTime } from './link-sign';

const PING = 15_000;
const open = (changes: Partial<LadderState> = {}): LadderState => ({
  ...grounded(),
  phase: 'open',
  heardAt: 100_000,
  ...changes,
});

describe('linkSign', () => {
  it.each([
    ['ws', 'Live', 'success'],
    ['sse', 'Events', 'success'],
    ['poll', 'Polling', 'doubt'],
  ] as const)('calls an open %s %s', (rung, label, tone) => {
    expect(linkSign(open({ rung }), 101_000, PING)).toMatchObject({ label, tone, asOf: null });
  });

  it('dates its truth once a ping is overdue', () => {
    const sign = linkSign(open(), 100_000 + PING * 1.5, PING);
    expect(sign).toMatchObject({ label: 'Live', tone: 'doubt', asOf: 100_000 });
    expect(inDoubt(sign)).toBe(true);
  });

  it('says nothing of a loss that heals at once', () => {
    const lost = open({ phase: 'waiting', lostAt: 101_000 });
    expect(linkSign(lost, 101_500, PING)).toMatchObject({ label: 'Live', asOf: null });
  });

  it('is offline once nobody answers, and says since when', () => {
    const lost = open({ phase: 'waiting', rung: 'poll', lostAt: 101_000, unanswered: 2 });
    expect(linkSign(lost, 101_500, PING).kind).not.toBe('offline');
    expect(linkSign(lost, 103_000, PING)).toMatchObject({ kind: 'offline', asOf: 100_000 });
  });

  it('is offline where nobody has ever answered', () => {
    const never = open({ phase: 'opening', heardAt: null, lostAt: 0, unanswered: 1 });
    expect(linkSign(never, 10_000, PING)).toMatchObject({ kind: 'offline', asOf: null });
  });

  it('is final after the end', () => {
    expect(linkSign(open({ phase: 'ended' }), 10 ** 9, PING)).toMatchObject({
      kind: 'ended',
      asOf: null,
    });
  });
});

describe('truthTime', () => {
  it('stands still where the truth is in doubt', () => {
    const sign = linkSign(open(), 100_000 + PING * 2, PING);
    expect(truthTime(sign, 100_000 + PING * 2)).toBe(100_000);
    expect(truthTime(linkSign(open(), 101_000, PING), 101_000)).toBe(101_000);
  });
});
