import { describe, expect, it } from 'vitest';
import { aWorkflow } from '../../testing/workflows';
import { STATUSES } from '../api/contracts';
import { elapsed, elapsedText } from './elapsed';
import { signOf, statusSign } from './status-sign';

describe('signOf', () => {
  it('gives every status a label and a shape of its own', () => {
    const signs = STATUSES.map((status) => signOf(aWorkflow({ status })));
    expect(new Set(signs.map((sign) => sign.label)).size).toBe(STATUSES.length);
    expect(new Set(signs.map((sign) => sign.shape)).size).toBe(STATUSES.length);
  });

  it.each(['running', 'cancelling'] as const)('calls a stale %s in doubt, and warns', (status) => {
    const sign = signOf(aWorkflow({ status, heartbeat: 'stale' }));
    expect(sign).toMatchObject({ shape: 'doubt', tone: 'doubt', asks: true });
    expect(sign.label).toContain('in doubt');
  });

  it('puts doubt before waiting', () => {
    expect(signOf(aWorkflow({ waiting_for: 'approval' })).shape).toBe('waiting');
    expect(signOf(aWorkflow({ waiting_for: 'approval', heartbeat: 'stale' })).shape).toBe('doubt');
  });

  it('says of live workflows on a lost page what they were', () => {
    expect(signOf(aWorkflow(), true).label).toBe('Was running');
    expect(signOf(aWorkflow({ status: 'pending' }), true).label).toBe('Was pending');
    expect(signOf(aWorkflow({ status: 'success' }), true).label).toBe('Success');
  });

  it('counts warnings of a success', () => {
    expect(signOf(aWorkflow({ status: 'success', warnings: ['a'] })).label).toBe(
      'Success, 1 warning',
    );
    expect(signOf(aWorkflow({ status: 'success', warnings: ['a', 'b'] })).shape).toBe('warned');
  });

  it.each(['paused', '__proto__', 'constructor', ''])(
    'shows an unknown status %j as it is',
    (status) => {
      const sign = statusSign(status);
      expect(sign.shape).toBe('other');
      expect(sign.label.toLowerCase()).toContain(status === '' ? 'unknown' : status);
    },
  );
});

describe('elapsed', () => {
  const now = Date.parse('2026-01-01T12:10:01Z');

  it('ticks while a process is vouched for', () => {
    expect(elapsedText(elapsed(aWorkflow(), now, false))).toBe('10 m 00 s');
  });

  it('stops at the last beat in doubt', () => {
    const stale = aWorkflow({ heartbeat: 'stale', last_heartbeat_at: '2026-01-01T12:06:14Z' });
    expect(elapsedText(elapsed(stale, now, false))).toBe('≥ 6 m 13 s');
  });

  it('is at least that much on a lost page', () => {
    expect(elapsedText(elapsed(aWorkflow(), now, true))).toBe('≥ 10 m 00 s');
  });

  it('counts the wait before the start', () => {
    const pending = aWorkflow({ status: 'pending', started_at: null });
    expect(elapsedText(elapsed(pending, Date.parse('2026-01-01T12:00:11Z'), false))).toBe(
      'waits 11 s',
    );
  });

  it('is final after the end, and says so where it never ran', () => {
    const ended = aWorkflow({ status: 'success', finished_at: '2026-01-01T12:03:13Z' });
    expect(elapsedText(elapsed(ended, now, false))).toBe('3 m 12 s');
    const never = aWorkflow({
      status: 'cancelled',
      started_at: null,
      finished_at: '2026-01-01T12:03:13Z',
    });
    expect(elapsedText(elapsed(never, now, false))).toBe('–');
  });
});
