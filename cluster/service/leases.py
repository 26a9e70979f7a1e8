"""Leases: keys that vanish together unless their owner keeps saying that it is alive.

Two things are kept apart. `Leases` is replicated: which leases exist, their TTLs, their keys; it changes by log entries
only. `Deadlines` is the serving leader's own memory: when each lease will be overdue. It starts anew with every term, so a
change of leader only ever lengthens a lease: a TTL is a lower bound.

Order of a keep-alive, at the leader: `renew`, then a read barrier, then answer. The barrier proves that no other leader
had judged the lease when it was renewed; without it a leader that was stopped for a while would confirm a lease that its
successor has expired. Once an expiry is proposed nothing can take it back in this term: `renew` says PENDING until the
entry is applied, and NOT_FOUND from then on.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from heapq import heapify, heappop, heappush

from quorate.cluster.service.commands import encode, lease_expire

EXPIRIES_PER_CALL = 256
"""Expiries proposed at once: each deletes its keys, and the log has other work. The others follow 100 ms later."""

RETRY_MS = 2_000
"""A proposed expiry that has not been applied by then was refused or lost; it is proposed again."""

QUEUE_SLACK = 1_024
"""Leases that are gone stay queued until they would have been due; beyond this many more than exist, they are swept."""


class Lease:
    """One lease. `granted` is the index of the entry that made it: it tells a lease from a later one of the same id."""

    __slots__ = ("granted", "id", "keys", "ttl_ms")

    def __init__(self, id: int, ttl_ms: int, granted: int) -> None:
        self.id = id
        self.ttl_ms = ttl_ms
        self.granted = granted
        self.keys: set[bytes] = set()

    def __repr__(self) -> str:
        return f"<Lease {self.id} ttl={self.ttl_ms}ms keys={len(self.keys)}>"


class Leases:
    """The leases that exist, in the order of their grants."""

    def __init__(self) -> None:
        self._leases: dict[int, Lease] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def __iter__(self) -> Iterator[Lease]:
        return iter(self._leases.values())

    def __reversed__(self) -> Iterator[Lease]:
        return reversed(self._leases.values())

    def get(self, id: int) -> Lease | None:
        return self._leases.get(id)

    def add(self, lease: Lease) -> None:
        assert lease.id not in self._leases, lease
        self._leases[lease.id] = lease

    def remove(self, id: int) -> None:
        lease = self._leases.pop(id)
        assert not lease.keys, lease

    def attach(self, key: bytes, id: int) -> None:
        self._leases[id].keys.add(key)

    def detach(self, key: bytes, id: int) -> None:
        self._leases[id].keys.remove(key)


class Renewal(Enum):
    """What became of a keep-alive."""

    RENEWED = "renewed"
    """Its TTL runs anew. Answer after a read barrier."""
    PENDING = "pending"
    """Its expiry is proposed: ask again when more of the log is applied."""
    NOT_FOUND = "not found"
    """Expired, revoked, or never granted."""
    NOT_LEADING = "not leading"
    """A later term has begun here since: this node may not judge leases of that one."""


class Deadlines:
    """When leases are overdue, as the leader of one term sees it. Times are that leader's monotonic milliseconds."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._term = -1
        self._known: dict[int, tuple[int, int]] = {}
        """Lease id: (granted, deadline)."""
        self._queue: list[tuple[int, int, int]] = []
        """(deadline or earlier, lease id, granted), a heap. A renewal changes only `_known`; the queue learns when it looks."""
        self._proposed: set[int] = set()

    def renew(self, id: int, now_ms: int, term: int) -> Renewal:
        """Let a lease's TTL run anew. See the module for what must follow."""
        if term < self._term:
            return Renewal.NOT_LEADING
        self._observe(now_ms, term)
        lease = self._leases.get(id)
        if lease is None:
            return Renewal.NOT_FOUND
        if id in self._proposed:
            return Renewal.PENDING
        self._known[id] = (lease.granted, now_ms + lease.ttl_ms)
        return Renewal.RENEWED

    def remaining_ms(self, id: int, now_ms: int) -> int:
        """About how long a lease still lives unrenewed, for people; 0 if this node does not judge it."""
        lease, known = self._leases.get(id), self._known.get(id)
        if lease is None or known is None or known[0] != lease.granted:
            return 0
        return max(0, known[1] - now_ms)

    def overdue(self, now_ms: int, term: int) -> Iterable[bytes]:
        """The expiries to propose now."""
        if term < self._term:
            return []
        self._observe(now_ms, term)
        found: list[bytes] = []
        while self._queue and self._queue[0][0] <= now_ms and len(found) < EXPIRIES_PER_CALL:
            _, id, granted = heappop(self._queue)
            lease = self._leases.get(id)
            if lease is None or lease.granted != granted:
                self._forget(id, granted)
                continue
            deadline = self._known[id][1]
            if deadline > now_ms:
                heappush(self._queue, (deadline, id, granted))
                continue
            self._proposed.add(id)
            heappush(self._queue, (now_ms + RETRY_MS, id, granted))
            found.append(encode(lease_expire(id, granted, term)))
        return found

    def _observe(self, now_ms: int, term: int) -> None:
        """Start anew in a new term; take up the leases granted since the last look, which are the last ones."""
        if term != self._term:
            self._term = term
            self._proposed = set()
            self._known = {lease.id: (lease.granted, now_ms + lease.ttl_ms) for lease in self._leases}
            self._rebuild()
        for lease in reversed(self._leases):
            known = self._known.get(lease.id)
            if known is not None and known[0] == lease.granted:
                break
            self._proposed.discard(lease.id)
            self._known[lease.id] = (lease.granted, now_ms + lease.ttl_ms)
            heappush(self._queue, (now_ms + lease.ttl_ms, lease.id, lease.granted))
        if len(self._queue) > 2 * len(self._leases) + QUEUE_SLACK:
            self._known = {lease.id: self._known[lease.id] for lease in self._leases}
            self._proposed &= self._known.keys()
            self._rebuild()

    def _rebuild(self) -> None:
        self._queue = [(deadline, id, granted) for id, (granted, deadline) in self._known.items()]
        heapify(self._queue)

    def _forget(self, id: int, granted: int) -> None:
        """A lease is gone; what is known of a later one with its id stays."""
        if id in self._known and self._known[id][0] == granted:
            del self._known[id]
            self._proposed.discard(id)
