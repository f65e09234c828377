import { LiveAnnouncer } from '@angular/cdk/a11y';
import { signal } from '@angular/core';
import { TestBed } from '@angular/core/testing';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeServer } from '../../testing/fake-server';
import { grounded, type LadderState } from '../live/ladder-state';
import { PageLink } from '../live/page-link';
import { LinkIndicator } from './link-indicator';

describe('LinkIndicator', () => {
  const state = signal<LadderState>(grounded());
  const announce = vi.fn<(words: string) => Promise<void>>(() => Promise.resolve());

  const shown = (changes: Partial<LadderState>) => {
    state.set({ ...grounded(), heardAt: Date.now(), phase: 'open', ...changes });
    const fixture = TestBed.createComponent(LinkIndicator);
    fixture.detectChanges();
    return (fixture.nativeElement as HTMLElement).textContent?.replaceAll(/\s+/g, ' ').trim();
  };

  beforeEach(() => {
    announce.mockClear();
    TestBed.configureTestingModule({
      providers: [
        ...new FakeServer().providers,
        { provide: LiveAnnouncer, useValue: { announce } },
      ],
    });
    TestBed.inject(PageLink).use(state, () => undefined);
  });

  it.each([
    [{ rung: 'ws' as const }, 'Live'],
    [{ rung: 'sse' as const }, 'Events'],
    [{ rung: 'poll' as const }, 'Polling every 2 s'],
    [{ phase: 'ended' as const }, 'Final'],
  ])('says in words how the page is linked: %j', (changes, words) => {
    expect(shown(changes)).toBe(words);
  });

  it('says as of when, once nobody answers', () => {
    const lostAt = Date.now() - 8_000;
    const lost = { phase: 'waiting' as const, heardAt: lostAt, lostAt, unanswered: 2 };
    expect(shown(lost)).toMatch(/^Offline as of [78] s ago$/);
    expect(shown({ ...lost, busy: true })).toMatch(/^Unavailable as of/);
  });

  it('tells those who listen of a change once, and nothing at first', () => {
    state.set({ ...grounded(), heardAt: Date.now(), phase: 'open' });
    const fixture = TestBed.createComponent(LinkIndicator);
    fixture.detectChanges();
    expect(announce).not.toHaveBeenCalled();
    for (let time = 0; time < 3; time++) {
      state.set({ ...grounded(), heardAt: Date.now(), phase: 'open', rung: 'poll' });
      fixture.detectChanges();
    }
    expect(announce.mock.calls.map(([words]) => words)).toEqual(['Link: Polling']);
  });
});
