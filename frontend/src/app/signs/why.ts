/** Why a workflow failed, in one short sentence, and what that usually means; pure. */
import type { Workflow, WorkflowError } from '../api/contracts';
import { duration } from '../shared/times';

const SIGNALS: Readonly<Record<string, string>> = {
  SIGKILL: 'signal 9',
  SIGSEGV: 'signal 11',
  SIGABRT: 'signal 6',
  SIGTERM: 'signal 15',
  SIGBUS: 'signal 7',
};

/** A few words for a row. */
export function shortWhy(error: WorkflowError, executor: string | null): string {
  switch (error.code) {
    case 'abrupt_exit':
      if (error.signal) return `Ended by ${signalName(error.signal)}`;
      return `Ended abruptly, exit code ${error.exit_code ?? 'unknown'}`;
    case 'exit_without_result':
      return 'Ended without a result';
    case 'heartbeat_timeout':
      return 'No heartbeat; given up';
    case 'executor_lost':
      return `Executor ${executor ?? ''} lost`.replace('  ', ' ');
    case 'deadline_exceeded':
      return 'Deadline exceeded';
    case 'queue_timeout':
      return 'No executor took it in time';
    case 'spawn_failed':
      return 'Could not be started';
    case 'shutdown':
      return 'Its executor was shut down';
    case 'invalid_inputs':
      return 'Inputs refused';
    case 'exception':
      return error.type ? `Raised ${error.type.split('.').at(-1)}` : 'Raised an exception';
    default:
      return firstLine(error.message);
  }
}

/** The sentence over the error card. */
export function headline(workflow: Workflow): string {
  const error = workflow.error;
  if (error === null) return 'Failed';
  const ran =
    workflow.started_at !== null && workflow.finished_at !== null
      ? ` after ${duration(Date.parse(workflow.finished_at) - Date.parse(workflow.started_at))}`
      : '';
  switch (error.code) {
    case 'abrupt_exit':
    case 'exit_without_result':
    case 'deadline_exceeded':
      return `${shortWhy(error, workflow.executor)}${ran}`;
    case 'executor_lost':
      return `${workflow.executor ?? 'The executor'} lost; the process cannot be vouched for`;
    default:
      return shortWhy(error, workflow.executor);
  }
}

/** What a reader can do with it; empty where the message says it all. */
export function advice(error: WorkflowError): string {
  switch (error.code) {
    case 'abrupt_exit':
      return error.signal === 'SIGKILL'
        ? 'The process was killed from outside, with no result and no exception. Signal 9 often means that the host ran out of memory.'
        : 'The process ended without a final message: no result and no exception.';
    case 'exit_without_result':
      return 'The process ended with exit code 0 but never sent its final message, so this is no success.';
    case 'heartbeat_timeout':
    case 'executor_lost':
      return 'Nobody could vouch for the process any more. Whatever it had done is not known.';
    case 'queue_timeout':
      return 'No executor that serves this definition had a free slot in time.';
    case 'shutdown':
      return 'Nothing was wrong with the work; a retry starts it anew.';
    default:
      return '';
  }
}

/** `signal 9 (SIGKILL)` for a card, `signal 9` in a row. */
export function signalName(signal: string): string {
  return SIGNALS[signal] ?? signal;
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}
