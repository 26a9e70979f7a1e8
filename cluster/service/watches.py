"""Watches: every change of a range from a revision on, in order, each once.

The rule: never a silent gap. A watcher is a cursor into the store's history and holds no events of its own. One that keeps
up gets new changes as they are applied; one whose sink is full waits, however long, and reads on from history; if history
has moved on without it, it ends with Compacted. So a slow client costs nothing but its own watch.

No sockets and no clock: whoever applies calls `advance` after each slice, and again while it says that there is more to do.
A batch is the packed array [revision, events]: with it, everything up to `revision` has been delivered. An event is
[revision, key, record or nil, previous record or nil]; the events of one revision come in the same order from every node, so
a client that saw some of them resumes at that revision and skips as many. `results.decode_batch` reads it.
"""

from collections import deque
from typing import Protocol

from quorate.cluster.service.commands import prefix, single
from quorate.cluster.service.history import Event, event_size
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.service.limits import WATCH_BYTES_MAX, WATCH_EVENTS_MAX, WATCH_SCAN_MAX, WATCHERS_MAX
from quorate.cluster.service.reading import NOTHING, pairs
from quorate.cluster.service.results import LimitReached
from quorate.cluster.service.store import pack
from quorate.cluster.wire.errors import Compacted, QuorateError


class Sink(Protocol):
    """Where a watcher's batches go. It must not call back into the hub."""

    def deliver(self, batch: bytes) -> bool:
        """Take a batch. False: no more until `Watcher.resume`; this one is taken all the same."""

    def end(self, error: QuorateError) -> None:
        """The watch is over; nothing follows."""


class Watcher:
    """One watch. Made by WatchHub.watch."""

    __slots__ = ("_hub", "blocked", "cursor", "end", "sink", "skip", "start", "synced", "with_previous")

    def __init__(self, hub: "WatchHub", start: bytes, end: bytes, cursor: int, sink: Sink, with_previous: bool) -> None:
        self._hub = hub
        self.start = start
        self.end = end
        self.cursor = cursor
        """All changes up to this revision are delivered."""
        self.skip = 0
        """And so many of its range in the next revision that has any."""
        self.sink = sink
        self.with_previous = with_previous
        self.synced = False
        self.blocked = False

    def __repr__(self) -> str:
        state = "blocked" if self.blocked else "synced" if self.synced else "behind"
        return f"<Watcher {self.start!r}..{self.end!r} at {self.cursor}+{self.skip} {state}>"

    def resume(self) -> None:
        """The sink can take more. Call `advance` soon."""
        self._hub._resume(self)

    def progress(self) -> None:
        """Have a batch delivered, empty if need be, once the watcher has caught up. Call `advance` soon."""
        self._hub._ask(self)

    def cancel(self) -> None:
        """Deliver nothing more; `end` is not called."""
        self._hub._cancel(self)


