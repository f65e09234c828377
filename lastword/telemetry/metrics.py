"""Every metric, in one class over one registry.

Actors hold a `Metrics` and call its methods; no other code names a metric or a label.  The methods bound the
labels: a value that is not of the closed set counts as `other`, so that nothing a client sends can grow the
number of series.  Names begin with `lastword_` and end in their unit.

Counters of events that are told once (transitions, verdicts) are counted by the actor that caused them, so
they add up over processes: `sum`.  Gauges of the whole system (running, stale, queued) are set by every edge
or supervisor from the same log, so they agree: `max`.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lastword.contracts.moves import EVENTS, MOVES, Refusal
from lastword.contracts.records import Record
from lastword.contracts.statuses import RANK, ErrorCode, Status

__all__ = ["Kind", "Metrics", "Outcome", "Stage", "Verb", "Why"]

Stage = Literal["accepted", "told"]
Verb = Literal["start", "claim", "cancel", "reconcile", "retry"]
Outcome = Literal["accepted", "repeated", "refused", "unavailable"]
Kind = Literal["report", "record", "job", "pulse", "progress", "logline", "definition", "command", "metrics"]
Why = Literal["malformed", "misaddressed", "oversize", "excess", "dropped"]

OTHER: Final = "other"
VERBS: Final[tuple[Verb, ...]] = ("start", "claim", "cancel", "reconcile", "retry")
OUTCOMES: Final[tuple[Outcome, ...]] = ("accepted", "repeated", "refused", "unavailable")
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
WHYS: Final[tuple[Why, ...]] = get_args(Why)
STAGES: Final[tuple[Stage, ...]] = ("accepted", "told")
VERDICTS: Final = (ErrorCode.HEARTBEAT_TIMEOUT, ErrorCode.EXECUTOR_LOST, ErrorCode.QUEUE_TIMEOUT)
ENDS: Final = (
    "SIGKILL",
    "SIGSEGV",
    "SIGABRT",
    "SIGBUS",
    "SIGILL",
    "SIGFPE",
    "SIGTERM",
    "SIGINT",
    "exit_code",
)
"""How processes end abruptly, as seen in practice; any other signal counts as `other`."""

LAG_BUCKETS: Final = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 4, 8, 18, 60)
"""Seconds. A bare chain takes 3 ms; 18 s is the bound for a host that vanishes."""
SPAWN_BUCKETS: Final = (0.002, 0.004, 0.008, 0.016, 0.032, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8)
"""Seconds. A warm fork takes a few ms, a project's own interpreter 3 to 7 s."""


