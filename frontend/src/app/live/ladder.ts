/**
 * The ladder: WebSocket, then server-sent events, then polling; and back up.
 *
 * One pure function, `climb(state, happening)`, holds the whole policy. It answers with the next state and
 * with effects (open this, close that, set a timer), which `LiveLink` carries out; so each fall, climb and
 * flap can be tested without a socket, and nothing here reads a clock.
 *
 * Four choices carry it:
 *
 * - A rung is good only after it has been *stable* for a while. A socket that opens, sends one frame and
 *   drops would otherwise look like success for ever.
 * - Polling is the net under everything: whenever no live rung is open, the server is asked, conditionally.
 *   No fall between two rungs leaves the page without truth, however long a half-open proxy hangs.
 * - A climb is make-before-break: the higher rung is probed beside the one that carries, and takes over
 *   with its first frame.
 * - The browser's `offline` event is a suspicion, not a verdict: the server may run on this very machine.
 */
import { backoffMs } from './backoff';
import {
  type Effect,
  FEATURE_OFF,
  GOING_AWAY,
  type Happening,
  type LadderState,
  OVERLOADED,
  type Rules,
  type Rung,
  type TimerName,
  UNAUTHORISED,
  UNKNOWN,
  grounded,
} from './ladder-state';

const ORDER: readonly Rung[] = ['ws', 'sse', 'poll'];
const TIMERS: readonly TimerName[] = [
  'open',
  'probe',
  'stable',
  'silence',
  'retry',
  'climb',
  'poll',
];

export interface Step {
  readonly state: LadderState;
  readonly effects: readonly Effect[];
}

/** Longest wait, in ms, until a question without an answer is asked a second time. */
const MOST_AGAIN_MS = 30_000;

/** The next state, and what to do about it. */
export function climb(before: LadderState, happening: Happening, rules: Rules): Step {
  const { state, effects } = decide(before, happening, rules);
  if (!effects.some((effect) => effect.do === 'ask')) return { state, effects };
  const waitingSince = state.waitingSince ?? happening.at;
  return { state: { ...state, askedAt: happening.at, waitingSince }, effects };
}

function decide(state: LadderState, happening: Happening, rules: Rules): Step {
  if (happening.type === 'started') return start(state, happening.at, rules);
  if (state.phase === 'idle' || state.phase === 'ended' || state.phase === 'refused') {
    return { state, effects: [] };
  }
  switch (happening.type) {
    case 'stopped':
      return finish({ ...state, phase: 'idle' });
    case 'ended':
      return finish({ ...state, phase: 'ended', heardAt: happening.at, lostAt: null });
    case 'denied':
      return finish({ ...state, phase: 'refused', refusal: happening.refusal });
    case 'spoke':
      return happening.link === 'main'
        ? hear(state, happening.at, rules)
        : promote(state, happening.at, rules);
    case 'lost':
      return happening.link === 'main'
        ? fail(state, happening.code, happening.at, rules)
        : failProbe(state, happening.code, rules);
    case 'answered':
      return answer(state, happening.at, rules);
    case 'unanswered':
      return miss(state, happening, rules);
    case 'elapsed':
      return elapse(state, happening.timer, happening.at, rules);
    case 'hidden':
      return hide({ ...state, hidden: true }, rules);
    case 'shown':
      return show({ ...state, hidden: false }, happening.at, rules);
    case 'offline':
      return isLive(state)
        ? fail({ ...state, stable: false }, null, happening.at, rules)
        : { state, effects: [{ do: 'ask' }] };
    case 'online':
    case 'pushed':
      return hurry(state, happening.at, rules);
    default:
      return never(happening);
  }
}

/** Whether a live rung carries the truth just now. */
export function isLive(state: LadderState): boolean {
  return state.phase === 'open' && state.rung !== 'poll';
}

function start(before: LadderState, at: number, rules: Rules): Step {
  const state = { ...grounded(before.off, before.hidden), lostAt: at };
  return enter(state, top(state), 0, at, rules);
}

