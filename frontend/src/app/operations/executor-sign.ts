/** What an executor's state looks like: the one mapping, as `signs/status-sign.ts` is for workflows. */
import type { IconName } from '../shared/icon';

export interface ExecutorSign {
  readonly label: string;
  readonly tone: string;
  readonly icon: IconName | null;
  readonly shape: 'cancelling' | 'doubt' | 'failed' | 'other' | null;
  readonly asks: boolean;
  /** Whether its beats arrive. */
  readonly beats: boolean;
}

/** The sign of an executor's state; one that a newer server knows is shown as it is. */
export function executorSign(state: string, lost: boolean): ExecutorSign {
  if (lost && state !== 'gone') {
    return {
      label: `Was ${state}`,
      tone: 'doubt',
      icon: null,
      shape: 'doubt',
      asks: true,
      beats: false,
    };
  }
  switch (state) {
    case 'serving':
      return {
        label: 'Beating',
        tone: 'success',
        icon: 'pulse',
        shape: null,
        asks: false,
        beats: true,
      };
    case 'draining':
      return {
        label: 'Draining',
        tone: 'cancelling',
        icon: null,
        shape: 'cancelling',
        asks: false,
        beats: true,
      };
    case 'silent':
      return {
        label: 'Silent',
        tone: 'doubt',
        icon: null,
        shape: 'doubt',
        asks: true,
        beats: false,
      };
    case 'gone':
      return {
        label: 'Gone',
        tone: 'cancelled',
        icon: 'offline',
        shape: null,
        asks: false,
        beats: false,
      };
    case 'lost':
      return {
        label: 'Lost',
        tone: 'failed',
        icon: null,
        shape: 'failed',
        asks: true,
        beats: false,
      };
    default:
      return {
        label: state,
        tone: 'pending',
        icon: null,
        shape: 'other',
        asks: false,
        beats: true,
      };
  }
}
