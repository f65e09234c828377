"""Who may say and hear what on NATS: one table, from which every server's configuration is generated.

Each actor has a NATS user of its own, and what is not granted here is refused by the server.  Three things
make the list shorter than it looks:

* Answers come to an inbox.  Each user's begin with a name of its own (`inbox`), so that nobody hears the
  answers to another; who may answer whom stands in the table.
* Whoever may create a consumer of a stream, or take a snapshot of it, may have its messages delivered under
  any subject, since the server checks no permission for that.  So executors, which run other people's code,
  create none: a supervisor makes the queues from which they take jobs.  Viewers and operators create none
  either.
* Executors share one user.  An executor's name is new in each process, and the server's permissions know
  whole tokens only, so a pulse under another executor's name cannot be refused; its leases are asked after
  before anything is concluded from it.

The table goes by subject, as the documentation does; `grant` turns it round.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from lastword.contracts import subjects

__all__ = [
    "STREAMS",
    "TALK",
    "WHOAMI",
    "Grant",
    "Stream",
    "Talk",
    "User",
    "allows",
    "grant",
    "inbox",
    "is_inbox",
    "matches",
]


class User(StrEnum):
    """A user of the NATS server."""

    SUPERVISOR = "supervisor"
    """Writes the log; also what prepares streams and rebuilds the database."""
    EXECUTOR = "executor"
    """Runs workflows and reports what became of them."""
    AUDITOR = "auditor"
    """Finds out which processes live."""
    EDGE = "edge"
    """Speaks HTTP with clients."""
    VIEWER = "viewer"
    """A person or program that listens, and may say nothing."""
    OPERATOR = "operator"
    """A person or program that listens, looks into streams, and commands."""
    BACKUP = "backup"
    """Takes snapshots of the streams: reads everything and changes nothing."""
    RESTORE = "restore"
    """Puts the streams back where there are none. Needed on one bad day, and best locked away till then."""
    SYSTEM = "system"
    """Hears the server's own events; a user of the system account."""


class Talk(NamedTuple):
    """Who may speak and who may listen on a subject."""

    says: tuple[User, ...] = ()
    hears: tuple[User, ...] = ()


class Stream(NamedTuple):
    """Who may do what with a stream."""

    follows: tuple[User, ...] = ()
    """Has its messages pushed, in order, by consumers of its own making."""
    consumes: tuple[User, ...] = ()
    """Makes durable consumers and takes from them."""
    takes: tuple[User, ...] = ()
    """Takes from consumers that another has made."""
    looks: tuple[User, ...] = ()
    """Reads single messages, and how much there is."""
    saves: tuple[User, ...] = ()
    """Takes snapshots of it, whole."""
    restores: tuple[User, ...] = ()
    """Puts it back from a snapshot, where there is none of that name."""


class Grant(NamedTuple):
    """What one user may publish and subscribe to; everything else is refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


_S, _X, _A, _E = User.SUPERVISOR, User.EXECUTOR, User.AUDITOR, User.EDGE
_V, _O = User.VIEWER, User.OPERATOR
_B, _R = User.BACKUP, User.RESTORE
_PEOPLE: Final = (_V, _O)
_ACTORS: Final = (_S, _X, _A, _E)


WHOAMI: Final = "$SYS.REQ.USER.INFO"
"""Where the server tells a connection who it is, and what it may do."""


def inbox(user: User) -> str:
    """Return what the subjects begin with on which a user hears answers."""
    return f"_INBOX_{user}"


def is_inbox(subject: str) -> bool:
    """Tell whether a request may be answered there.

    A request names the subject of its answer, and the server lets it name any.  Whoever answers with more
    rights than the caller has would otherwise write where the caller may not, the log included.
    """
    return subject.startswith("_INBOX")


TALK: Final[Mapping[str, Talk]] = {
    subjects.log(): Talk(says=(_S,)),
    subjects.status(): Talk(hears=(_X,)),
    "lastword.status.>": Talk(hears=_PEOPLE),  # the pattern that people type
    subjects.report(): Talk(says=(_X, _A)),
    subjects.job(): Talk(says=(_S, _R)),
    subjects.pulse(): Talk(says=(_X,)),
    "lastword.pulse.>": Talk(hears=_PEOPLE),
    subjects.progress(): Talk(says=(_X,)),
    "lastword.progress.>": Talk(hears=_PEOPLE),
    subjects.logline(): Talk(says=(_X,)),
    subjects.refused(): Talk(says=(_S,)),
    subjects.definition(): Talk(says=(_X,)),
    subjects.metrics(): Talk(says=_ACTORS, hears=(_E,)),
    subjects.command("start"): Talk(says=(_E, _O), hears=(_S,)),
    subjects.command("claim"): Talk(says=(_X,), hears=(_S,)),
    subjects.command("cancel"): Talk(says=(_E, _O), hears=(_S,)),
    subjects.command("reconcile"): Talk(says=(_E, _O), hears=(_A,)),
    subjects.executor(): Talk(says=(_A,), hears=(_X,)),
    # Who serves the commands, as `nats micro` asks it.
    "$SRV.>": Talk(says=(_O,), hears=(_S, _A)),
    # Answers.
    f"{inbox(_S)}.>": Talk(hears=(_S,)),
    f"{inbox(_X)}.>": Talk(says=(_S,), hears=(_X,)),
    f"{inbox(_A)}.>": Talk(says=(_X,), hears=(_A,)),
    f"{inbox(_E)}.>": Talk(says=(_S, _A), hears=(_E,)),
    f"{inbox(_O)}.>": Talk(says=(_S, _A), hears=(_O,)),
    f"{inbox(_B)}.>": Talk(hears=(_B,)),
    f"{inbox(_R)}.>": Talk(hears=(_R,)),
    f"{inbox(User.SYSTEM)}.>": Talk(hears=(User.SYSTEM,)),
    "_INBOX.>": Talk(says=(_S, _X, _A)),  # an administrator's, who needs no grant to hear them
    # Large results: an object store's pieces, and what describes them.
    f"$O.{subjects.RESULT_BUCKET}.C.*": Talk(says=(_X,)),
    f"$O.{subjects.RESULT_BUCKET}.M.*": Talk(says=(_X,)),
    "$JS.API.STREAM.NAMES": Talk(says=(_E, _O)),  # by which a client finds an object store's stream
    # What there is, and how much of it waits: `nats stream ls`, `nats consumer ls`.
    "$JS.API.INFO": Talk(says=(_O,)),
    "$JS.API.STREAM.LIST": Talk(says=(_O,)),
    "$JS.API.CONSUMER.NAMES.*": Talk(says=(_O,)),
    "$JS.API.CONSUMER.LIST.*": Talk(says=(_O,)),
    "$JS.API.CONSUMER.INFO.*.*": Talk(says=(_O,)),
    WHOAMI: Talk(says=(*_ACTORS, _O)),
    # The server's own events, and how it is, in the system account.
    subjects.HEALTH: Talk(says=(User.SYSTEM,)),
    subjects.DISCONNECTS: Talk(hears=(User.SYSTEM,)),
}
"""Every subject on which anyone may speak or listen, JetStream's own (`STREAMS`) aside."""

