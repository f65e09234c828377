/**
 * Which of two views of one workflow is later: the pure reducer behind every transport.
 *
 * The position decides. Views of the same position differ only in their overlays (heartbeat, progress),
 * which come without an order of their own across transports; there the further progress and the later
 * beat win, so that an answer that was overtaken on its way moves nothing back.
 */
import type { Progress, Workflow } from '../api/contracts';

/** The later of the two, field by field where they are of one position. Identity is kept if nothing changed. */
export function later(known: Workflow | null, heard: Workflow): Workflow {
  if (known === null || known.id !== heard.id) return heard;
  if (heard.position < known.position) return known;
  if (heard.position > known.position) {
    // The server never follows an end with anything; should a message say so, it is not believed.
    return known.isTerminal && !heard.isTerminal ? known : heard;
  }
  if (known.isTerminal && !heard.isTerminal) return known;
  const beat = isBefore(heard.last_heartbeat_at, known.last_heartbeat_at) ? known : heard;
  // An edge that has just begun knows no beat yet, and still tells how fresh the process is.
  const beatAt = beat.last_heartbeat_at ?? known.last_heartbeat_at;
  const lead = furthest(known.progress, heard.progress) === 'known' ? known : heard;
  const merged: Workflow = {
    ...heard,
    last_heartbeat_at: beatAt,
    heartbeat: beat.heartbeat,
    progress: lead.progress,
    usage: lead.usage,
    waiting_for: lead.waiting_for,
  };
  return same(known, merged) ? known : merged;
}

/** Whether what the server says of a workflow will ever change. */
export function hasEnded(workflow: Workflow | null): boolean {
  return workflow?.isTerminal === true;
}

function furthest(known: Progress | null, heard: Progress | null): 'known' | 'heard' {
  if (known === null || heard === null) return known === null ? 'heard' : 'known';
  const left = [known.done ?? 0, known.tasks?.length ?? 0] as const;
  const right = [heard.done ?? 0, heard.tasks?.length ?? 0] as const;
  return right[0] < left[0] || (right[0] === left[0] && right[1] < left[1]) ? 'known' : 'heard';
}

function isBefore(one: string | null, other: string | null): boolean {
  return one !== null && other !== null && Date.parse(one) < Date.parse(other);
}

function same(one: Workflow, other: Workflow): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
