/**
 * The one mapping from a workflow to a label, a shape and a colour. Nothing else decides any of them.
 *
 * Ring is alive, solid is final, dashed is in doubt. Overlays (a stale heartbeat, a person who is asked,
 * warnings, a lost link) change the sign and never the status.
 */
import type { Workflow } from '../api/contracts';

export type Shape =
  | 'pending'
  | 'running'
  | 'cancelling'
  | 'success'
  | 'warned'
  | 'failed'
  | 'cancelled'
  | 'waiting'
  | 'doubt'
  | 'other';

/** A colour of the tokens: `--running`, with `--running-bg` as its tint. */
export type Tone =
  'pending' | 'running' | 'cancelling' | 'success' | 'failed' | 'cancelled' | 'doubt' | 'waiting';

export interface Sign {
  readonly shape: Shape;
  readonly tone: Tone;
  readonly label: string;
  /** What it means, in a sentence. */
  readonly meaning: string;
  /** Whether it asks for someone's eye; what does not stays without a background. */
  readonly asks: boolean;
}

/** What the sign depends on. */
export type Seen = Pick<Workflow, 'isTerminal' | 'heartbeat' | 'waiting_for'> & {
  readonly status: string;
  readonly warnings?: readonly string[];
};

const PLAIN: Readonly<Record<string, Sign>> = {
  pending: sign('pending', 'pending', 'Pending', 'Accepted; no executor has it yet.'),
  running: sign(
    'running',
    'running',
    'Running',
    'An executor holds it, and its process was heard from.',
  ),
  cancelling: sign(
    'cancelling',
    'cancelling',
    'Cancelling',
    'Cancel was asked; the end has not been seen.',
  ),
  success: sign('success', 'success', 'Success', 'The final message arrived.'),
  failed: sign('failed', 'failed', 'Failed', 'It ended badly; the error says how.', true),
  cancelled: sign('cancelled', 'cancelled', 'Cancelled', 'It ended because someone asked.'),
};

/** The sign of a status by itself, as filters show it. */
export function statusSign(status: string): Sign {
  return Object.hasOwn(PLAIN, status) ? (PLAIN[status] as Sign) : other(status);
}

/** The sign of a workflow; `lost` where the page itself does not know what became of it. */
export function signOf(workflow: Seen, lost = false): Sign {
  const plain = statusSign(workflow.status);
  if (workflow.isTerminal) {
    const count = workflow.warnings?.length ?? 0;
    if (workflow.status !== 'success' || count === 0) return plain;
    return {
      ...plain,
      shape: 'warned',
      label: count === 1 ? 'Success, 1 warning' : `Success, ${count} warnings`,
      meaning: 'It succeeded, with something to read.',
    };
  }
  const waits = workflow.status === 'running' && workflow.waiting_for !== null;
  if (lost) {
    const was = waits ? 'waiting' : plain.label.toLowerCase();
    return doubt(`Was ${was}`, 'The page cannot know: its link is lost.');
  }
  if (workflow.heartbeat === 'stale') {
    return doubt(`${plain.label}, in doubt`, `It was ${workflow.status}; nothing was heard since.`);
  }
  if (waits) {
    return sign(
      'waiting',
      'waiting',
      'Waiting for a person',
      'It runs, and a person is asked.',
      true,
    );
  }
  return plain;
}

function sign(shape: Shape, tone: Tone, label: string, meaning: string, asks = false): Sign {
  return { shape, tone, label, meaning, asks };
}

function doubt(label: string, meaning: string): Sign {
  return sign('doubt', 'doubt', label, meaning, true);
}

/** A status of a newer server: shown as it is, kept watched, claimed to mean nothing. */
function other(status: string): Sign {
  const label = status === '' ? 'Unknown' : status[0]?.toUpperCase() + status.slice(1);
  return sign(
    'other',
    'pending',
    label,
    'A status that this app does not know; a newer server has it.',
  );
}
