/** What the link says of itself, in the words of the top bar; pure, so that each state can be tested. */
import type { LadderState } from './ladder-state';

export interface LinkSign {
  readonly kind: 'live' | 'events' | 'polling' | 'offline' | 'opening' | 'ended';
  readonly tone: 'success' | 'doubt' | 'failed' | 'calm';
  readonly label: string;
  /** When the truth on the page is from, in ms; null where it is of now. */
  readonly asOf: number | null;
}

/** A link that is lost for less than this is not worth a word: most come back sooner. */
export const PATIENCE_MS = 1_500;

/**
 * The sign of a link at `now`, by this page's clock in ms.
 *
 * `pingMs` is the longest that a healthy link stays silent; a little more, and its last word is dated.
 */
export function linkSign(state: LadderState, now: number, pingMs: number): LinkSign {
  if (state.phase === 'ended') {
    return { kind: 'ended', tone: 'calm', label: 'Final', asOf: null };
  }
  const offline = state.phase !== 'open' && state.unanswered > 0;
  const lostFor = state.lostAt === null ? 0 : now - state.lostAt;
  if (offline && lostFor >= PATIENCE_MS) {
    const label = state.busy ? 'Unavailable' : 'Offline';
    return { kind: 'offline', tone: 'failed', label, asOf: state.heardAt };
  }
  if (state.phase === 'open' && state.rung === 'poll') {
    return { kind: 'polling', tone: 'doubt', label: 'Polling', asOf: null };
  }
  if (state.heardAt === null) {
    return { kind: 'opening', tone: 'calm', label: 'Connecting', asOf: null };
  }
  const kind = state.rung === 'ws' ? 'live' : state.rung === 'sse' ? 'events' : 'polling';
  const label = kind === 'live' ? 'Live' : kind === 'events' ? 'Events' : 'Polling';
  const overdue = state.phase === 'open' ? now - state.heardAt > pingMs * 1.4 : false;
  // Between two rungs the net of polling keeps the truth fresh; only a silent one is dated.
  const between = state.phase !== 'open' && now - state.heardAt > Math.max(PATIENCE_MS, 4_000);
  if (overdue || between) return { kind, tone: 'doubt', label, asOf: state.heardAt };
  return { kind, tone: kind === 'polling' ? 'doubt' : 'success', label, asOf: null };
}

/** Whether what the page shows may have changed without its knowing. */
export function inDoubt(sign: LinkSign): boolean {
  return sign.kind === 'offline' || sign.asOf !== null;
}

/** The moment that relative times count from: now, or the last truth where that is in doubt. */
export function truthTime(sign: LinkSign, now: number): number {
  return sign.asOf === null ? now : Math.min(now, sign.asOf);
}