function enter(before: LadderState, rung: Rung, failures: number, at: number, rules: Rules): Step {
  const state: LadderState = { ...before, phase: 'opening', rung, failures, stable: false };
  const net: Effect = { do: 'set', timer: 'poll', ms: untilNext(state, at, rules) };
  if (rung === 'poll') {
    return { state, effects: [...ask(state, at), net, ...planClimb(state, rules)] };
  }
  return {
    state,
    effects: [
      { do: 'open', link: 'main', rung },
      { do: 'set', timer: 'open', ms: rules.openMs },
      net,
    ],
  };
}

/** What is so once the server has told how things stand. */
function heardAt(at: number): Pick<LadderState, 'heardAt' | 'unanswered' | 'busy' | 'nextAt'> {
  return { heardAt: at, unanswered: 0, busy: false, nextAt: null };
}

function hear(before: LadderState, at: number, rules: Rules): Step {
  const silence: Effect = { do: 'set', timer: 'silence', ms: rules.silenceMs };
  const state = { ...before, ...heardAt(at) };
  if (before.phase === 'open') return { state, effects: [silence] };
  return {
    state: { ...state, phase: 'open', openings: state.openings + 1, lostAt: null },
    effects: [
      { do: 'clear', timer: 'open' },
      { do: 'clear', timer: 'retry' },
      { do: 'clear', timer: 'poll' },
      { do: 'set', timer: 'stable', ms: rules.stableMs },
      silence,
      ...planClimb(state, rules),
    ],
  };
}

function promote(before: LadderState, at: number, rules: Rules): Step {
  if (before.probe === null) return { state: before, effects: [] };
  const state: LadderState = {
    ...before,
    phase: 'open',
    rung: before.probe,
    probe: null,
    stable: false,
    // One drop before it is stable, and the rung below carries again at once.
    failures: rules.tries - 1,
    ...heardAt(at),
    openings: before.openings + 1,
    lostAt: null,
  };
  return {
    state,
    effects: [
      { do: 'promote' },
      { do: 'clear', timer: 'probe' },
      { do: 'clear', timer: 'open' },
      { do: 'clear', timer: 'retry' },
      { do: 'clear', timer: 'poll' },
      { do: 'clear', timer: 'climb' },
      { do: 'set', timer: 'stable', ms: rules.stableMs },
      { do: 'set', timer: 'silence', ms: rules.silenceMs },
      ...planClimb(state, rules),
    ],
  };
}

function fail(before: LadderState, code: number | null, at: number, rules: Rules): Step {
  if (before.rung === 'poll') return { state: before, effects: [] };
  const closing: Effect[] = [
    { do: 'close', link: 'main' },
    { do: 'clear', timer: 'open' },
    { do: 'clear', timer: 'stable' },
    { do: 'clear', timer: 'silence' },
  ];
  if (code === UNAUTHORISED || code === UNKNOWN) {
    return finish({
      ...before,
      phase: 'refused',
      refusal: code === UNKNOWN ? 'unknown' : 'auth',
    });
  }
  const off = code === FEATURE_OFF ? [...before.off, before.rung] : before.off;
  // A server that says goodbye has not failed; it or another is there in a moment. One that says nothing
  // else has.
  const forgiven = code === GOING_AWAY && before.stable;
  const failures = forgiven ? 0 : (before.stable ? 0 : before.failures) + 1;
  const state: LadderState = {
    ...before,
    off,
    phase: 'waiting',
    stable: false,
    failures,
    lostAt: before.lostAt ?? at,
  };
  if (code === FEATURE_OFF || failures >= rules.tries) {
    const down = enter({ ...state, climbs: state.climbs + 1 }, below(state), 0, at, rules);
    // Polling asks at once by itself; the others ask here, so that the fall costs no truth.
    const asking = down.state.rung === 'poll' ? [] : ask(state, at);
    return { state: down.state, effects: [...closing, ...asking, ...down.effects] };
  }
  const wait = backoffMs(failures, rules.backoff, rules.random);
  return {
    state,
    effects: [
      ...closing,
      ...ask(state, at),
      { do: 'set', timer: 'poll', ms: untilNext(state, at, rules) },
      {
        do: 'set',
        timer: 'retry',
        ms: code === OVERLOADED ? Math.max(wait, rules.overloadedMs) : wait,
      },
    ],
  };
}

