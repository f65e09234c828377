"""Who is shown what: the channels of each workflow, of each filter, and all of them."""

from collections.abc import Collection

from lastword.http.channels import Channel
from lastword.http.filters import Filter
from lastword.http.tails import LogTail

__all__ = ["Audience", "Watchers"]


class Watchers:
    """The channels that show one workflow."""

    __slots__ = ("many", "one", "tails")

    def __init__(self) -> None:
        self.one: set[Channel] = set()
        """Show this workflow and nothing else; they are closed after its end."""
        self.many: set[Channel] = set()
        """Show others as well."""
        self.tails: set[LogTail] = set()
        """Read its output."""

    def __bool__(self) -> bool:
        return bool(self.one or self.many or self.tails)


class Audience:
    """Every open stream, by what it shows.  `workflow_id in audience` tells whether anyone watches it."""

    def __init__(self) -> None:
        self.channels: set[Channel] = set()
        """All that are open, for pings and for the end."""
        self.groups: dict[Filter, set[Channel]] = {}
        """Those that go by a filter."""
        self._watchers: dict[str, Watchers] = {}
        self._left: dict[Channel, set[str]] = {}
        """Of channels that end with the last of their workflows: those that go on."""

    def __contains__(self, workflow_id: object) -> bool:
        return workflow_id in self._watchers

    def of(self, workflow_id: str) -> Watchers | None:
        """Return who watches a workflow; None where nobody does."""
        return self._watchers.get(workflow_id)

    def watch(self, workflow_id: str) -> Watchers:
        """Return who watches a workflow, to be added to at once."""
        watchers = self._watchers.get(workflow_id)
        if watchers is None:
            watchers = self._watchers[workflow_id] = Watchers()
        return watchers

    def unwatch(self, workflow_id: str, watcher: Channel | LogTail) -> None:
        """Show a workflow no longer to one that watches it."""
        watchers = self._watchers.get(workflow_id)
        if watchers is None:
            return
        if isinstance(watcher, LogTail):
            watchers.tails.discard(watcher)
        else:
            watchers.one.discard(watcher)
            watchers.many.discard(watcher)
        self.tidy(workflow_id)

    def tidy(self, workflow_id: str) -> None:
        """Forget a workflow that nobody watches."""
        if not self._watchers.get(workflow_id, True):
            del self._watchers[workflow_id]

    def select(self, wanted: Filter, channel: Channel) -> None:
        """Show every workflow that a filter shows."""
        self.groups.setdefault(wanted, set()).add(channel)
        self.channels.add(channel)

    def unselect(self, wanted: Filter, channel: Channel) -> None:
        """Stop a filter."""
        group = self.groups.get(wanted)
        if group is not None:
            group.discard(channel)
            if not group:
                del self.groups[wanted]

    def end_with(self, channel: Channel, workflow_ids: set[str]) -> None:
        """End a channel once all of these workflows have ended."""
        if workflow_ids:
            self._left[channel] = workflow_ids
        else:
            channel.finish(1000, "the workflows have ended")

    def ended(self, channel: Channel, workflow_ids: Collection[str]) -> None:
        """End a channel if these were the last that it waited for."""
        left = self._left.get(channel)
        if left is not None:
            left.difference_update(workflow_ids)
            if not left:
                channel.finish(1000, "the workflows have ended")

    def leave(self, channel: Channel) -> None:
        """Count a channel out."""
        self.channels.discard(channel)
        self._left.pop(channel, None)
        channel.forget()

    def wake_tails(self) -> None:
        """Let every reader of output look around."""
        for watchers in self._watchers.values():
            for tail in watchers.tails:
                tail.wake.set()
