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
import { backoffMs, type Backoff } from './backoff';

export type Rung = 'ws' | 'sse' | 'poll';
export type Refusal = 'auth' | 'forbidden' | 'unknown';
export type LinkName = 'main' | 'probe';
export type TimerName = 'open' | 'probe' | 'stable' | 'silence' | 'retry' | 'climb' | 'poll';

/** Where we stand. `rung` carries the truth when `phase` is `open`, and is being tried otherwise. */
export interface LadderState {
  readonly phase: 'idle' | 'opening' | 'open' | 'waiting' | 'ended' | 'refused';
  readonly rung: Rung;
  /** The rung has been open for long enough to be called good. */
  readonly stable: boolean;
  /** Failures in a row on this rung. */
  readonly failures: number;
  /** The rung that is being tried beside the one that carries. */
  readonly probe: Rung | null;
  /** Climbs in a row that came to nothing. */
  readonly climbs: number;
  /** Questions in a row that nobody answered. */
  readonly unanswered: number;
  /** When the latest question was asked, by this page's clock, in ms; null while none is on its way. */
  readonly askedAt: number | null;
  /** Since when no question has been answered; null while none is on its way. */
  readonly waitingSince: number | null;
  /** Until when the server wants not to be asked, in ms; null where it has not said. */
  readonly quietUntil: number | null;
  /** Rungs that the server has turned off. */
  readonly off: readonly Rung[];
  /** When the server was last heard, by this page's clock, in ms. */
  readonly heardAt: number | null;
  /** Since when no rung has been open; null while one is. */
  readonly lostAt: number | null;
  readonly hidden: boolean;
  readonly refusal: Refusal | null;
}

export type Happening =
  | { readonly type: 'started'; readonly at: number }
  | { readonly type: 'stopped' | 'ended' | 'pushed'; readonly at: number }
  | { readonly type: 'spoke'; readonly link: LinkName; readonly at: number }
  | {
      readonly type: 'lost';
      readonly link: LinkName;
      readonly code: number | null;
      readonly at: number;
    }
  | { readonly type: 'answered'; readonly at: number }
  | { readonly type: 'unanswered'; readonly retryAfterMs: number | null; readonly at: number }
  | { readonly type: 'denied'; readonly refusal: Refusal; readonly at: number }
  | { readonly type: 'elapsed'; readonly timer: TimerName; readonly at: number }
  | { readonly type: 'hidden' | 'shown' | 'offline' | 'online'; readonly at: number };

export type Effect =
  | { readonly do: 'open'; readonly link: LinkName; readonly rung: 'ws' | 'sse' }
  | { readonly do: 'close'; readonly link: LinkName }
  | { readonly do: 'promote' }
  | { readonly do: 'ask' }
  | { readonly do: 'set'; readonly timer: TimerName; readonly ms: number }
  | { readonly do: 'clear'; readonly timer: TimerName };

/** The numbers of the policy, in milliseconds where not counts. */
export interface Rules {
  /** A link that has not said a word by then is not opening. */
  readonly openMs: number;
  /** A link that has held for so long is good. */
  readonly stableMs: number;
  /** Silence of more than this means that the link is lost: two and a half pings. */
  readonly silenceMs: number;
  /** Failures in a row after which the next rung down is taken. */
  readonly tries: number;
  readonly backoff: Backoff;
  /** Between two questions while polling. */
  readonly pollMs: number;
  /** The same while nobody looks. */
  readonly hiddenPollMs: number;
  /** A question that has no answer by then is asked a second time; later, after each that was in vain. */
  readonly againMs: number;
  /** Where nothing was answered for so long, the question counts as unanswered. */
  readonly answerMs: number;
  /** How long until a higher rung is tried again. */
  readonly climb: Backoff;
  /** Least wait after the server said that it is overloaded. */
  readonly overloadedMs: number;
  readonly random: () => number;
}

export const DEFAULT_RULES: Rules = {
  openMs: 5_000,
  stableMs: 5_000,
  silenceMs: 37_500,
  tries: 2,
  backoff: { baseMs: 500, capMs: 30_000 },
  pollMs: 2_000,
  hiddenPollMs: 30_000,
  againMs: 3_000,
  answerMs: 10_000,
  climb: { baseMs: 20_000, capMs: 300_000 },
  overloadedMs: 3_000,
  random: Math.random,
};

/** Longest wait, in ms, until a question without an answer is asked a second time. */
const MOST_AGAIN_MS = 30_000;

export const UNAUTHORISED = 4001;
export const FEATURE_OFF = 4003;
export const UNKNOWN = 4004;
export const OVERLOADED = 4100;

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

/** The state before anything has happened. */
export function grounded(off: readonly Rung[] = [], hidden = false): LadderState {
  return {
    phase: 'idle',
    rung: 'ws',
    stable: false,
    failures: 0,
    probe: null,
    climbs: 0,
    unanswered: 0,
    askedAt: null,
    waitingSince: null,
    quietUntil: null,
    off,
    heardAt: null,
    lostAt: null,
    hidden,
    refusal: null,
  };
}