function failProbe(before: LadderState, code: number | null, rules: Rules): Step {
  if (before.probe === null) return { state: before, effects: [] };
  const closing: Effect[] = [
    { do: 'close', link: 'probe' },
    { do: 'clear', timer: 'probe' },
  ];
  if (code === UNAUTHORISED || code === UNKNOWN) {
    return finish({ ...before, phase: 'refused', refusal: code === UNKNOWN ? 'unknown' : 'auth' });
  }
  const off = code === FEATURE_OFF ? [...before.off, before.probe] : before.off;
  const state: LadderState = { ...before, off, probe: null };
  const next = below({ ...state, rung: before.probe });
  if (higher(next, state.rung)) {
    const step = tryRung(state, next, rules);
    return { state: step.state, effects: [...closing, ...step.effects] };
  }
  const tired = { ...state, climbs: state.climbs + 1 };
  return { state: tired, effects: [...closing, ...planClimb(tired, rules)] };
}

function answer(before: LadderState, at: number, rules: Rules): Step {
  const state = { ...before, ...heardAt(at), askedAt: null, waitingSince: null };
  if (isLive(before)) return { state, effects: [] };
  const next: Effect = { do: 'set', timer: 'poll', ms: interval(state, rules) };
  if (before.rung !== 'poll') return { state, effects: [next] };
  // The server is back after silence: do not make it wait for the long timer of the climb.
  const soon: Effect[] =
    before.unanswered > 0 && before.probe === null && top(state) !== 'poll'
      ? [{ do: 'set', timer: 'climb', ms: backoffMs(1, rules.backoff, rules.random) }]
      : [];
  const openings = before.phase === 'open' ? before.openings : before.openings + 1;
  return { state: { ...state, phase: 'open', openings, lostAt: null }, effects: [next, ...soon] };
}

function miss(
  before: LadderState,
  { retryAfterMs, busy, at }: Extract<Happening, { type: 'unanswered' }>,
  rules: Rules,
): Step {
  const waited = { askedAt: null, waitingSince: null };
  if (isLive(before)) return { state: { ...before, ...waited }, effects: [] };
  const unanswered = before.unanswered + 1;
  const quietMs = Math.min(retryAfterMs ?? 0, rules.climb.capMs);
  const wait = Math.max(backoffMs(unanswered, rules.backoff, rules.random), quietMs);
  const state: LadderState = {
    ...before,
    ...waited,
    unanswered,
    busy,
    nextAt: at + wait,
    phase: before.rung === 'poll' ? 'waiting' : before.phase,
    lostAt: before.lostAt ?? at,
  };
  return { state, effects: [{ do: 'set', timer: 'poll', ms: wait }] };
}

function elapse(before: LadderState, timer: TimerName, at: number, rules: Rules): Step {
  switch (timer) {
    case 'open':
    case 'silence':
      return fail(before, null, at, rules);
    case 'probe':
      return failProbe(before, null, rules);
    case 'stable':
      return { state: { ...before, stable: true, failures: 0, climbs: 0 }, effects: [] };
    case 'retry':
      return enter(before, before.rung, before.failures, at, rules);
    case 'poll':
      return isLive(before) ? { state: before, effects: [] } : poll(before, at, rules);
    case 'climb':
      if (before.probe !== null || !higher(top(before), before.rung)) {
        return { state: before, effects: [] };
      }
      return before.hidden
        ? { state: before, effects: planClimb(before, rules) }
        : tryRung(before, top(before), rules);
    default:
      return never(timer);
  }
}

/**
 * Asks, unless a question was asked a moment ago: on a link whose answers take longer than the interval, each
 * would otherwise push out the one before, and none would ever arrive. One that stays out may be on a
 * connection that died without a word, so it is asked again beside the first, on another.
 */
function poll(waiting: LadderState, at: number, rules: Rules): Step {
  if (waiting.waitingSince !== null && at - waiting.waitingSince >= rules.answerMs) {
    return miss(waiting, { type: 'unanswered', retryAfterMs: null, busy: false, at }, rules);
  }
  const before = { ...waiting, nextAt: null };
  const asks =
    before.askedAt === null ||
    at - before.askedAt >= Math.min(rules.againMs * Math.max(1, before.unanswered), MOST_AGAIN_MS);
  // The timer is set again at once: an answer that never comes must not end the asking.
  const next: Effect = { do: 'set', timer: 'poll', ms: interval(before, rules) };
  return { state: before, effects: asks ? [{ do: 'ask' }, next] : [next] };
}

