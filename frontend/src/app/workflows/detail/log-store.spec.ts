/** The output of a workflow: every line once, whatever order the end and the answers come in. */
import { TestBed } from '@angular/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FETCH } from '../../api/api';
import type { LogPage } from '../../api/contracts';
import { LogStore } from './log-store';

const line = (text: string) => ({ at: '2026-01-01T12:00:00Z', stream: 'stdout', text });

describe('LogStore', () => {
  let store: LogStore;
  let pages: LogPage[];
  let asked: string[];
  let release: (() => void)[];
  let held: boolean;

  beforeEach(() => {
    pages = [];
    asked = [];
    release = [];
    held = false;
    TestBed.configureTestingModule({
      providers: [
        LogStore,
        {
          provide: FETCH,
          useValue: async (path: string) => {
            asked.push(path);
            if (held) await new Promise<void>((go) => release.push(go));
            const page = pages.shift();
            return page === undefined
              ? new Response('{}', { status: 503, headers: { 'Retry-After': '9' } })
              : new Response(JSON.stringify(page));
          },
        },
      ],
    });
    store = TestBed.inject(LogStore);
  });
  const settle = () => new Promise((go) => setTimeout(go));
  const visit = { onDestroy: () => () => undefined };

  it('reads an ended log once, though it hears of the end meanwhile', async () => {
    held = true;
    pages = [{ items: [line('a'), line('b')], next_cursor: null }];
    store.follow('w', visit);
    store.ended(true);
    await settle();
    release.forEach((go) => go());
    await settle();
    expect(store.lines().map((one) => one.text)).toEqual(['a', 'b']);
    expect(asked).toHaveLength(1);
    expect(store.complete()).toBe(true);
  });

  it('reads on from where it was when the end comes', async () => {
    held = true;
    pages = [
      { items: [line('a')], next_cursor: '1' },
      { items: [line('b')], next_cursor: null },
    ];
    store.follow('w', visit);
    store.ended(true);
    await settle();
    held = false;
    release.forEach((go) => go());
    await settle();
    expect(store.lines().map((one) => one.text)).toEqual(['a', 'b']);
    expect(asked[1]).toContain('cursor=1');
  });

  it('asks nothing more once the server said that nothing can follow', async () => {
    pages = [{ items: [line('a')], next_cursor: null }];
    store.follow('w', visit);
    await settle();
    store.ended(true);
    await settle();
    expect(asked).toHaveLength(1);
    expect(store.count()).toBe(1);
  });

  it('says how many lines were left out', async () => {
    pages = [{ items: [line('a')], next_cursor: null, dropped: 7 }];
    store.follow('w', visit);
    await settle();
    expect(store.left()).toBe(7);
  });

  describe('while it follows', () => {
    const streams: FakeEvents[] = [];
    class FakeEvents extends EventTarget {
      onerror: (() => void) | null = null;
      closed = false;
      constructor() {
        super();
        streams.push(this);
      }
      close(): void {
        this.closed = true;
      }
    }
    const nothing: LogPage = { items: [], next_cursor: '1' };

    beforeEach(() => {
      streams.length = 0;
      vi.stubGlobal('EventSource', FakeEvents);
      vi.useFakeTimers();
      pages = Array.from({ length: 100 }, () => nothing);
    });
    afterEach(() => {
      vi.useRealTimers();
      vi.unstubAllGlobals();
    });

    it('asks instead where something on the way holds the stream back, and tries it again later', async () => {
      store.follow('w', visit);
      await vi.advanceTimersByTimeAsync(5_000);
      expect(streams.map((stream) => stream.closed)).toEqual([true]);
      const before = asked.length;
      await vi.advanceTimersByTimeAsync(20_000);
      expect(asked.length - before).toBe(10);
      expect(streams).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(45_000);
      expect(streams).toHaveLength(2);
    });

    it('asks ever more rarely while nobody answers, and never sooner than the server wants', async () => {
      pages = [];
      store.follow('w', visit);
      await vi.advanceTimersByTimeAsync(8_999);
      expect(asked).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(600_000);
      expect(asked.length).toBeGreaterThan(10);
      expect(asked.length).toBeLessThan(45);
      pages = Array.from({ length: 100 }, () => nothing);
      await vi.advanceTimersByTimeAsync(30_000);
      expect(store.error()).toBeNull();
    });

    it('counts silence of two and a half pings as lost', async () => {
      store.follow('w', visit);
      await vi.advanceTimersByTimeAsync(0);
      streams[0]?.dispatchEvent(new Event('hello'));
      await vi.advanceTimersByTimeAsync(37_000);
      expect(streams[0]?.closed).toBe(false);
      await vi.advanceTimersByTimeAsync(500);
      expect(streams[0]?.closed).toBe(true);
      await vi.advanceTimersByTimeAsync(2_000);
      expect(streams).toHaveLength(2);
    });
  });
});
