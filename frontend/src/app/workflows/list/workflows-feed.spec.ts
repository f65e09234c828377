/** The list over one connection: what arrives moves no row, goes back nowhere and costs one writing a frame. */
import { DestroyRef } from '@angular/core';
import { TestBed } from '@angular/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Opener } from '../../../testing/hand-driven';
import { aWorkflow, hello } from '../../../testing/workflows';
import { FETCH } from '../../api/api';
import type { Workflow } from '../../api/contracts';
import { OPEN_EVENTS, OPEN_WEB_SOCKET } from '../../live/transports';
import { Tally } from '../tally';
import { EVERYTHING } from './list-query';
import { WorkflowsFeed } from './workflows-feed';

describe('WorkflowsFeed', () => {
  let ws: Opener;
  let asked: string[];
  let items: Workflow[];
  let feed: WorkflowsFeed;
  let end: () => void;

  let down = false;

  const answer = (path: string) => {
    if (path.startsWith('/summary')) {
      return { statuses: { running: 2, success: 0 }, stale: 0, position: 10, executors: 1 };
    }
    return { items, next_cursor: null, position: 10 };
  };

  beforeEach(async () => {
    vi.useFakeTimers();
    ws = new Opener();
    asked = [];
    items = [aWorkflow({ id: 'a' }), aWorkflow({ id: 'b' })];
    TestBed.configureTestingModule({
      providers: [
        { provide: OPEN_WEB_SOCKET, useValue: ws.open },
        { provide: OPEN_EVENTS, useValue: new Opener().open },
        {
          provide: FETCH,
          useValue: (path: string) => {
            asked.push(path);
            if (down) return Promise.reject(new TypeError('down'));
            return Promise.resolve(
              new Response(JSON.stringify(answer(path)), { headers: { ETag: 'W/"1"' } }),
            );
          },
        },
      ],
    });
    feed = TestBed.inject(WorkflowsFeed);
    const last: (() => void)[] = [];
    feed.open({ onDestroy: (act: () => void) => last.push(act) } as unknown as DestroyRef);
    end = () => last.forEach((act) => act());
    await feed.show(EVERYTHING);
    ws.last.say(hello());
  });
  afterEach(() => {
    end();
    vi.useRealTimers();
  });
  const frame = () => vi.advanceTimersByTimeAsync(250);
  const status = (workflow: Workflow, previous: Workflow['status'] = 'running') =>
    ({ type: 'status', previous, changed: ['status'], workflow }) as const;

  it('opens one connection, whatever the number of rows', () => {
    expect(feed.ids()).toEqual(['a', 'b']);
    expect(ws.all).toHaveLength(1);
    expect(ws.last.path).toContain('after=10');
  });

  it('writes a burst once, and the last message wins', async () => {
    const row = feed.row('a');
    const before = row();
    for (let done = 1; done <= 100; done++) {
      ws.last.say({
        type: 'snapshot',
        workflow: aWorkflow({ id: 'a', progress: { done, total: 100 } }),
      });
    }
    expect(row()).toBe(before);
    await frame();
    expect(row().workflow.progress?.done).toBe(100);
  });

  it('lets newcomers wait, so that no row jumps', async () => {
    ws.last.say(status(aWorkflow({ id: 'c', position: 11 })));
    await frame();
    expect(feed.ids()).toEqual(['a', 'b']);
    expect([...feed.newcomers().keys()]).toEqual(['c']);
  });

  it('shows the first workflow at once where there was none', async () => {
    items = [];
    await feed.show({ ...EVERYTHING, text: '' });
    ws.last.say(status(aWorkflow({ id: 'c', position: 11 })));
    await frame();
    expect(feed.ids()).toEqual(['c']);
  });

  it('keeps a row that left the filter in its place, marked', async () => {
    await feed.show({ ...EVERYTHING, statuses: ['running'] });
    ws.last.say(status(aWorkflow({ id: 'a', status: 'success', position: 12 })));
    await frame();
    expect(feed.ids()).toEqual(['a', 'b']);
    expect(feed.row('a')().moved).toBe(true);
  });

  it('never goes back, neither by an old frame nor by an old answer', async () => {
    ws.last.say(status(aWorkflow({ id: 'a', status: 'success', position: 12 })));
    await frame();
    ws.last.say(status(aWorkflow({ id: 'a', status: 'running', position: 9 })));
    await feed.load();
    await frame();
    expect(feed.row('a')().workflow.status).toBe('success');
  });

  it('counts by what moved, once', async () => {
    const tally = TestBed.inject(Tally);
    await tally.load();
    const moved = status(aWorkflow({ id: 'a', status: 'success', position: 12 }));
    ws.last.say(moved, moved);
    expect(tally.summary()?.statuses).toEqual({ running: 1, success: 1 });
  });

  it('loads anew after a gap', async () => {
    const before = asked.length;
    ws.last.say({ type: 'resync', reason: 'too_long_ago' });
    await frame();
    expect(asked.slice(before).some((path) => path.startsWith('/workflows'))).toBe(true);
  });

  it('shows the list once the server is there, where it was not when the page was opened', async () => {
    down = true;
    await feed.show(EVERYTHING);
    expect(feed.phase()).toBe('failed');
    down = false;
    ws.last.say(hello({ recovered: true }));
    await frame();
    expect(feed.phase()).toBe('ready');
    expect(feed.ids()).toEqual(['a', 'b']);
  });

  it('forgets everything of another log', async () => {
    items = [aWorkflow({ id: 'new', position: 1 })];
    ws.last.say(hello({ epoch: 'e2', position: 1 }));
    await frame();
    expect(feed.ids()).toEqual(['new']);
  });
});