class WatchHub:
    """All watchers of one machine on one node."""

    def __init__(self, machine: KeyValue) -> None:
        self._machine = machine
        self._seen = machine.revision
        """Synced watchers have had all changes up to here."""
        self._watchers: set[Watcher] = set()
        self._tables = _Tables()
        self._behind: deque[Watcher] = deque()
        """Those that can read on from history; a watcher is in here at most once."""
        self._asking: dict[Watcher, None] = {}

    def __len__(self) -> int:
        return len(self._watchers)

    def watch(self, start: bytes, end: bytes, from_revision: int, sink: Sink, *, previous: bool = False) -> Watcher:
        """Watch [start, end), or every key from `start` on if `end` is empty, from a revision on; 0 means from now, and one
        that does not exist yet is waited for. Compacted if that revision is no longer kept, LimitReached beyond WATCHERS_MAX."""
        machine = self._machine
        if len(self._watchers) >= WATCHERS_MAX:
            raise LimitReached(f"this node has {WATCHERS_MAX} watchers, the most there may be")
        if 0 < from_revision <= machine.history.compacted:
            raise _compacted(from_revision, machine.history.compacted)
        watcher = Watcher(self, start, end, from_revision - 1 if from_revision else machine.revision, sink, previous)
        self._watchers.add(watcher)
        self._behind.append(watcher)
        return watcher

    def advance(self) -> bool:
        """Deliver what there is, in a bounded step. True: there is more to do, call again in the next turn."""
        if not self._watchers:
            self._behind.clear()
            self._seen = self._machine.revision
            return False
        if self._machine.revision != self._seen:
            self._fan_out()
        self._catch_up()
        self._answer()
        return bool(self._behind)

    def _fan_out(self) -> None:
        """New changes to the synced watchers."""
        history, revision = self._machine.history, self._machine.revision
        seen, self._seen = self._seen, revision
        if revision < seen:
            self._give_up(revision)
        if revision < seen or seen < history.compacted:
            # The state was replaced by a snapshot, or more was applied at once than history keeps: each looks for itself.
            for watcher in self._tables.clear():
                watcher.cursor = max(watcher.cursor, seen)
                self._fall_behind(watcher)
            return
        batches: dict[Watcher, list[Event]] = {}
        for event in history.since(seen):
            for watcher in self._tables.matching(event[1]):
                if event[0] > watcher.cursor:
                    batches.setdefault(watcher, []).append(event)
        for watcher, events in batches.items():
            if not self._deliver(watcher, events, revision):
                self._tables.remove(watcher)
                self._fall_behind(watcher)

    def _give_up(self, revision: int) -> None:
        """The state was rolled back (log shipping does that): other changes will have the revisions that these were told of."""
        for watcher in [watcher for watcher in self._watchers if watcher.cursor > revision]:
            self._cancel(watcher)
            watcher.sink.end(_given_up(revision))

    def _catch_up(self) -> None:
        """Read history for those that are behind, WATCH_SCAN_MAX changes in all, each in its turn."""
        scanned = 0
        for _ in range(len(self._behind)):
            if scanned >= WATCH_SCAN_MAX:
                return
            watcher = self._behind.popleft()
            if watcher not in self._watchers or watcher.blocked:
                continue
            history = self._machine.history
            if watcher.cursor < history.compacted:
                self._cancel(watcher)
                watcher.sink.end(_compacted(watcher.cursor + 1, history.compacted))
                continue
            events, upto, cost = self._read(watcher)
            scanned += cost
            if not self._deliver(watcher, events, upto):
                self._fall_behind(watcher)
            elif watcher.cursor >= self._seen:
                watcher.synced = True
                self._tables.add(watcher)
            else:
                self._behind.append(watcher)

    def _read(self, watcher: Watcher) -> tuple[list[Event], int, int]:
        """(changes of its range not yet delivered, the revision up to which that is all, how many were looked at)."""
        start, end = watcher.start, watcher.end
        found: list[Event] = []
        cost, last = 0, watcher.cursor
        for event in self._machine.history.since(watcher.cursor):
            if event[0] != last and (cost >= WATCH_SCAN_MAX or len(found) >= WATCH_EVENTS_MAX):
                break
            last = event[0]
            cost += 1
            if start <= event[1] and (not end or event[1] < end):
                found.append(event)
        else:
            last = max(self._machine.revision, watcher.cursor)
        return found[watcher.skip :], last, cost

    def _deliver(self, watcher: Watcher, events: list[Event], upto: int) -> bool:
        """Batch by batch; False as soon as the sink is full before everything up to `upto` is delivered."""
        position = 0
        while position < len(events):
            stop = _batch_end(events, position)
            revision, skip = _cursor(watcher, events, position, stop, upto)
            watcher.blocked = not watcher.sink.deliver(_encoded(events[position:stop], revision, watcher.with_previous))
            watcher.cursor, watcher.skip = revision, skip
            position = stop
            if watcher.blocked:
                return False
        watcher.cursor, watcher.skip = max(upto, watcher.cursor), 0
        return True

    def _answer(self) -> None:
        """Progress for those that asked and have caught up."""
        for watcher in [watcher for watcher in self._asking if watcher.synced]:
            del self._asking[watcher]
            watcher.cursor = max(watcher.cursor, self._seen)
            if not watcher.sink.deliver(_encoded([], watcher.cursor, False)):
                watcher.blocked = True
                self._tables.remove(watcher)
                self._fall_behind(watcher)

    def _fall_behind(self, watcher: Watcher) -> None:
        watcher.synced = False
        if not watcher.blocked:
            self._behind.append(watcher)

    def _resume(self, watcher: Watcher) -> None:
        if watcher.blocked and watcher in self._watchers:
            watcher.blocked = False
            self._behind.append(watcher)

    def _ask(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            self._asking[watcher] = None

    def _cancel(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        self._asking.pop(watcher, None)
        if watcher.synced:
            self._tables.remove(watcher)
            watcher.synced = False


class _Tables:
    """Synced watchers by what they watch: single keys and prefixes are looked up, other ranges are gone through."""

    def __init__(self) -> None:
        self._prefixes: dict[int, dict[bytes, dict[Watcher, None]]] = {}
        """By length, then by prefix."""
        self._keys: dict[bytes, dict[Watcher, None]] = {}
        self._ranges: dict[Watcher, None] = {}

    def matching(self, key: bytes) -> list[Watcher]:
        found = list(self._keys.get(key, ()))
        for length, prefixes in self._prefixes.items():
            found += prefixes.get(key[:length], ())
        for watcher in self._ranges:
            if watcher.start <= key and (not watcher.end or key < watcher.end):
                found.append(watcher)
        return found

    def add(self, watcher: Watcher) -> None:
        self._place(watcher)[watcher] = None

    def remove(self, watcher: Watcher) -> None:
        place = self._place(watcher)
        del place[watcher]
        start = watcher.start
        if place or place is self._ranges:
            return
        if place is self._keys.get(start):
            del self._keys[start]
        else:
            del self._prefixes[len(start)][start]
            if not self._prefixes[len(start)]:
                del self._prefixes[len(start)]

    def clear(self) -> list[Watcher]:
        """Take all out."""
        exact = [watcher for place in self._keys.values() for watcher in place]
        prefixed = [watcher for prefixes in self._prefixes.values() for place in prefixes.values() for watcher in place]
        found = [*exact, *prefixed, *self._ranges]
        self._keys, self._prefixes, self._ranges = {}, {}, {}
        return found

    def _place(self, watcher: Watcher) -> dict[Watcher, None]:
        start, end = watcher.start, watcher.end
        if (start, end) == single(start):
            return self._keys.setdefault(start, {})
        if (start, end) == prefix(start):
            return self._prefixes.setdefault(len(start), {}).setdefault(start, {})
        return self._ranges


def _batch_end(events: list[Event], position: int) -> int:
    """Where a batch that begins at `position` ends: at a bound, after at least one."""
    size = 0
    last = min(len(events), position + WATCH_EVENTS_MAX)
    for at in range(position, last):
        size += event_size(events[at])
        if size > WATCH_BYTES_MAX and at > position:
            return at
    return last


def _cursor(watcher: Watcher, events: list[Event], position: int, stop: int, upto: int) -> tuple[int, int]:
    """(cursor, skip) once events[position:stop] are delivered, of which the rest follows."""
    if stop == len(events):
        return max(upto, watcher.cursor), 0
    revision = events[stop - 1][0]
    if events[stop][0] != revision:
        return revision, 0
    skip = sum(event[0] == revision for event in events[position:stop])
    # The batch before this one may have ended within the same revision.
    return revision - 1, skip + (watcher.skip if watcher.cursor == revision - 1 else 0)


def _encoded(events: list[Event], revision: int, with_previous: bool) -> bytes:
    parts: list[bytes] = []
    for at, key, record, previous in events:
        before = previous if with_previous else None
        parts.append(b"\x94" + pack(at) + pack(key) + (record or NOTHING) + (before or NOTHING))
    head: bytes = b"\x92" + pack(revision)
    return head + pairs(parts)


def _given_up(revision: int) -> Compacted:
    message = (
        f"this node gave up its history above revision {revision}: what this watch was told of it never happened; "
        "read the present state and watch from there"
    )
    return Compacted(message, revision=revision + 1)


def _compacted(wanted: int, compacted: int) -> Compacted:
    message = (
        f"changes of revision {wanted} are no longer kept, the oldest are of {compacted + 1}; read the present state and watch from there"
    )
    return Compacted(message, revision=compacted + 1)
