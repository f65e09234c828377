import { describe, expect, it } from 'vitest';
import { aWorkflow } from '../../../testing/workflows';
import { EVERYTHING, fromAddress, isNarrowed, matches, toAddress, toQuery } from './list-query';
import { NOTHING, choose, within } from './selection';

const NOW = Date.parse('2026-01-01T12:30:00Z');

describe('the address bar', () => {
  it('brings back what it was given', () => {
    const filter = {
      statuses: ['failed', 'running'],
      definition: 'brief',
      errors: ['abrupt_exit', 'shutdown'],
      text: 'a & b',
      since: '24h',
      sort: '-updated_at',
      overlay: null,
    } as const;
    const address = new URLSearchParams(
      Object.entries(toAddress(filter)).filter(
        (entry): entry is [string, string] => entry[1] !== null,
      ),
    );
    expect(fromAddress(Object.fromEntries(address))).toEqual(filter);
  });

  it('leaves out what it does not understand', () => {
    const strange = { status: 'running,<script>,', since: 'ever', show: 'all', sort: '' };
    expect(fromAddress(strange)).toEqual({ ...EVERYTHING, statuses: ['running'] });
    expect(isNarrowed(fromAddress({}))).toBe(false);
  });
});

describe('matches', () => {
  it.each([
    [{ statuses: ['failed'] }, false],
    [{ statuses: ['running', 'failed'] }, true],
    [{ definition: 'other' }, false],
    [{ text: 'QUARTERLY' }, true],
    [{ text: 'yearly' }, false],
    [{ text: 'ATLAS-01' }, true],
    [{ text: 'strasse ﬁve' }, true],
    [{ errors: ['exception'] }, false],
    [{ overlay: 'doubt' as const }, false],
    [{ since: '1h' as const }, true],
  ])('judges %j', (part, expected) => {
    const workflow = aWorkflow({ title: 'Quarterly report, Straße FIVE' });
    expect(matches({ ...EVERYTHING, ...part }, workflow, NOW)).toBe(expected);
  });

  it('knows a failure by its cause, and by what it says', () => {
    const failed = aWorkflow({
      status: 'failed',
      error: { code: 'exception', message: 'No tide.' },
    });
    expect(matches({ ...EVERYTHING, errors: ['exception'] }, failed, NOW)).toBe(true);
    expect(matches({ ...EVERYTHING, errors: ['shutdown'] }, failed, NOW)).toBe(false);
    expect(matches({ ...EVERYTHING, text: 'no tide' }, failed, NOW)).toBe(true);
  });

  it('asks the server for what could be in doubt', () => {
    expect(toQuery({ ...EVERYTHING, overlay: 'doubt' }, NOW)['status']).toBe('running,cancelling');
    expect(toQuery({ ...EVERYTHING, since: '1h' }, NOW)['since']).toBe('2026-01-01T11:30:00.000Z');
  });
});

describe('the selection', () => {
  const order = ['a', 'b', 'c', 'd'];

  it('takes everything from the last click to one with Shift', () => {
    const first = choose(NOTHING, 'b', true, false, order);
    expect([...choose(first, 'd', true, true, order).ids]).toEqual(['b', 'c', 'd']);
  });

  it('lets go of rows that are gone', () => {
    const chosen = choose(choose(NOTHING, 'a', true, false, order), 'd', true, false, order);
    expect([...within(chosen, ['a', 'b']).ids]).toEqual(['a']);
  });
});
