"""Client sessions: a state machine around any other that applies every command once, however often it is proposed.

The rule: a command named (session, sequence) is applied when its first copy commits; every later copy gets the result
of the first, as long as the client may still ask. With each request the client sends its low-water mark: all sequences up
to it are answered, so their results are dropped. Many requests may be in flight and arrive in any order. A copy that comes
too late to tell (sequence at or below the mark, or session gone) is refused, never applied anew.
Ongaro's thesis, section 6.3, with a window of results in place of the last one.

A session is named by the index of the entry that opened it, and ends only by an entry: closed by its client, or expired by
the leader after `ttl_ms` without a command. An expiry names the session's last entry and does nothing if another came since.

Envelopes are `struct`, little endian: a kind byte, fixed fields, then the command. A result is a Status byte and a payload.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from enum import IntEnum
from struct import Struct

from quorate.protocols.core import Entry, StateMachine

SESSIONS_MAX = 10_000
"""Sessions in all; the snapshot carries them and the leader looks at each. One process needs one."""

RESULTS_MAX = 4_096
"""Results kept for one session: more than any client keeps in flight; a client that never raises its mark stops here."""

RESULT_BYTES_MAX = 64 * 1_048_576
"""Results kept for all sessions together, counted with RESULT_OVERHEAD each; refused before applying, so one may exceed it."""

RESULT_OVERHEAD = 100
"""About what a kept result costs beyond its bytes: so RESULT_BYTES_MAX also bounds their number."""

TTL_MS_MIN = 1_000
"""Below the leader's look at its sessions a TTL means nothing."""

TTL_MS_MAX = 24 * 3_600_000
"""A day: a client that was away longer starts anew."""

LOOK_MS = 1_000
"""The leader looks through all sessions this often; TTLs are long against it and are lower bounds."""

RETRY_MS = 5_000
"""A proposed expiry that has not taken effect by then was lost, or overtaken; judge again."""

STEP_BYTES = 65_536
"""One step of encoding or restoring sessions, well below 2 ms."""

PLAIN = 0
IN_SESSION = 1
OPEN = 2
TOUCH = 3
CLOSE = 4
EXPIRE = 5

NONCE_BYTES = 16
"""Random, chosen by the client: a repeated open finds the session of the first."""

_COMMAND = Struct("<BQQQ")
_COMMAND_SIZE = _COMMAND.size
_OPEN = Struct(f"<B{NONCE_BYTES}sI")
_NAMED = Struct("<BQ")
_EXPIRE = Struct("<BQQ")
_OPENED = Struct("<BQI")
_ROW = Struct(f"<Q{NONCE_BYTES}sIQQI")
_RESULT = Struct("<QI")
_COUNT = Struct("<I")


class Status(IntEnum):
    """The first byte of a result."""

    DONE = 0
    """Applied, now or before: the payload is the inner machine's result."""
    OPENED = 1
    """Decode with `opened`."""
    EXPIRED = 2
    """No such session: an earlier copy of the command may have been applied, this one was not."""
    STALE = 3
    """The sequence is at or below the low-water mark: its result was dropped because the client had it."""
    FULL = 4
    """Too many sessions, or too many results kept; not applied. For results: raise the low-water mark."""
    MALFORMED = 5
    """Not an envelope; nothing was applied."""


_DONE, _EXPIRED, _STALE, _FULL, _MALFORMED = (
    bytes((status,)) for status in (Status.DONE, Status.EXPIRED, Status.STALE, Status.FULL, Status.MALFORMED)
)


def plain(command: bytes) -> bytes:
    """A command outside any session: applied as often as it is committed."""
    return b"\0" + command


def in_session(session: int, sequence: int, low_water: int, command: bytes) -> bytes:
    """A command applied once. `sequence` counts from 1; every sequence up to `low_water` (below it) has been answered."""
    return _COMMAND.pack(IN_SESSION, session, sequence, low_water) + command


def open_session(nonce: bytes, ttl_ms: int) -> bytes:
    """Open a session; `nonce` is NONCE_BYTES of randomness, the same in every repetition. See `opened`."""
    assert len(nonce) == NONCE_BYTES, nonce
    return _OPEN.pack(OPEN, nonce, ttl_ms)


def touch(session: int) -> bytes:
    """Keep an idle session alive; every command in it does that too."""
    return _NAMED.pack(TOUCH, session)


def close(session: int) -> bytes:
    """End a session; no error if it has ended."""
    return _NAMED.pack(CLOSE, session)


def expire(session: int, last_index: int) -> bytes:
    """End a session if the entry `last_index` is still its last. Only StateMachine.due proposes it."""
    return _EXPIRE.pack(EXPIRE, session, last_index)


