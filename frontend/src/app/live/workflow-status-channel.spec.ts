/** One workflow as pages watch it: over real timers of a fake clock, with sockets driven by hand. */
import { DestroyRef } from '@angular/core';
import { TestBed } from '@angular/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Opener } from '../../testing/hand-driven';
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
  let channel: WorkflowStatusChannel;
  let visit: Visit;
  let requests: { path: string; etag: string | null }[];
  let respond: () => Response;

  const watch = (): Watched => channel.watch('brief-1', visit as unknown as DestroyRef);
  const frame = () => vi.advanceTimersByTimeAsync(250);

  beforeEach(() => {
    vi.useFakeTimers();
    ws = new Opener();
    visit = new Visit();
    requests = [];
    respond = () => new Response(JSON.stringify(aWorkflow()), { headers: { ETag: 'W/"10"' } });
    TestBed.configureTestingModule({
      providers: [
        { provide: OPEN_WEB_SOCKET, useValue: ws.open },
        { provide: OPEN_EVENTS, useValue: new Opener().open },
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
});
