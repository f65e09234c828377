// Generated from lastword/contracts by `python -m tools.generate_typescript`. Do not edit.

/** A workflow's heartbeat became stale, or fresh again; not with each beat. */
export interface Beat {
  readonly type: 'heartbeat';
  readonly id: string;
  readonly position: number;
  readonly heartbeat: 'fresh' | 'stale';
  readonly last_heartbeat_at: string | null;
  readonly workflow: Workflow;
}

/** A status was accepted. */
export interface Changed {
  readonly type: 'status';
  readonly previous: Status | null;
  readonly changed: readonly string[];
  readonly workflow: Workflow;
}

/** Flags and thresholds that clients go by. */
export interface ClientConfig {
  readonly version: string;
  readonly ws: boolean;
  readonly sse: boolean;
  readonly stale_after_s: number;
  readonly heartbeat_interval_s: number;
  readonly heartbeat_timeout_s: number;
  readonly ping_s: number;
  readonly poll_s: number;
  readonly epoch: string;
  readonly canned_answers?: boolean;
}

/** What can be started. */
export interface Definition {
  readonly name: string;
  readonly kind: string;
  readonly input_schema: Readonly<Record<string, unknown>>;
  readonly description?: string;
  readonly deadline_s?: number | null;
  readonly queue_timeout_s?: number | null;
  readonly source?: string;
  readonly error?: string | null;
  readonly announced_by?: string;
  readonly announced_at?: string | null;
}

/** Everything that can be started, and what is broken. */
export interface DefinitionPage {
  readonly items: readonly Definition[];
}

/** The workflow has ended and its terminal status was sent; once per workflow and connection. */
export interface End {
  readonly type: 'end';
  readonly id: string;
  readonly position: number;
}

/** Why a workflow failed, for people (`message`) and programs (`code`). */
export interface WorkflowError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly exit_code?: number | null;
  readonly signal?: string | null;
  readonly type?: string | null;
  readonly traceback?: string | null;
  readonly output?: string | null;
}

/** Why a workflow failed. Closed: a new cause is a new release of the contracts. */
export type ErrorCode =
  | 'abrupt_exit'
  | 'deadline_exceeded'
  | 'exception'
  | 'executor_lost'
  | 'exit_without_result'
  | 'heartbeat_timeout'
  | 'invalid_inputs'
  | 'queue_timeout'
  | 'shutdown'
  | 'spawn_failed';

/** The executors heard of lately. */
export interface ExecutorPage {
  readonly items: readonly ExecutorView[];
}

/** An executor, as its pulse shows it. */
export interface ExecutorView {
  readonly executor: string;
  readonly state: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly started_at: string | null;
  readonly last_beat_at: string | null;
  readonly slots: number;
  readonly running: readonly string[];
  readonly definitions: readonly string[];
}

/** What is wrong with one field of the input. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** The first frame of every stream, always. */
export interface Hello {
  readonly type: 'hello';
  readonly epoch: string;
  readonly position: number;
  readonly recovered: boolean;
  readonly ping_s: number;
}

/** All statuses of one workflow, oldest first. */
export interface History {
  readonly items: readonly Transition[];
}

/** How late the truth was told, in milliseconds, over the ends of some time. */
export interface Lag {
  readonly count: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly worst_ms: number;
}

/** One line that a workflow's process wrote, or one thing that lastword has to say about it. */
export interface LogLine {
  readonly at: string;
  readonly stream: string;
  readonly text: string;
}

/** Lines that a workflow's process wrote, oldest first. */
export interface LogPage {
  readonly items: readonly LogLine[];
  readonly next_cursor: string | null;
  readonly dropped?: number;
}

/** Lines that a workflow's process wrote; only on the streams of output. */
export interface Output {
  readonly type: 'output';
  readonly id: string;
  readonly cursor: string;
  readonly lines: readonly LogLine[];
  readonly dropped?: number;
}

/** The link lives, and the log has come this far. */
export interface Ping {
  readonly type: 'ping';
  readonly position: number;
}

/** Why a command or request was not carried out: RFC 9457, with a stable `code`. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail?: string;
  readonly type?: string;
  readonly instance?: string | null;
  readonly errors?: readonly FieldError[];
  readonly known?: readonly string[];
  readonly retry_after_s?: number | null;
  readonly workflow?: LogRecord | null;
  readonly position?: number | null;
}

/** How far a workflow got: task `done` of `total`. */
export interface Progress {
  readonly done?: number;
  readonly total?: number | null;
  readonly label?: string | null;
  readonly tasks?: readonly TaskProgress[];
}

/** A workflow got further. */
export interface Progressed {
  readonly type: 'progress';
  readonly id: string;
  readonly position: number;
  readonly revision: number;
  readonly progress: Progress;
  readonly usage: Usage | null;
  readonly waiting_for: string | null;
  readonly workflow: Workflow;
}