STREAMS: Final[Mapping[str, Stream]] = {
    subjects.LOG_STREAM: Stream(
        follows=(_S, _A, _E), consumes=(_S,), looks=(_S, _X, _A, _E, _O, _B, _R), saves=(_B,), restores=(_R,)
    ),
    subjects.REPORT_STREAM: Stream(consumes=(_S,), looks=(_S, _O), saves=(_B,), restores=(_R,)),
    subjects.JOB_STREAM: Stream(consumes=(_S,), takes=(_X,), looks=(_S, _O)),
    subjects.PULSE_STREAM: Stream(follows=(_S, _A, _E), looks=(_O,)),
    subjects.PROGRESS_STREAM: Stream(follows=(_E,), looks=(_O,)),
    subjects.LOGLINE_STREAM: Stream(follows=(_E,), looks=(_E, _O), saves=(_B,), restores=(_R,)),
    subjects.REFUSED_STREAM: Stream(looks=(_O,), saves=(_B,), restores=(_R,)),
    subjects.DEFINITION_STREAM: Stream(follows=(_S, _E), looks=(_O,), saves=(_B,), restores=(_R,)),
    subjects.RESULT_OBJECTS: Stream(follows=(_E,), looks=(_X, _E, _O), saves=(_B,), restores=(_R,)),
}
"""Every stream. Supervisors make and change them all, as does who restores; nobody may purge or delete."""


def grant(user: User) -> Grant:
    """Return all that a user may do."""
    publish = [subject for subject, talk in TALK.items() if user in talk.says]
    subscribe = [subject for subject, talk in TALK.items() if user in talk.hears]
    for name, stream in STREAMS.items():
        api: list[str] = []
        if user in {_S, _R}:
            api += [f"STREAM.INFO.{name}", f"STREAM.CREATE.{name}", f"STREAM.UPDATE.{name}"]
        if user in stream.looks:
            api += [f"STREAM.INFO.{name}", f"STREAM.MSG.GET.{name}"]
            api += [f"DIRECT.GET.{name}", f"DIRECT.GET.{name}.>"]
        if user in stream.follows:
            api += [f"STREAM.INFO.{name}", f"CONSUMER.CREATE.{name}", f"CONSUMER.CREATE.{name}.>"]
            api.append(f"CONSUMER.DELETE.{name}.*")
            publish.append(f"$JS.FC.{name}.>")
        if user in stream.saves:
            api += [f"STREAM.INFO.{name}", f"STREAM.SNAPSHOT.{name}"]
            publish.append(f"$JS.SNAPSHOT.ACK.{name}.>")
        if user in stream.restores:
            api.append(f"STREAM.RESTORE.{name}")
            publish.append(f"$JS.SNAPSHOT.RESTORE.{name}.>")
        if user in stream.consumes:
            api.append(f"CONSUMER.CREATE.{name}.>")
        if user in stream.consumes or user in stream.takes:
            api += [f"CONSUMER.INFO.{name}.*", f"CONSUMER.MSG.NEXT.{name}.*"]
            publish.append(f"$JS.ACK.{name}.>")
        publish += [f"$JS.API.{verb}" for verb in api]
    return Grant(tuple(dict.fromkeys(publish)), tuple(dict.fromkeys(subscribe)))


def allows(patterns: tuple[str, ...], subject: str) -> bool:
    """Tell whether any of the patterns covers a subject, or a narrower pattern."""
    return any(matches(pattern, subject) for pattern in patterns)


def matches(pattern: str, subject: str) -> bool:
    """Tell whether a pattern of NATS covers a subject, or a narrower pattern.

    >>> matches("lastword.log.*", "lastword.log.w-1"), matches("lastword.log.*", "lastword.log.>")
    (True, False)
    """
    wanted, given = pattern.split("."), subject.split(".")
    for index, part in enumerate(wanted):
        if part == ">":
            return len(given) > index
        if index >= len(given) or given[index] == ">":
            return False
        if part not in {"*", given[index]}:
            return False
    return len(wanted) == len(given)
