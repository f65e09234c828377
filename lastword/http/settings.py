"""Settings of the edge: `LASTWORD_HTTP__*`, `[http]` in `lastword.toml`."""

from typing import Annotated

from msgspec import Meta, Struct

from lastword.contracts.ids import Seconds

__all__ = ["HttpSettings"]

AtLeastOne = Annotated[int, Meta(ge=1)]


class HttpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the edge listens, and what it allows."""

    host: str = "127.0.0.1"
    """Address to bind. Anything but loopback refuses to start without `token`, or one of `lastword auth`."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8484
    """Port to bind; 0 takes a free one."""
    ws: bool = True
    """Whether WebSocket streams are offered."""
    sse: bool = True
    """Whether server-sent events are offered."""
    ping_s: Annotated[float, Meta(gt=0)] = 15.0
    """Between two pings on a silent stream; proxies cut at 30-60."""
    poll_s: Annotated[float, Meta(gt=0)] = 2.0
    """How often clients should poll where both live rungs are off."""
    stale_after_s: Seconds | None = None
    """Age of a beat from which a heartbeat is stale. Unset: three heartbeat intervals."""
    max_body_bytes: AtLeastOne = 131_072
    """Largest request body: 64 KiB of inputs, and room for the rest."""
    max_inputs_bytes: AtLeastOne = 65_536
    """Largest inputs, as compact JSON."""
    max_streams: AtLeastOne = 10_000
    """Open live streams in all."""
    max_streams_per_address: AtLeastOne = 4_000
    """Open live streams of one address; behind a proxy all clients share one."""
    max_ids_per_stream: AtLeastOne = 128
    """Workflows on one multiplexed stream by id."""
    max_frame_bytes: AtLeastOne = 65_536
    """Largest WebSocket message from a client."""
    stall_s: Annotated[float, Meta(gt=0)] = 10.0
    """How long a client may refuse to read before it is closed with 4100."""
    max_stream_age_s: Annotated[float, Meta(gt=0)] = 3_600.0
    """Age at which a stream is ended so that clients spread again; 20 % of jitter is taken off."""
    drain_s: Seconds = 0.3
    """How long open streams get for their last frame when the edge stops."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which the edge may be addressed besides loopback's; the guard against DNS rebinding."""
    allowed_origins: tuple[str, ...] = ()
    """Origins besides the edge's own that browsers may send."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    max_commands_per_s: Annotated[float, Meta(gt=0)] = 50.0
    """How fast one token may command (start, cancel...), with bursts of ten times that; 429 beyond."""
    session_s: Annotated[float, Meta(gt=0)] = 43_200.0
    """How long a browser stays signed in."""
    token: str | None = None
    """Operator's bearer token, to begin with; more are made by `lastword auth`. Never logged."""
    viewer_token: str | None = None
    """Bearer token of someone who may only look. Never logged."""