/** The next state, and what to do about it. */
export function climb(before: LadderState, happening: Happening, rules: Rules): Step {
  const { state, effects } = decide(before, happening, rules);
  if (!effects.some((effect) => effect.do === 'ask')) return { state, effects };
  // Every fall asks; a server that wants to be left alone is asked by people only.
  const quiet = state.quietUntil !== null && happening.at < state.quietUntil;
  if (quiet && happening.type !== 'pushed') {
    return { state, effects: effects.filter((effect) => effect.do !== 'ask') };
  }
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
      return miss(state, happening.retryAfterMs, happening.at, rules);
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
      return hurry(state, rules);
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
  return enter(state, top(state), 0, rules);
}

function enter(before: LadderState, rung: Rung, failures: number, rules: Rules): Step {
  const state: LadderState = { ...before, phase: 'opening', rung, failures, stable: false };
  const net: Effect = { do: 'set', timer: 'poll', ms: interval(state, rules) };
  if (rung === 'poll') {
    return { state, effects: [{ do: 'ask' }, net, ...planClimb(state, rules)] };
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

function hear(before: LadderState, at: number, rules: Rules): Step {
  const silence: Effect = { do: 'set', timer: 'silence', ms: rules.silenceMs };
  const state = { ...before, heardAt: at, unanswered: 0 };
  if (before.phase === 'open') return { state, effects: [silence] };
  return {
    state: { ...state, phase: 'open', lostAt: null },
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
    unanswered: 0,
    heardAt: at,
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
  const failures = (before.stable ? 0 : before.failures) + 1;
  const state: LadderState = {
    ...before,
    off,
    phase: 'waiting',
    stable: false,
    failures,
    lostAt: before.lostAt ?? at,
  };
  if (code === FEATURE_OFF || failures >= rules.tries) {
    const down = enter({ ...state, climbs: state.climbs + 1 }, below(state), 0, rules);
    // Polling asks at once by itself; the others ask here, so that the fall costs no truth.
    const ask: Effect[] = down.state.rung === 'poll' ? [] : [{ do: 'ask' }];
    return { state: down.state, effects: [...closing, ...ask, ...down.effects] };
  }
  const wait = backoffMs(failures, rules.backoff, rules.random);
  return {
    state,
    effects: [
      ...closing,
      { do: 'ask' },
      { do: 'set', timer: 'poll', ms: interval(state, rules) },
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
  const state = {
    ...before,
    heardAt: at,
    unanswered: 0,
    askedAt: null,
    waitingSince: null,
    quietUntil: null,
  };
  if (isLive(before)) return { state, effects: [] };
  const next: Effect = { do: 'set', timer: 'poll', ms: interval(state, rules) };
  if (before.rung !== 'poll') return { state, effects: [next] };
  // The server is back after silence: do not make it wait for the long timer of the climb.
  const soon: Effect[] =
    before.unanswered > 0 && before.probe === null && top(state) !== 'poll'
      ? [{ do: 'set', timer: 'climb', ms: backoffMs(1, rules.backoff, rules.random) }]
      : [];
  return { state: { ...state, phase: 'open', lostAt: null }, effects: [next, ...soon] };
}

function miss(before: LadderState, retryAfterMs: number | null, at: number, rules: Rules): Step {
  const waited = { askedAt: null, waitingSince: null };
  if (isLive(before)) return { state: { ...before, ...waited }, effects: [] };
  const unanswered = before.unanswered + 1;
  const quietMs = Math.min(retryAfterMs ?? 0, rules.climb.capMs);
  const wait = Math.max(backoffMs(unanswered, rules.backoff, rules.random), quietMs);
  const state: LadderState = {
    ...before,
    ...waited,
    unanswered,
    quietUntil: quietMs > 0 ? at + quietMs : null,
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
      return enter(before, before.rung, before.failures, rules);
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
function poll(before: LadderState, at: number, rules: Rules): Step {
  if (before.waitingSince !== null && at - before.waitingSince >= rules.answerMs) {
    return miss(before, null, at, rules);
  }
  const asks =
    before.askedAt === null ||
    at - before.askedAt >= Math.min(rules.againMs * Math.max(1, before.unanswered), MOST_AGAIN_MS);
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
  return hurry(state, rules);
}

function hurry(then: LadderState, rules: Rules): Step {
  if (isLive(then)) return { state: then, effects: [{ do: 'ask' }] };
  // The network may say that it is back before it is: what failed until now must not slow the next tries.
  const before = { ...then, unanswered: Math.min(then.unanswered, 1) };
  if (before.phase === 'waiting' && before.rung !== 'poll') {
    const step = enter(before, before.rung, before.failures, rules);
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
