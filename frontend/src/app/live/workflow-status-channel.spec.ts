/** One workflow as pages watch it: over real timers of a fake clock, with sockets driven by hand. */
import { DestroyRef } from '@angular/core';
import { TestBed } from '@angular/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Opener } from '../../testing/hand-driven';
import { Awaited } from '../../testing/page';
import { aWorkflow, hello, snapshot } from '../../testing/workflows';
import { FETCH } from '../api/api';
import { OPEN_EVENTS, OPEN_WEB_SOCKET } from './transports';
import { WorkflowStatusChannel, type Watched } from './workflow-status-channel';

class Visit {
  private readonly last: (() => void)[] = [];
  onDestroy(act: () => void): () => void {
    this.last.push(act);
    return () => undefined;
  }
  end(): void {
    for (const act of this.last) act();
  }
}

describe('WorkflowStatusChannel', () => {
  let ws: Opener;
  let sse: Opener;
  let channel: WorkflowStatusChannel;
  let visit: Visit;
  let requests: { path: string; etag: string | null }[];
  let respond: () => Response | Promise<Response>;

  const watch = (): Watched => channel.watch('brief-1', visit as unknown as DestroyRef);
  const frame = () => vi.advanceTimersByTimeAsync(250);

  beforeEach(() => {
    vi.useFakeTimers();
    ws = new Opener();
    sse = new Opener();
    visit = new Visit();
    requests = [];
    respond = () => new Response(JSON.stringify(aWorkflow()), { headers: { ETag: 'W/"10"' } });
    TestBed.configureTestingModule({
      providers: [
        { provide: OPEN_WEB_SOCKET, useValue: ws.open },
        { provide: OPEN_EVENTS, useValue: sse.open },
        {
          provide: FETCH,
          useValue: (path: string, init: RequestInit) => {
            requests.push({ path, etag: new Headers(init.headers).get('If-None-Match') });
            return Promise.resolve(respond());
          },
        },
      ],
    });
    channel = TestBed.inject(WorkflowStatusChannel);
  });
  afterEach(() => {
    visit.end();
    vi.useRealTimers();
  });

  it('shares one connection among all who watch, and closes it with the last', () => {
    watch();
    watch();
    expect(ws.all).toHaveLength(1);
    visit.end();
    expect(ws.openCount).toBe(0);
  });

  it('shows a burst once, the last message winning', async () => {
    const watched = watch();
    ws.last.say(hello(), snapshot({ position: 1, status: 'pending' }), snapshot({ position: 2 }));
    expect(watched.workflow()).toBeNull();
    await frame();
    expect(watched.workflow()?.position).toBe(2);
  });

  it('is never moved back by what arrives late', async () => {
    const watched = watch();
    ws.last.say(
      hello(),
      snapshot({ position: 5, status: 'cancelling' }),
      snapshot({ position: 2 }),
    );
    await frame();
    expect(watched.workflow()?.status).toBe('cancelling');
  });

  it('ends by itself with the terminal status, once, though it is repeated', async () => {
    const watched = watch();
    const ended = snapshot({ position: 9, status: 'success' });
    ws.last.say(hello(), ended, ended, { type: 'end', id: 'brief-1', position: 9 });
    await frame();
    expect(watched.link().phase).toBe('ended');
    expect(watched.workflow()?.status).toBe('success');
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(ws.all).toHaveLength(1);
    expect(requests).toHaveLength(0);
  });

  it('names the place to resume after when it comes back', async () => {
    watch();
    ws.last.say(hello(), snapshot({ position: 70 }));
    await vi.advanceTimersByTimeAsync(6_000);
    ws.last.drop(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(decodeURIComponent(ws.last.path)).toBe('/ws/workflows/brief-1?after=e1:70');
  });

  it('sends the validator back, and takes 304 for an answer', async () => {
    const watched = watch();
    ws.last.drop(1006);
    await frame();
    respond = () => new Response(null, { status: 304 });
    watched.push();
    await frame();
    expect(requests.at(0)?.etag).toBeNull();
    expect(requests.at(-1)?.etag).toBe('W/"10"');
    expect(watched.link().unanswered).toBe(0);
    expect(watched.workflow()?.position).toBe(10);
  });

  it('begins anew with another log, whose positions start again', async () => {
    const watched = watch();
    ws.last.say(hello(), snapshot({ position: 50 }));
    await frame();
    ws.last.say(hello({ epoch: 'e2' }), snapshot({ position: 3 }));
    await frame();
    expect(watched.workflow()?.position).toBe(3);
  });

  it('goes on watching a status that it does not know', async () => {
    const watched = watch();
    ws.last.say(hello(), {
      type: 'snapshot',
      workflow: { ...aWorkflow(), status: 'paused' as never },
    });
    await frame();
    expect(watched.workflow()?.status).toBe('paused');
    expect(watched.link().phase).toBe('open');
  });

  it('passes over a frame that it does not know', async () => {
    const watched = watch();
    ws.last.say(hello(), { type: 'novelty' } as never, snapshot());
    await frame();
    expect(watched.workflow()?.id).toBe('brief-1');
  });

  it('stops for good where the workflow is unknown', async () => {
    respond = () =>
      new Response(JSON.stringify({ status: 404, code: 'unknown_workflow', title: '' }), {
        status: 404,
      });
    const watched = watch();
    ws.last.drop(1006);
    await frame();
    expect(watched.link().refusal).toBe('unknown');
    await vi.advanceTimersByTimeAsync(600_000);
    expect(ws.all).toHaveLength(1);
  });

  /** Leaves only the given rungs to it. */
  async function fallTo(rung: 'sse' | 'poll'): Promise<Watched> {
    const watched = watch();
    ws.last.drop(4003);
    await frame();
    if (rung === 'poll') {
      sse.last.drop();
      await vi.advanceTimersByTimeAsync(1_000);
      sse.last.drop();
      await frame();
    }
    return watched;
  }

  it('ends on server-sent events as on the WebSocket: once, and for good', async () => {
    const watched = await fallTo('sse');
    sse.last.say(hello(), snapshot({ position: 19, status: 'failed' }));
    await frame();
    expect(watched.link().phase).toBe('ended');
    expect(watched.workflow()?.status).toBe('failed');
    const asked = requests.length;
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect([ws.openCount, sse.openCount, requests.length]).toEqual([0, 0, asked]);
  });

  it('ends while polling, with the first answer that says so', async () => {
    const watched = await fallTo('poll');
    respond = () => new Response(JSON.stringify(aWorkflow({ position: 12, status: 'cancelled' })));
    await vi.advanceTimersByTimeAsync(2_500);
    expect(watched.link().phase).toBe('ended');
    expect(watched.workflow()?.status).toBe('cancelled');
    const asked = requests.length;
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(requests).toHaveLength(asked);
  });

  it('is not moved back by an answer that was overtaken by a frame', async () => {
    const watched = watch();
    ws.last.drop(1006);
    await frame();
    const answer = new Awaited<Response>();
    respond = () => answer.promise;
    watched.push();
    await vi.advanceTimersByTimeAsync(1_000);
    ws.last.say(hello(), snapshot({ position: 30, status: 'cancelling' }));
    answer.answer(new Response(JSON.stringify(aWorkflow({ position: 20 }))));
    await frame();
    expect(watched.workflow()).toMatchObject({ position: 30, status: 'cancelling' });
  });

  it('takes what follows a gap, whole: a missed frame costs nothing', async () => {
    const watched = watch();
    ws.last.say(hello(), snapshot({ position: 3, status: 'pending' }));
    ws.last.say(snapshot({ position: 900, status: 'cancelling' }));
    await frame();
    expect(watched.workflow()).toMatchObject({ position: 900, status: 'cancelling' });
  });

  it('draws nothing anew for a duplicate', async () => {
    const watched = watch();
    ws.last.say(hello(), snapshot());
    await frame();
    const shown = watched.workflow();
    ws.last.say(snapshot(), snapshot());
    await frame();
    expect(watched.workflow()).toBe(shown);
  });

  it('finds out over HTTP that the log is another one, and believes it', async () => {
    const watched = watch();
    ws.last.say(hello(), snapshot({ position: 50 }));
    await vi.advanceTimersByTimeAsync(6_000);
    respond = () => {
      const path = requests.at(-1)?.path ?? '';
      const body = path === '/config' ? { epoch: 'e2' } : aWorkflow({ position: 2 });
      return new Response(JSON.stringify(body));
    };
    ws.last.drop(1006);
    await frame();
    expect(requests.map((request) => request.path)).toContain('/config');
    expect(watched.workflow()?.position).toBe(2);
  });

  it('takes what a command answered for heard, and what is old for old', async () => {
    const watched = watch();
    ws.last.say(hello(), snapshot({ position: 5 }));
    watched.accept(aWorkflow({ position: 6, status: 'cancelling' }));
    watched.accept(aWorkflow({ position: 4 }));
    watched.accept(aWorkflow({ id: 'another', position: 99 }));
    await frame();
    expect(watched.workflow()).toMatchObject({ position: 6, status: 'cancelling' });
  });

  it.each([
    [401, 'auth'],
    [403, 'forbidden'],
    [404, 'unknown'],
  ])('stops for %i, which no repetition changes', async (status, refusal) => {
    respond = () => new Response('{}', { status });
    const watched = watch();
    ws.last.drop(1006);
    await frame();
    expect(watched.link()).toMatchObject({ phase: 'refused', refusal });
  });

  it('waits as long as a 503 asks, and shows that the server is there', async () => {
    respond = () => new Response('{}', { status: 503, headers: { 'Retry-After': '9' } });
    const watched = await fallTo('poll');
    expect(watched.link()).toMatchObject({ busy: true, heardAt: null });
    const asked = requests.length;
    await vi.advanceTimersByTimeAsync(7_000);
    expect(requests).toHaveLength(asked);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(requests).toHaveLength(asked + 1);
  });

  it('shows an answer that is no JSON as no answer', async () => {
    respond = () => new Response('<html>a proxy speaks</html>');
    const watched = await fallTo('poll');
    expect(watched.workflow()).toBeNull();
    expect(watched.link()).toMatchObject({ busy: false, phase: 'waiting' });
  });
});
