"""What the dashboards show.  `tools.grafana` makes Grafana's JSON of it.

Queries are about the recording rules of `deploy/prometheus/rules` where there is one: they count a series
once, through however many edges it is seen.  `OVER` is Grafana's own choice of a span for `rate`.
"""

from typing import Final

from tools.grafana import OVER, Dashboard, Panel, Row

__all__ = ["DASHBOARDS"]

ENDS: Final = '{status=~"success|failed|cancelled"}'
LATE: Final = 0.5  # seconds; the objective of docs/how-to/alerts.md
BUDGET: Final = 0.01  # of all ends


def _quantile(share: float, histogram: str, by: str, *, once: bool = True) -> str:
    """Return the query for a quantile; `once`: of series that every edge shows."""
    rate = f"rate({histogram}_bucket[{OVER}])"
    each = f"max without (instance) ({rate})" if once else rate
    return f"histogram_quantile({share}, sum by ({by}, le) ({each}))"


def _burn(window: str) -> tuple[str, str]:
    return f"lastword:truth_lag_late:ratio{window} / {BUDGET}", f"{{{{stage}}}}, {window}"


OVERVIEW: Final = Dashboard(
    "overview",
    "lastword: overview",
    "What people are told, and whether it is true.",
    Row(
        "Now",
        Panel.stat("Running", 'lastword:workflows:max{status="running"}', width=3),
        Panel.stat("Pending", 'lastword:workflows:max{status="pending"}', width=3),
        Panel.stat("Cancelling", 'lastword:workflows:max{status="cancelling"}', width=3),
        Panel.stat("Stale heartbeats", "lastword:stale_workflows:max", width=3, warn=1),
        Panel.stat(
            "Stuck running", "lastword:stuck_workflows:max", width=3, alarm=1, note="Must be 0, always."
        ),
        Panel.stat(
            "Alerts firing",
            'count(ALERTS{alertname=~"Lastword.*",alertstate="firing"}) or vector(0)',
            width=3,
            alarm=1,
        ),
        Panel.stat(
            "Ends told in time, 3 days",
            "1 - lastword:truth_lag_late:ratio3d",
            legend="{{stage}}",
            unit="percentunit",
            width=6,
            note="The objective: 99 % within 0.5 s a stage.",
        ),
    ),
    Row(
        "Running and ended",
        Panel.graph("Workflows that have not ended", ("lastword:workflows:max", "{{status}}"), stacked=True),
        Panel.graph(
            "Ends in ten minutes", (f"sum by (status) (lastword:transitions:increase10m{ENDS})", "{{status}}")
        ),
    ),
    Row(
        "Heartbeats and deaths",
        Panel.graph(
            "Without a heartbeat",
            ("lastword:stale_workflows:max", "stale"),
            ("lastword:stuck_workflows:max", "stuck"),
            width=8,
        ),
        Panel.graph(
            "Reported as lost, in ten minutes",
            ("lastword:heartbeat_timeouts:increase10m", "{{code}}"),
            width=8,
            note="`queue_timeout`: no executor took it in time.",
        ),
        Panel.graph(
            "Abrupt exits in ten minutes",
            ("lastword:abrupt_exits:increase10m", "{{how}}"),
            width=8,
            note="Every third run of a canary is one.",
        ),
    ),
    Row(
        "Truth lag",
        Panel.graph(
            "Lag, 99th percentile",
            ("lastword:truth_lag_seconds:p99_10m", "{{stage}}"),
            unit="s",
            width=8,
            limit=LATE,
            note="From the end of a process to the log (accepted), and on to the clients (told).",
        ),
        Panel.graph(
            "Burn rate of the budget",
            *(_burn(window) for window in ("5m", "1h", "6h", "3d")),
            width=8,
            limit=1,
            note="1 uses the month's budget up in a month; 14.4 in two days.",
        ),
        Panel.graph(
            "Canary: from the end to the frame, 99th percentile",
            (_quantile(0.99, "lastword_canary_lag_seconds", "ending"), "{{ending}}"),
            unit="s",
            width=8,
        ),
    ),
    Row(
        "Waiting, and seen from outside",
        Panel.graph("Jobs that wait", ("lastword:queued_jobs:max", "{{definition}}")),
        Panel.graph("Canary, in a quarter of an hour", ("lastword:canary_runs:increase15m", "{{outcome}}")),
    ),
)

