/** The ladder and the link that carries it out, driven by hand under a fake clock. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HandDrivenPage, Opener } from '../../testing/hand-driven';
import { hello, snapshot } from '../../testing/workflows';
import type { Frame } from '../api/contracts';
import {
  DEFAULT_RULES,
  FEATURE_OFF,
  GOING_AWAY,
  OVERLOADED,
  UNAUTHORISED,
  UNKNOWN,
} from './ladder-state';
import { LiveLink, type Asked, type Source } from './live-link';

const RULES = { ...DEFAULT_RULES, random: () => 1 };
/** Waits with a random of 1: the whole ceiling. */
const UNANSWERED: Asked = { type: 'unanswered', retryAfterMs: null, busy: false };
const FIRST_RETRY = 500;
const FIRST_CLIMB = 20_000;

class HandDrivenSource implements Source {
  readonly taken: Frame[] = [];
  asked = 0;
  answer: Asked | Promise<Asked> = { type: 'answered' };

  path(rung: 'ws' | 'sse'): string {
    return `/${rung}`;
  }

  ask(): Promise<Asked> {
    this.asked += 1;
    return Promise.resolve(this.answer);
  }

  take(frame: Frame): boolean {
    this.taken.push(frame);
    return frame.type === 'end';
  }
}

describe('LiveLink', () => {
  let ws: Opener;
  let sse: Opener;
  let page: HandDrivenPage;
  let source: HandDrivenSource;
  let link: LiveLink;

  function start(off: readonly ('ws' | 'sse')[] = []): void {
    link = new LiveLink(source, {
      openWebSocket: ws.open,
      openEvents: sse.open,
      rules: RULES,
      now: () => Date.now(),
      page,
      off,
    });
    link.start();
  }
  const wait = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  const standing = () => {
    const { phase, rung } = link.state();
    return `${phase} ${rung}`;
  };
  /** Opens a stable WebSocket. */
  async function live(): Promise<void> {
    start();
    ws.last.say(hello());
    await wait(RULES.stableMs);
  }
  /** Loses everything until only polling is left. */
  async function fallToPolling(): Promise<void> {
    start();
    for (let drop = 0; drop < RULES.tries; drop++) {
      ws.last.drop(1006);
      await wait(FIRST_RETRY);
    }
    for (let drop = 0; drop < RULES.tries; drop++) {
      sse.last.drop();
      await wait(FIRST_RETRY);
    }
  }

  beforeEach(() => {
    vi.useFakeTimers();
    ws = new Opener();
    sse = new Opener();
    page = new HandDrivenPage();
    source = new HandDrivenSource();
  });
  afterEach(() => {
    link.stop();
    vi.useRealTimers();
  });

  describe('on the WebSocket', () => {
    it('is open with the first frame, not with the handshake', () => {
      start();
      expect(standing()).toBe('opening ws');
      ws.last.say(hello());
      expect(standing()).toBe('open ws');
    });

    it('asks nothing over HTTP while it lives', async () => {
      await live();
      await wait(30_000);
      ws.last.say({ type: 'ping', position: 1 });
      await wait(30_000);
      expect(source.asked).toBe(0);
      expect(sse.all).toHaveLength(0);
    });

    it('hands every frame on, in order', () => {
      start();
      const frames = [hello(), snapshot(), { type: 'ping', position: 3 } as const];
      ws.last.say(...frames);
      expect(source.taken).toEqual(frames);
    });

    it('counts silence of two and a half pings as lost', async () => {
      start();
      ws.last.say(hello({ ping_s: 4 }));
      await wait(9_999);
      expect(standing()).toBe('open ws');
      await wait(1);
      expect(standing()).toBe('waiting ws');
    });

    it('lives on as long as pings come', async () => {
      start();
      ws.last.say(hello({ ping_s: 4 }));
      for (let ping = 0; ping < 10; ping++) {
        await wait(9_000);
        ws.last.say({ type: 'ping', position: 1 });
      }
      expect(standing()).toBe('open ws');
    });

    it('comes back on the same rung after one drop of a stable link', async () => {
      await live();
      ws.last.drop(1006);
      expect(standing()).toBe('waiting ws');
      await wait(FIRST_RETRY);
      expect(ws.all).toHaveLength(2);
      ws.last.say(hello());
      expect(standing()).toBe('open ws');
    });

    it('asks once in the moment of a drop, so that no truth is missed meanwhile', async () => {
      await live();
      ws.last.drop(1006);
      expect(source.asked).toBe(1);
    });

    it('goes on asking while a half-open proxy says nothing', async () => {
      start();
      await wait(RULES.openMs);
      expect(source.asked).toBeGreaterThanOrEqual(2);
    });

    it('waits longer when the server says that it is overloaded', async () => {
      await live();
      ws.last.drop(OVERLOADED);
      await wait(RULES.overloadedMs - 1);
      expect(ws.all).toHaveLength(1);
      await wait(1);
      expect(ws.all).toHaveLength(2);
    });
  });

  describe('a server that goes away', () => {
    it('is come back to soon, and its goodbye is no failure', async () => {
      await live();
      ws.last.drop(GOING_AWAY);
      expect(standing()).toBe('waiting ws');
      await wait(RULES.backoff.baseMs);
      expect(ws.all).toHaveLength(2);
      ws.last.say(hello());
      ws.last.drop(GOING_AWAY);
      await wait(RULES.backoff.baseMs);
      expect(ws.all).toHaveLength(3);
      expect(sse.all).toHaveLength(0);
    });
  });

  describe('falling', () => {
    it('takes server-sent events after two failures', async () => {
      start();
      ws.last.drop(1006);
      await wait(FIRST_RETRY);
      ws.last.drop(1006);
      expect(standing()).toBe('opening sse');
      sse.last.say(hello());
      expect(standing()).toBe('open sse');
    });

    it('takes polling after those have failed as well', async () => {
      await fallToPolling();
      expect(standing()).toBe('open poll');
      expect(ws.openCount + sse.openCount).toBe(0);
    });

    it('falls past a socket that opens, sends one frame and drops', async () => {
      start();
      for (let flap = 0; flap < RULES.tries; flap++) {
        ws.last.say(hello(), snapshot());
        await wait(100);
        ws.last.drop(1006);
        await wait(FIRST_RETRY);
      }
      expect(standing()).toBe('opening sse');
    });

    it('forgives failures once the link has been stable', async () => {
      await live();
      for (let drop = 0; drop < 5; drop++) {
        ws.last.drop(1006);
        await wait(FIRST_RETRY);
        ws.last.say(hello());
        await wait(RULES.stableMs);
      }
      expect(standing()).toBe('open ws');
      expect(sse.all).toHaveLength(0);
    });

    it('gives a socket that never speaks five seconds', async () => {
      start();
      await wait(RULES.openMs);
      expect(standing()).toBe('waiting ws');
      expect(ws.last.open).toBe(false);
    });

    it('leaves a rung for good that the server has turned off', async () => {
      start();
      ws.last.drop(FEATURE_OFF);
      expect(standing()).toBe('opening sse');
      sse.last.say(hello());
      await wait(600_000);
      expect(ws.all).toHaveLength(1);
    });

    it('skips rungs that the configuration turns off', () => {
      start(['ws']);
      expect(standing()).toBe('opening sse');
      link.stop();
      start(['ws', 'sse']);
      expect(standing()).toBe('opening poll');
      expect(ws.all).toHaveLength(0);
    });

    it('ignores what a closed connection still says', async () => {
      start();
      const first = ws.last;
      await wait(RULES.openMs);
      first.open = true;
      first.say(hello());
      first.drop(1006);
      expect(standing()).toBe('waiting ws');
      expect(source.taken).toEqual([]);
    });
  });

  describe('polling', () => {
    it('asks again after each interval', async () => {
      await fallToPolling();
      const before = source.asked;
      await wait(RULES.pollMs * 3);
      expect(source.asked).toBe(before + 3);
    });

    it('backs off, within bounds, while nobody answers', async () => {
      source.answer = UNANSWERED;
      await fallToPolling();
      await wait(120_000);
      const before = source.asked;
      await wait(RULES.backoff.capMs * 4);
      expect(source.asked - before).toBe(4);
      expect(standing()).toBe('waiting poll');
    });

    it('leaves the server alone for as long as it asks', async () => {
      start(['ws', 'sse']);
      source.answer = { type: 'unanswered', retryAfterMs: 20_000, busy: true };
      await wait(RULES.pollMs);
      const before = source.asked;
      await wait(19_000);
      expect(source.asked).toBe(before);
      await wait(1_000);
      expect(source.asked).toBe(before + 1);
    });

    it('leaves it alone while it falls from rung to rung, and asks for a person all the same', async () => {
      await live();
      source.answer = { type: 'unanswered', retryAfterMs: 20_000, busy: true };
      for (let drop = 0; drop < 3; drop++) {
        (drop < 2 ? ws : sse).last.drop();
        await wait(FIRST_RETRY);
      }
      expect(source.asked).toBe(1);
      link.push();
      expect(source.asked).toBe(2);
    });

    describe('when an answer takes its time', () => {
      let arrive: ((asked: Asked) => void)[];
      beforeEach(async () => {
        arrive = [];
        start(['ws', 'sse']);
        await wait(0);
        source.ask = () => new Promise((resolve) => arrive.push(resolve));
        await wait(RULES.pollMs);
      });

      it('waits for it, however much longer than the interval it takes', async () => {
        await wait(RULES.againMs - 500);
        expect(arrive).toHaveLength(1);
        arrive[0]?.({ type: 'answered', ended: true });
        await wait(0);
        expect(link.state().phase).toBe('ended');
      });

      it('asks again beside it, since its connection may be dead, and takes either answer', async () => {
        await wait(RULES.againMs + RULES.pollMs);
        expect(arrive).toHaveLength(2);
        arrive[0]?.({ type: 'answered' });
        await wait(0);
        expect(standing()).toBe('open poll');
        arrive[1]?.({ type: 'answered', ended: true });
        await wait(0);
        expect(link.state().phase).toBe('ended');
      });

      it('takes no older answer after a newer one', async () => {
        await wait(RULES.againMs + RULES.pollMs);
        arrive[1]?.({ type: 'answered' });
        await wait(0);
        arrive[0]?.({ type: 'unanswered', retryAfterMs: null, busy: false });
        await wait(0);
        expect(link.state().unanswered).toBe(0);
      });

      it('counts it as unanswered after ten seconds, and asks on for ever, ever more rarely', async () => {
        await wait(RULES.answerMs);
        expect(link.state().unanswered).toBe(1);
        await wait(600_000);
        const before = arrive.length;
        await wait(600_000);
        expect(arrive.length - before).toBeGreaterThan(10);
        expect(arrive.length - before).toBeLessThan(60);
      });
    });

    it('asks less while hidden, and at once when shown', async () => {
      start(['ws', 'sse']);
      await wait(0);
      page.tell('hidden');
      const before = source.asked;
      await wait(RULES.hiddenPollMs - 1);
      expect(source.asked).toBe(before);
      page.tell('shown');
      expect(source.asked).toBe(before + 1);
    });
  });

  describe('a server that answers that it cannot', () => {
    beforeEach(() => {
      source.answer = { type: 'unanswered', retryAfterMs: 20_000, busy: true };
    });

    it('is told apart from one that does not answer, and says when it is asked again', async () => {
      start(['ws', 'sse']);
      await wait(0);
      expect(link.state()).toMatchObject({ busy: true, nextAt: Date.now() + 20_000 });
      source.answer = UNANSWERED;
      await wait(20_000);
      expect(link.state().busy).toBe(false);
    });

    it('is left alone by falls between rungs too', async () => {
      start();
      await wait(RULES.pollMs);
      const before = source.asked;
      ws.last.drop(1013);
      await wait(FIRST_RETRY);
      ws.last.drop(1013);
      sse.last.drop();
      await wait(15_000);
      expect(source.asked).toBe(before);
    });

    it('is asked at once when a person wants it', async () => {
      start(['ws', 'sse']);
      await wait(0);
      const before = source.asked;
      link.push();
      expect(source.asked).toBe(before + 1);
    });

    it('is forgiven with the first answer', async () => {
      start(['ws', 'sse']);
      await wait(0);
      source.answer = { type: 'answered' };
      link.push();
      await wait(0);
      expect(link.state()).toMatchObject({ phase: 'open', busy: false, nextAt: null });
    });
  });

  it('counts how often it began to carry, whatever the rung', async () => {
    await live();
    expect(link.state().openings).toBe(1);
    ws.last.drop(1006);
    await wait(FIRST_RETRY);
    ws.last.say(hello(), { type: 'ping', position: 1 });
    expect(link.state().openings).toBe(2);
  });

  describe('climbing', () => {
    it('tries the WebSocket beside the events that carry, and switches with its first frame', async () => {
      start();
      ws.last.drop(1006);
      await wait(FIRST_RETRY);
      ws.last.drop(1006);
      sse.last.say(hello());
      await wait(FIRST_CLIMB);
      expect(ws.all).toHaveLength(3);
      expect(sse.last.open).toBe(true);
      ws.last.say(hello());
      expect(standing()).toBe('open ws');
      expect(sse.last.open).toBe(false);
    });

    it('tries events when the WebSocket fails again from polling', async () => {
      await fallToPolling();
      const sockets = ws.all.length;
      await wait(FIRST_CLIMB * 2);
      expect(ws.all).toHaveLength(sockets + 1);
      ws.last.drop(1006);
      sse.last.say(hello());
      expect(standing()).toBe('open sse');
    });

    it('stops polling when a climb succeeds', async () => {
      await fallToPolling();
      await wait(FIRST_CLIMB * 2);
      ws.last.say(hello({ ping_s: 1_000 }));
      const before = source.asked;
      await wait(RULES.pollMs * 10);
      expect(source.asked).toBe(before);
    });

    it('climbs ever more rarely while it comes to nothing', async () => {
      await fallToPolling();
      const attempts: number[] = [];
      const began = Date.now();
      while (Date.now() - began < 3_600_000) {
        const before = ws.all.length;
        await wait(1_000);
        if (ws.all.length > before) attempts.push(Date.now() - began);
        for (const opener of [ws, sse]) if (opener.all.at(-1)?.open) opener.last.drop(1006);
      }
      expect(attempts.length).toBeLessThan(20);
      const gaps = attempts.slice(1).map((at, index) => at - (attempts[index] ?? 0));
      expect(Math.max(...gaps)).toBeLessThanOrEqual(RULES.climb.capMs + 1_000);
    });

    it('falls back at once when a climbed link drops before it is stable', async () => {
      start();
      ws.last.drop(1006);
      await wait(FIRST_RETRY);
      ws.last.drop(1006);
      sse.last.say(hello());
      await wait(FIRST_CLIMB);
      ws.last.say(hello());
      await wait(100);
      ws.last.drop(1006);
      expect(standing()).toBe('opening sse');
    });

    it('does not climb while nobody looks', async () => {
      await fallToPolling();
      page.tell('hidden');
      const before = ws.all.length;
      await wait(FIRST_CLIMB * 10);
      expect(ws.all).toHaveLength(before);
    });

    it('gives a probe that never speaks five seconds', async () => {
      await fallToPolling();
      await wait(FIRST_CLIMB * 2);
      const probe = ws.last;
      await wait(RULES.openMs);
      expect(probe.open).toBe(false);
      expect(link.state().probe).toBe('sse');
    });

    it('comes back soon after a server that was gone answers again', async () => {
      source.answer = UNANSWERED;
      await fallToPolling();
      source.answer = { type: 'answered' };
      const before = ws.all.length;
      await wait(RULES.backoff.capMs + FIRST_RETRY);
      expect(ws.all.length).toBeGreaterThan(before);
    });
  });

  describe('the page', () => {
    it('keeps the socket while hidden, and asks once when shown', async () => {
      await live();
      page.tell('hidden');
      await wait(20_000);
      expect(standing()).toBe('open ws');
      page.tell('shown');
      expect(source.asked).toBe(1);
    });

    it('drops a socket that was silent for too long when it wakes up', async () => {
      await live();
      vi.setSystemTime(Date.now() + 3_600_000);
      page.tell('shown');
      expect(standing()).toBe('waiting ws');
    });

    it('doubts the socket when the network goes, and is back within a second if the server is near', async () => {
      await live();
      page.tell('offline');
      expect(standing()).toBe('waiting ws');
      await wait(FIRST_RETRY);
      ws.last.say(hello());
      expect(standing()).toBe('open ws');
    });

    it('tries at once when the network is back', async () => {
      await live();
      page.tell('offline');
      page.tell('online');
      expect(ws.all).toHaveLength(2);
    });

    it('goes on trying quickly when the network says so a moment too soon', async () => {
      source.answer = { type: 'unanswered', retryAfterMs: null, busy: false };
      await fallToPolling();
      await wait(120_000);
      page.tell('online');
      await wait(RULES.backoff.baseMs * 2);
      source.answer = { type: 'answered' };
      await wait(RULES.backoff.baseMs * 4);
      expect(standing()).toBe('open poll');
    });

    it('climbs at once when the network is back', async () => {
      await fallToPolling();
      const before = ws.all.length;
      page.tell('online');
      expect(ws.all).toHaveLength(before + 1);
    });

    it('tries at once when someone asks for it', async () => {
      source.answer = { type: 'unanswered', retryAfterMs: 60_000, busy: true };
      start(['ws', 'sse']);
      await wait(RULES.pollMs);
      const before = source.asked;
      link.push();
      expect(source.asked).toBe(before + 1);
    });
  });

  describe('the end', () => {
    it('closes the socket with the end, and does nothing more', async () => {
      start();
      ws.last.say(hello(), snapshot({ status: 'success' }), {
        type: 'end',
        id: 'brief-1',
        position: 10,
      });
      expect(link.state().phase).toBe('ended');
      expect(ws.openCount).toBe(0);
      await wait(3_600_000);
      page.tell('shown');
      page.tell('online');
      expect(ws.all).toHaveLength(1);
      expect(source.asked).toBe(0);
    });

    it('closes the events with the end', async () => {
      start(['ws']);
      sse.last.say(hello(), { type: 'end', id: 'brief-1', position: 10 });
      expect(link.state().phase).toBe('ended');
      expect(sse.openCount).toBe(0);
      await wait(3_600_000);
      expect(sse.all).toHaveLength(1);
    });

    it('stops polling at the end, whichever rung hears of it', async () => {
      start(['ws', 'sse']);
      await wait(0);
      source.answer = { type: 'answered', ended: true };
      await wait(RULES.pollMs);
      expect(link.state().phase).toBe('ended');
      const asked = source.asked;
      await wait(3_600_000);
      expect(source.asked).toBe(asked);
    });

    it('ends by an answer that comes while a socket opens', async () => {
      start();
      source.answer = { type: 'answered', ended: true };
      await wait(RULES.pollMs);
      expect(link.state().phase).toBe('ended');
      expect(ws.openCount).toBe(0);
    });

    it('leaves nothing behind when it is stopped', async () => {
      await live();
      link.stop();
      expect(link.state().phase).toBe('idle');
      expect(ws.openCount).toBe(0);
      expect(page.listenerCount).toBe(0);
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  describe('refusals', () => {
    it.each([
      [UNAUTHORISED, 'auth'],
      [UNKNOWN, 'unknown'],
    ])('stops for close code %i', async (code, refusal) => {
      start();
      ws.last.drop(code);
      expect(link.state().phase).toBe('refused');
      expect(link.state().refusal).toBe(refusal);
      await wait(3_600_000);
      expect(ws.all).toHaveLength(1);
    });

    it.each(['auth', 'forbidden', 'unknown'] as const)(
      'stops when an answer says %s',
      async (refusal) => {
        start(['ws', 'sse']);
        source.answer = { type: 'denied', refusal };
        await wait(RULES.pollMs);
        expect(link.state().refusal).toBe(refusal);
        const asked = source.asked;
        await wait(3_600_000);
        expect(source.asked).toBe(asked);
      },
    );
  });
});
