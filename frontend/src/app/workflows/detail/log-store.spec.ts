/** The output of a workflow: every line once, whatever order the end and the answers come in. */
import { TestBed } from '@angular/core/testing';
import { beforeEach, describe, expect, it } from 'vitest';
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
            return new Response(JSON.stringify(pages.shift()));
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
});