function hide(state: LadderState, rules: Rules): Step {
  const effects: Effect[] = isLive(state)
    ? []
    : [{ do: 'set', timer: 'poll', ms: interval(state, rules) }];
  return { state, effects };
}

function show(state: LadderState, at: number, rules: Rules): Step {
  if (isLive(state)) {
    const silent = state.heardAt !== null && at - state.heardAt > rules.silenceMs;
    // Timers sleep with the machine; what woke up may hold a socket that died long ago.
    return silent ? fail(state, null, at, rules) : { state, effects: [{ do: 'ask' }] };
  }
  return hurry(state, at, rules);
}

/** Someone looks, or the network is back: whatever was being waited for is tried now. */
function hurry(waiting: LadderState, at: number, rules: Rules): Step {
  // The network may say that it is back before it is: what failed until now must not slow the next tries.
  const before = { ...waiting, nextAt: null, unanswered: Math.min(waiting.unanswered, 1) };
  if (isLive(before)) return { state: before, effects: [{ do: 'ask' }] };
  if (before.phase === 'waiting' && before.rung !== 'poll') {
    const step = enter(before, before.rung, before.failures, at, rules);
    return {
      state: step.state,
      effects: [{ do: 'clear', timer: 'retry' }, { do: 'ask' }, ...step.effects],
    };
  }
  const effects: Effect[] = [
    { do: 'ask' },
    { do: 'set', timer: 'poll', ms: interval(before, rules) },
  ];
  if (before.rung !== 'poll' || before.probe !== null || top(before) === 'poll') {
    return { state: before, effects };
  }
  const step = tryRung({ ...before, climbs: 0 }, top(before), rules);
  return { state: step.state, effects: [...effects, ...step.effects] };
}

function tryRung(state: LadderState, rung: Rung, rules: Rules): Step {
  if (rung === 'poll') return { state, effects: [] };
  return {
    state: { ...state, probe: rung },
    effects: [
      { do: 'clear', timer: 'climb' },
      { do: 'open', link: 'probe', rung },
      { do: 'set', timer: 'probe', ms: rules.openMs },
    ],
  };
}

function planClimb(state: LadderState, rules: Rules): Effect[] {
  if (!higher(top(state), state.rung) || state.probe !== null) return [];
  const ms = backoffMs(state.climbs, rules.climb, rules.random);
  return [{ do: 'set', timer: 'climb', ms }];
}

function finish(state: LadderState): Step {
  const timers = TIMERS.map((timer): Effect => ({ do: 'clear', timer }));
  return {
    state: { ...state, probe: null },
    effects: [{ do: 'close', link: 'main' }, { do: 'close', link: 'probe' }, ...timers],
  };
}

/** A question now; none while a server that is not able has asked to be left alone. */
function ask(state: LadderState, at: number): Effect[] {
  return isLeftAlone(state, at) ? [] : [{ do: 'ask' }];
}

/** How long until the next question of the net. */
function untilNext(state: LadderState, at: number, rules: Rules): number {
  const least = interval(state, rules);
  return isLeftAlone(state, at) ? Math.max(least, (state.nextAt ?? at) - at) : least;
}

function isLeftAlone({ busy, nextAt }: LadderState, at: number): boolean {
  return busy && nextAt !== null && nextAt > at;
}

function interval(state: LadderState, rules: Rules): number {
  return state.hidden ? rules.hiddenPollMs : rules.pollMs;
}

function top(state: LadderState): Rung {
  return ORDER.find((rung) => !state.off.includes(rung)) ?? 'poll';
}

function below(state: LadderState): Rung {
  const rest = ORDER.slice(ORDER.indexOf(state.rung) + 1);
  return rest.find((rung) => !state.off.includes(rung)) ?? 'poll';
}

function higher(one: Rung, other: Rung): boolean {
  return ORDER.indexOf(one) < ORDER.indexOf(other);
}

function never(happening: never): never {
  throw new Error(`a happening that nobody foresaw: ${JSON.stringify(happening)}`);
}