ACTORS: Final = Dashboard(
    "actors",
    "lastword: actors",
    "Supervisors, executors and auditors.",
    Row(
        "Processes",
        Panel.graph("Processes", ("lastword:processes:count", "{{role}}"), width=8),
        Panel.graph(
            "By version",
            (
                "count by (role, version) (count by (role, version, process) (lastword_process_info))",
                "{{role}} {{version}}",
            ),
            width=8,
            note="Two of a role at once: a rollout is under way, or was forgotten.",
        ),
        Panel.graph(
            "Executors by definition", ("lastword:definition_executors:max", "{{definition}}"), width=8
        ),
    ),
    Row(
        "Executors",
        Panel.graph(
            "Slots in use",
            ("max by (process) (lastword_running_children)", "{{process}}"),
            ("sum(max by (process) (lastword_executor_slots))", "slots of all"),
        ),
        Panel.graph(
            "From a claim to a running process",
            (_quantile(0.5, "lastword_child_spawn_seconds", "job"), "half"),
            (_quantile(0.99, "lastword_child_spawn_seconds", "job"), "99 of 100"),
            unit="s",
        ),
    ),
    Row(
        "Supervisors",
        Panel.graph(
            "Statuses in ten minutes",
            ("lastword:transitions:increase10m > 0", "{{status}} by {{cause}}"),
            width=8,
        ),
        Panel.graph(
            "Commands",
            (
                f"sum by (verb, outcome) (max without (instance) (rate(lastword_commands_total[{OVER}])))",
                "{{verb}} {{outcome}}",
            ),
            unit="ops",
            width=8,
        ),
        Panel.graph(
            "Refused reports in ten minutes", ("lastword:refused_reports:increase10m", "{{reason}}"), width=8
        ),
    ),
    Row(
        "Database",
        Panel.graph(
            "Behind the log",
            ("lastword:projection_lag_seconds:min", "as readers see it"),
            ("max by (process) (lastword_projection_lag_seconds) > 0", "{{process}}"),
            unit="s",
            note="Statuses are made and told without it.",
        ),
        Panel.graph(
            "Records to write", ("max by (process) (lastword_projection_lag_records) > 0", "{{process}}")
        ),
    ),
)

EDGE: Final = Dashboard(
    "edge",
    "lastword: edge",
    "HTTP, and the live streams.",
    Row(
        "Streams",
        Panel.graph(
            "Open", ("sum by (instance, wire) (lastword_edge_streams)", "{{instance}} {{wire}}"), width=8
        ),
        Panel.graph(
            "Places taken",
            ("lastword:edge_places:ratio", "{{instance}}"),
            unit="percentunit",
            width=8,
            limit=0.8,
        ),
        Panel.graph(
            "Slow clients",
            (f"rate(lastword_edge_coalesced_total[{OVER}])", "{{instance}} caught up by a snapshot"),
            (f"rate(lastword_edge_evicted_total[{OVER}])", "{{instance}} closed"),
            unit="ops",
            width=8,
        ),
    ),
    Row(
        "Requests",
        Panel.graph(
            "Answered",
            (f"sum by (status) (rate(lastword_http_requests_total[{OVER}]))", "{{status}}"),
            unit="reqps",
        ),
        Panel.graph(
            "Time to answer, 99th percentile",
            (_quantile(0.99, "lastword_http_request_duration_seconds", "route", once=False), "{{route}}"),
            unit="s",
        ),
    ),
    Row(
        "The feed",
        Panel.graph("Current", ("lastword_edge_synced", "{{instance}}"), width=6),
        Panel.graph(
            "Behind the foremost edge",
            ("scalar(max(lastword_edge_position)) - lastword_edge_position", "{{instance}}"),
            width=6,
        ),
        Panel.graph(
            "From the log to the clients, 99th percentile",
            (_quantile(0.99, "lastword_truth_lag_seconds", "process, stage"), "{{process}} {{stage}}"),
            unit="s",
            width=6,
        ),
        Panel.graph(
            "Taken up again, in ten minutes",
            ("max without (instance) (increase(lastword_feed_reconnects_total[10m])) > 0", "{{process}}"),
            width=6,
        ),
    ),
)

NATS: Final = Dashboard(
    "nats",
    "lastword: NATS",
    "The streams of lastword, as supervisors ask the servers for them.",
    Row(
        "Streams",
        Panel.graph("Messages", ("max by (stream) (lastword_stream_messages)", "{{stream}}")),
        Panel.graph("Size", ("max by (stream) (lastword_stream_bytes)", "{{stream}}"), unit="bytes"),
    ),
    Row(
        "Replicas and links",
        Panel.graph(
            "Replicas that are offline or behind",
            ("max by (stream) (lastword_stream_lagging_replicas)", "{{stream}}"),
            limit=1,
        ),
        Panel.graph(
            "Records appended",
            (f"sum(max without (instance) (rate(lastword_transitions_total[{OVER}])))", "records"),
            unit="ops",
        ),
    ),
)

DASHBOARDS: Final = (OVERVIEW, ACTORS, EDGE, NATS)
