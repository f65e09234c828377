import { describe, expect, it } from 'vitest';
import {
  ago,
  bytes,
  clockTime,
  duration,
  preciseTime,
  roundDuration,
  wholeDuration,
} from './times';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const NOON = new Date(2026, 0, 2, 12, 0, 0).getTime();

describe('durations', () => {
  it.each([
    [-5, '0 ms'],
    [340, '340 ms'],
    [1_199, '1.1 s'],
    [38_999, '38 s'],
    [4 * MINUTE + 10 * SECOND, '4 m 10 s'],
    [2 * HOUR + 5 * MINUTE, '2 h 05 m'],
    [148 * HOUR, '6 d 4 h'],
  ])('says %d ms as %s', (ms, words) => {
    expect(duration(ms)).toBe(words);
  });

  it('ticks in whole seconds, and never below nothing', () => {
    expect([wholeDuration(-1), wholeDuration(999), wholeDuration(61_000)]).toEqual([
      '0 s',
      '0 s',
      '1 m 01 s',
    ]);
  });

  it('leaves out what is nought of a length that was chosen', () => {
    expect([roundDuration(15 * MINUTE), roundDuration(90 * MINUTE)]).toEqual(['15 m', '1 h 30 m']);
  });
});

describe('times', () => {
  it('are relative under a minute and of the clock after', () => {
    expect(ago(NOON - 1_500, NOON)).toBe('just now');
    expect(ago(NOON - 59_000, NOON)).toBe('59 s ago');
    expect(ago(NOON - 60_000, NOON)).toBe('11:59:00');
  });

  it('name the day where it is another', () => {
    expect(clockTime(NOON - 24 * HOUR, NOON)).toBe('1 Jan 12:00:00');
  });

  it('keep their milliseconds where they matter', () => {
    expect(preciseTime(NOON + 4)).toBe('12:00:00.004');
  });
});

describe('bytes', () => {
  it.each([
    [99, '99 B'],
    [410, '0.4 KB'],
    [1_258_291, '1.2 MB'],
  ])('says %d as %s', (count, words) => {
    expect(bytes(count)).toBe(words);
  });
});
