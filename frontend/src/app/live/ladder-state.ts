/** What the ladder knows, hears and decides: the words of `ladder.ts`. */
import type { Backoff } from './backoff';

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
  /** The server answered the last question by saying that it cannot: it is there, and not able. */
  readonly busy: boolean;
  /** When the next question is due after one that came to nothing; null otherwise. */
  readonly nextAt: number | null;
  /** Rungs that the server has turned off. */
  readonly off: readonly Rung[];
  /** When the server was last heard, by this page's clock, in ms. */
  readonly heardAt: number | null;
  /** How often a rung has begun to carry. */
  readonly openings: number;
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
  | {
      readonly type: 'unanswered';
      readonly retryAfterMs: number | null;
      readonly busy: boolean;
      readonly at: number;
    }
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

export const UNAUTHORISED = 4001;
export const FEATURE_OFF = 4003;
export const UNKNOWN = 4004;
export const OVERLOADED = 4100;
export const GOING_AWAY = 4200;

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
    busy: false,
    nextAt: null,
    off,
    heardAt: null,
    openings: 0,
    lostAt: null,
    hidden,
    refusal: null,
  };
}