def opened(result: bytes) -> tuple[int, int]:
    """(session, ttl_ms as granted) of an OPENED result."""
    status, session, ttl_ms = _OPENED.unpack(result)
    assert status == Status.OPENED, status
    return session, ttl_ms


class Session:
    """What is kept for one client."""

    __slots__ = ("id", "last_index", "low_water", "nonce", "results", "ttl_ms")

    def __init__(self, id: int, nonce: bytes, ttl_ms: int) -> None:
        self.id = id
        self.nonce = nonce
        self.ttl_ms = ttl_ms
        self.low_water = 0
        self.last_index = id
        self.results: dict[int, bytes] = {}

    def __repr__(self) -> str:
        return f"<Session {self.id} low_water={self.low_water} results={len(self.results)} last_index={self.last_index}>"


class Sessions:
    """A StateMachine of envelopes around one of commands. Queries pass through as they are."""

    def __init__(self, inner: StateMachine) -> None:
        self.inner = inner
        self._apply = inner.apply
        self._sessions: dict[int, Session] = {}
        self._by_nonce: dict[bytes, int] = {}
        self._bytes = 0
        self._idleness = _Idleness()

    def __len__(self) -> int:
        return len(self._sessions)

    def apply(self, entry: Entry) -> bytes:
        data = entry.data
        kind = data[0] if data else -1
        if kind == IN_SESSION and len(data) >= _COMMAND_SIZE:
            _, id, sequence, low_water = _COMMAND.unpack_from(data)
            if low_water >= sequence:
                return _MALFORMED
            session = self._sessions.get(id)
            if session is None:
                return _EXPIRED
            session.last_index = entry.index
            if low_water > session.low_water:
                self._forget(session, low_water)
            elif sequence <= session.low_water:
                return _STALE
            results = session.results
            known = results.get(sequence)
            if known is not None:
                return known
            if len(results) >= RESULTS_MAX or self._bytes > RESULT_BYTES_MAX:
                return _FULL
            result = _DONE + self._apply(Entry(entry.index, entry.term, entry.origin, entry.kind, data[_COMMAND_SIZE:]))
            results[sequence] = result
            self._bytes += len(result) + RESULT_OVERHEAD
            return result
        if kind == PLAIN:
            return _DONE + self._apply(Entry(entry.index, entry.term, entry.origin, entry.kind, data[1:]))
        return self._govern(kind, entry.index, data)

    def query(self, query: bytes) -> bytes:
        return self.inner.query(query)

    def due(self, now_ms: int, term: int) -> Iterable[bytes]:
        yield from self._idleness.overdue(self._sessions, now_ms, term)
        for command in self.inner.due(now_ms, term):
            yield plain(command)

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        rows = [(_row(session), session.results.copy()) for session in self._sessions.values()]
        encode_inner = self.inner.freeze()

        def encode() -> Iterator[bytes]:
            yield from _encode(rows)
            yield from encode_inner()

        return encode

    def restore(self, chunks: Iterable[bytes]) -> Iterator[None]:
        stream = _Stream(chunks)
        sessions: dict[int, Session] = {}
        kept = yield from _decode(stream, sessions)
        by_nonce = {session.nonce: session.id for session in sessions.values()}
        yield from self.inner.restore(stream.rest())
        # The inner machine has just swapped, in this same step: from the outside both change at once.
        self._sessions, self._by_nonce, self._bytes = sessions, by_nonce, kept
        self._idleness = _Idleness()

    def _forget(self, session: Session, low_water: int) -> None:
        """Drop the results up to `low_water`: the client has them."""
        results = session.results
        mark, session.low_water = session.low_water, low_water
        # A mark that rises by a few is the common case; one that leaps must not cost a loop of its distance.
        passed = range(mark + 1, low_water + 1) if low_water - mark <= len(results) else [s for s in results if s <= low_water]
        for sequence in passed:
            result = results.pop(sequence, None)
            if result is not None:
                self._bytes -= len(result) + RESULT_OVERHEAD

    def _govern(self, kind: int, index: int, data: bytes) -> bytes:
        """The envelopes that carry no command."""
        if kind == OPEN and len(data) == _OPEN.size:
            _, nonce, ttl_ms = _OPEN.unpack(data)
            return self._open(index, nonce, max(TTL_MS_MIN, min(ttl_ms, TTL_MS_MAX)))
        if kind == TOUCH and len(data) == _NAMED.size:
            session = self._sessions.get(_NAMED.unpack(data)[1])
            if session is None:
                return _EXPIRED
            session.last_index = index
            return _DONE
        if kind == CLOSE and len(data) == _NAMED.size:
            self._end(_NAMED.unpack(data)[1])
            return _DONE
        if kind == EXPIRE and len(data) == _EXPIRE.size:
            _, id, last_index = _EXPIRE.unpack(data)
            session = self._sessions.get(id)
            if session is not None and session.last_index == last_index:
                self._end(id)
            return _DONE
        return _MALFORMED

    def _open(self, index: int, nonce: bytes, ttl_ms: int) -> bytes:
        id = self._by_nonce.get(nonce)
        if id is not None:
            session = self._sessions[id]
            session.last_index = index
            return _OPENED.pack(Status.OPENED, id, session.ttl_ms)
        if len(self._sessions) >= SESSIONS_MAX:
            return _FULL
        self._sessions[index] = Session(index, nonce, ttl_ms)
        self._by_nonce[nonce] = index
        return _OPENED.pack(Status.OPENED, index, ttl_ms)

    def _end(self, id: int) -> None:
        session = self._sessions.pop(id, None)
        if session is not None:
            del self._by_nonce[session.nonce]
            self._bytes -= sum(map(len, session.results.values())) + RESULT_OVERHEAD * len(session.results)