/** One line of the log: what `lastword.log.<id>` holds and `lastword.status.<id>` repeats. */
export interface LogRecord {
  readonly id: string;
  readonly status: Status;
  readonly at: string;
  readonly version: number;
  readonly definition: string;
  readonly previous: Status | null;
  readonly cause: string;
  readonly actor: string;
  readonly event: string;
  readonly created_at: string;
  readonly started_at?: string | null;
  readonly finished_at?: string | null;
  readonly executor?: string | null;
  readonly lease?: number | null;
  readonly error?: WorkflowError | null;
  readonly title?: string | null;
  readonly started_by?: string | null;
  readonly retry_of?: string | null;
  readonly deadline_s?: number | null;
  readonly queue_timeout_s?: number | null;
  readonly warnings?: readonly string[];
  readonly usage?: Usage | null;
  readonly progress?: Progress | null;
  readonly fingerprint?: string | null;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly result?: unknown;
  readonly result_ref?: ResultReference | null;
}

/** A message of the client's was not followed; the stream goes on. */
export interface Rejected {
  readonly type: 'problem';
  readonly code: string;
  readonly detail: string;
  readonly ids?: readonly string[];
}

/** Where a result lies that is too large for the record (over 256 KiB). */
export interface ResultReference {
  readonly name: string;
  readonly size: number;
  readonly digest: string;
}

/** Something was missed that cannot be made up: forget what you hold; snapshots follow. */
export interface Resync {
  readonly type: 'resync';
  readonly reason: string;
}

/** How a workflow stands: at the start, and in place of what a slow client missed. */
export interface Snapshot {
  readonly type: 'snapshot';
  readonly workflow: Workflow;
}

/** Body of `POST /workflows`. */
export interface StartRequest {
  readonly definition: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly title?: string | null;
  readonly started_by?: string | null;
}

/** How a workflow stands. */
export type Status =
  | 'cancelled'
  | 'cancelling'
  | 'failed'
  | 'pending'
  | 'running'
  | 'success';

/** Counts for dashboards. */
export interface Summary {
  readonly statuses: Readonly<Record<string, number>>;
  readonly stale: number;
  readonly position: number;
  readonly executors: number;
}

/** One task of a crew, or one method of a flow. */
export interface TaskProgress {
  readonly label: string;
  readonly started_at?: string | null;
  readonly finished_at?: string | null;
}

/** One status that a workflow has had. */
export interface Transition {
  readonly version: number;
  readonly position: number;
  readonly status: Status;
  readonly previous: Status | null;
  readonly at: string;
  readonly cause: string;
  readonly actor: string;
}

/** One piece of time. */
export interface TrendPoint {
  readonly at: string;
  readonly running: number;
  readonly started: number;
  readonly ended: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly vitals: Vitals | null;
}

/** How the system has done, over equal pieces of time without gaps; the last one is not over yet. */
export interface Trends {
  readonly step_s: number;
  readonly points: readonly TrendPoint[];
  readonly position: number;
  readonly watched_since: string;
  readonly lag: Lag | null;
}

/** Tokens that the language models reported. */
export interface Usage {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly total_tokens?: number;
  readonly calls?: number;
}

/** What no record keeps, and an edge saw: gone with it, and measured by it alone. */
export interface Vitals {
  readonly stale: number;
  readonly executors: number;
  readonly slots: number;
  readonly load: number;
  readonly lag: Lag | null;
}

/** A workflow, whole. */
export interface Workflow {
  readonly id: string;
  readonly definition: string;
  readonly status: Status;
  readonly isTerminal: boolean;
  readonly version: number;
  readonly position: number;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  readonly updated_at: string;
  readonly last_heartbeat_at: string | null;
  readonly heartbeat: 'fresh' | 'stale' | null;
  readonly error: WorkflowError | null;
  readonly progress: Progress | null;
  readonly waiting_for: string | null;
  readonly executor: string | null;
  readonly title: string | null;
  readonly started_by: string | null;
  readonly warnings: readonly string[];
  readonly usage: Usage | null;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly result: unknown;
  readonly result_ref: ResultReference | null;
  readonly retry_of: string | null;
  readonly previous: Status | null;
  readonly cause: string;
  readonly actor: string;
  readonly deadline_s: number | null;
  readonly queue_timeout_s: number | null;
}

/** Some workflows, and where the next begin. */
export interface WorkflowPage {
  readonly items: readonly Workflow[];
  readonly next_cursor: string | null;
  readonly position: number;
}

/** Whatever a live stream says. */
export type Frame = Hello | Snapshot | Changed | Progressed | Beat | Ping | Resync | End | Output | Rejected;

/** Every status, in the order of the table of moves. */
export const STATUSES = ['pending', 'running', 'cancelling', 'success', 'failed', 'cancelled'] as const satisfies readonly Status[];

/** The statuses that nothing follows. */
export const TERMINAL = ['success', 'failed', 'cancelled'] as const satisfies readonly Status[];

/** A move must raise the rank. */
export const RANK: Readonly<Record<Status, number>> = { pending: 0, running: 1, cancelling: 2, success: 3, failed: 3, cancelled: 3 };