class Metrics:
    """All that lastword counts and measures, registered with `registry`.

    One instance serves all actors of a process.  Raises `ValueError` when the registry already has one.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry: Final = registry
        """Where the metrics live, for whoever shows them."""
        self._transitions = Counter(
            "lastword_transitions",
            "Statuses that workflows moved to, by what moved them. Counted by the supervisor that appended.",
            ("status", "cause"),
            registry=registry,
        )
        self._refusals = Counter(
            "lastword_refused_reports",
            "Reports that changed nothing, by reason. A few `terminal` are normal, when reports come late.",
            ("reason",),
            registry=registry,
        )
        self._turned_away = Counter(
            "lastword_refused_messages",
            "Messages that were not taken, by kind and reason. `malformed`: they do not read as their kind; "
            "`misaddressed`: subject and content name two; `oversize`: larger than any honest one; `excess`: "
            "more than is taken at once or remembered; `dropped`: their reader gave up on them.",
            ("kind", "reason"),
            registry=registry,
        )
        self._verdicts = Counter(
            "lastword_heartbeat_timeouts",
            "Workflows that an auditor reported as lost, by the verdict's code.",
            ("code",),
            registry=registry,
        )
        self._abrupt_exits = Counter(
            "lastword_abrupt_exits",
            "Processes of workflows that ended without a word, by signal, or `exit_code`.",
            ("how",),
            registry=registry,
        )
        self._workflows = Gauge(
            "lastword_workflows",
            "Workflows that have not ended, by status. Take the max over processes.",
            ("status",),
            registry=registry,
        )
        self._running = Gauge(
            "lastword_running_workflows",
            "Workflows that an executor holds: running and cancelling. Take the max over processes.",
            registry=registry,
        )
        self._stale = Gauge(
            "lastword_stale_workflows",
            "Of those, the ones whose heartbeat is stale. Take the max over processes.",
            registry=registry,
        )
        self._stuck = Gauge(
            "lastword_stuck_workflows",
            "Of those, the ones that should have got a verdict by now: nobody has vouched for them for "
            "longer than the timeout and all questions take. Anything but 0 is a fault. Take the max over "
            "processes.",
            registry=registry,
        )
        self._serving = Gauge(
            "lastword_definition_executors",
            "Executors that take work of a definition now. Take the max over processes.",
            ("definition",),
            registry=registry,
        )
        self._process = Gauge(
            "lastword_process_info",
            "1, for each process that tells its metrics: what it does and which version it is.",
            ("role", "version"),
            registry=registry,
        )
        self._truth_lag = Histogram(
            "lastword_truth_lag_seconds",
            "From the end of a process to `accepted` (its record is in the log, as its executor hears), "
            "and from there to `told` (handed to the clients, by each edge; between two hosts' clocks).",
            ("stage",),
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self._queued = Gauge(
            "lastword_queued_jobs",
            "Jobs that no executor has taken, by definition. Take the max over processes.",
            ("definition",),
            registry=registry,
        )
        self._projection_records = Gauge(
            "lastword_projection_lag_records",
            "Records in the log that the database does not show yet.",
            registry=registry,
        )
        self._projection_seconds = Gauge(
            "lastword_projection_lag_seconds",
            "Age of the oldest record that the database does not show yet, or for how long it cannot be "
            "written; 0 when it shows all. The least lag of all supervisors is what readers see.",
            registry=registry,
        )
        self._spawn = Histogram(
            "lastword_child_spawn_seconds",
            "From a claim's answer to the first message of the process.",
            buckets=SPAWN_BUCKETS,
            registry=registry,
        )
        self._children = Gauge(
            "lastword_running_children",
            "Processes of workflows that this executor runs now.",
            registry=registry,
        )
        self._slots = Gauge(
            "lastword_executor_slots",
            "How many workflows this executor runs at once, at most.",
            registry=registry,
        )
        self._commands = Counter(
            "lastword_commands",
            "Commands served, by verb and outcome. `repeated`: answered with what already stood.",
            ("verb", "outcome"),
            registry=registry,
        )
        self._reconnects = Counter(
            "lastword_feed_reconnects",
            "Times that the feed of accepted statuses had to be taken up again.",
            registry=registry,
        )
        self._stream_messages = Gauge(
            "lastword_stream_messages",
            "Messages that a stream of NATS holds, as a supervisor asked. Take the max over processes.",
            ("stream",),
            registry=registry,
        )
        self._stream_bytes = Gauge(
            "lastword_stream_bytes",
            "What they take on disk or in memory. Take the max over processes.",
            ("stream",),
            registry=registry,
        )
        self._stream_behind = Gauge(
            "lastword_stream_lagging_replicas",
            "Copies of a stream on other servers that are offline, or behind the leader. Take the max over "
            "processes.",
            ("stream",),
            registry=registry,
        )
        self._served: set[str] = set()
        self._start_at_zero()

    def transition(self, record: Record) -> None:
        """Count an accepted record."""
        self._transitions.labels(record.status.value, _known(record.cause, _CAUSES)).inc()

    def refused(self, reason: Refusal) -> None:
        """Count a report that changed nothing."""
        self._refusals.labels(reason.value).inc()

    def message_refused(self, kind: Kind, why: Why) -> None:
        """Count a message that was not taken."""
        self._turned_away.labels(kind, why).inc()

    def heartbeat_timeout(self, code: ErrorCode) -> None:
        """Count an auditor's verdict."""
        self._verdicts.labels(_known(code.value, VERDICTS)).inc()

    def abrupt_exit(self, signal: str | None) -> None:
        """Count a process that ended without a word, by the signal's name, or None where it exited."""
        self._abrupt_exits.labels("exit_code" if signal is None else _known(signal, ENDS)).inc()

    def process(self, role: str, version: str) -> None:
        """Say what this process is."""
        self._process.labels(role, version).set(1)

    def workflows(self, counts: Mapping[Status, int], *, stale: int, stuck: int) -> None:
        """Set how many workflows stand where; of those held, whose heartbeat is stale, and who is stuck."""
        for status in _LIVING:
            self._workflows.labels(status.value).set(counts.get(status, 0))
        self._running.set(counts.get(Status.RUNNING, 0) + counts.get(Status.CANCELLING, 0))
        self._stale.set(stale)
        self._stuck.set(stuck)

    def executors(self, serving: Mapping[str, int]) -> None:
        """Set how many executors take work, by definition; what nobody serves any more gets 0."""
        for definition in self._served - serving.keys():
            self._serving.labels(definition).set(0)
        for definition, executors in serving.items():
            self._serving.labels(definition).set(executors)
        self._served |= serving.keys()

    def truth_lag(self, stage: Stage, seconds: float) -> None:
        """Measure how late the truth was; a negative span, from two clocks, counts as 0."""
        self._truth_lag.labels(stage).observe(max(seconds, 0.0))

    def queued(self, definition: str, jobs: int) -> None:
        """Set how many jobs of a definition wait. Only for definitions that executors have announced."""
        self._queued.labels(definition).set(jobs)

    def stream(self, name: str, messages: int, stored: int, lagging: int) -> None:
        """Set what one of our streams holds, in messages and bytes, and how many replicas lag."""
        self._stream_messages.labels(name).set(messages)
        self._stream_bytes.labels(name).set(stored)
        self._stream_behind.labels(name).set(lagging)

    def projection_lag(self, measure: Callable[[], tuple[int, float]]) -> None:
        """Show how far the database is behind the log: `measure` tells records and seconds at each look.

        A lag that is noted when something is written is never noted while nothing can be.
        """
        self._projection_records.set_function(lambda: measure()[0])
        self._projection_seconds.set_function(lambda: max(measure()[1], 0.0))

    def child_spawned(self, seconds: float) -> None:
        """Measure how long the process of a workflow took to come up."""
        self._spawn.observe(max(seconds, 0.0))

    def running_children(self, running: int, slots: int) -> None:
        """Set how many processes an executor runs, of how many it may."""
        self._children.set(running)
        self._slots.set(slots)

    def command(self, verb: Verb, outcome: Outcome) -> None:
        """Count a command that was served."""
        self._commands.labels(verb, outcome).inc()

    def feed_reconnected(self) -> None:
        """Count that the feed was taken up again."""
        self._reconnects.inc()

    def _start_at_zero(self) -> None:
        """Make every series of a closed set visible, so that its first event is an increase."""
        for moves in MOVES.values():
            for event, status in moves.items():
                self._transitions.labels(status.value, str(event.__struct_config__.tag))
        for reason in Refusal:
            self._refusals.labels(reason.value)
        for kind, why in product(KINDS, WHYS):
            self._turned_away.labels(kind, why)
        for code in VERDICTS:
            self._verdicts.labels(code.value)
        for how in ENDS:
            self._abrupt_exits.labels(how)
        for status in _LIVING:
            self._workflows.labels(status.value)
        for stage in STAGES:
            self._truth_lag.labels(stage)
        for verb, outcome in product(VERBS, OUTCOMES):
            self._commands.labels(verb, outcome)


_LIVING: Final = tuple(status for status, rank in RANK.items() if rank < 3)
_CAUSES: Final = tuple(str(event.__struct_config__.tag) for event in EVENTS)


def _known(value: str, known: tuple[str, ...]) -> str:
    return value if value in known else OTHER