class _Idleness:
    """The serving leader's own memory of who has been silent since when. Never replicated: it restarts with each term."""

    def __init__(self) -> None:
        self._term = -1
        self._looked_ms = 0
        self._since: dict[int, tuple[int, int]] = {}
        """Session: (its last entry when we looked, when we first saw that)."""

    def overdue(self, sessions: dict[int, Session], now_ms: int, term: int) -> list[bytes]:
        if term != self._term:
            self._term, self._looked_ms, self._since = term, now_ms - LOOK_MS, {}
        if now_ms - self._looked_ms < LOOK_MS:
            return []
        self._looked_ms = now_ms
        before, self._since = self._since, {}
        found: list[bytes] = []
        for session in sessions.values():
            last_index, since_ms = before.get(session.id, (-1, now_ms))
            if last_index != session.last_index:
                since_ms = now_ms
            elif now_ms - since_ms >= session.ttl_ms:
                since_ms = now_ms - session.ttl_ms + RETRY_MS
                found.append(expire(session.id, session.last_index))
            self._since[session.id] = (session.last_index, since_ms)
        return found


def _row(session: Session) -> bytes:
    return _ROW.pack(session.id, session.nonce, session.ttl_ms, session.low_water, session.last_index, len(session.results))


def _encode(rows: list[tuple[bytes, dict[int, bytes]]]) -> Iterator[bytes]:
    parts = [_COUNT.pack(len(rows))]
    size = 0
    for part in _pieces(rows):
        parts.append(part)
        size += len(part)
        if size >= STEP_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)


def _pieces(rows: list[tuple[bytes, dict[int, bytes]]]) -> Iterator[bytes]:
    for row, results in rows:
        yield row
        for sequence in sorted(results):
            yield _RESULT.pack(sequence, len(results[sequence]))
            yield results[sequence]


def _decode(stream: "_Stream", sessions: dict[int, Session]) -> Generator[None, None, int]:
    """Fill `sessions`; gives the bytes of results they keep."""
    kept, step = 0, STEP_BYTES
    for _ in range(stream.count()):
        id, nonce, ttl_ms, low_water, last_index, count = _ROW.unpack(stream.take(_ROW.size))
        session = sessions[id] = Session(id, nonce, ttl_ms)
        session.low_water, session.last_index = low_water, last_index
        for _ in range(count):
            sequence, length = _RESULT.unpack(stream.take(_RESULT.size))
            session.results[sequence] = stream.take(length)
            kept += length + RESULT_OVERHEAD
            if stream.taken >= step:
                step = stream.taken + STEP_BYTES
                yield
        if stream.taken >= step:
            step = stream.taken + STEP_BYTES
            yield
    return kept


class _Stream:
    """Chunks of any size read as fields; what was not read goes on to the inner machine."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._buffer = b""
        self._position = 0
        self.taken = 0

    def take(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._buffer):
            self._fill(size)
            end = size
        taken = self._buffer[self._position : end]
        self._position = end
        self.taken += size
        return taken

    def count(self) -> int:
        value: int = _COUNT.unpack(self.take(_COUNT.size))[0]
        return value

    def rest(self) -> Iterator[bytes]:
        if self._position < len(self._buffer):
            yield self._buffer[self._position :]
        yield from self._chunks

    def _fill(self, size: int) -> None:
        parts = [self._buffer[self._position :]]
        have = len(parts[0])
        while have < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise ValueError(f"the snapshot ends within its sessions: {size} bytes wanted, {have} left")
            parts.append(chunk)
            have += len(chunk)
        self._buffer, self._position = b"".join(parts), 0
