"""The keys in order: sorted lists of about a thousand keys each.

Puts to existing keys never come here; creation and deletion cost one bisection and a short memory move. `freeze` is
copy-on-write: it hands out the lists as they are, and the first change to a list afterwards is made to a copy of it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from itertools import chain, islice

CHUNK_KEYS_MAX = 1_024
"""A list is split in two beyond this. Longer ones cost memory moves, shorter ones a longer list of lists."""


class KeyIndex:
    """A sorted set of keys. Ranges are [start, end); an empty end is no upper bound."""

    def __init__(self) -> None:
        self._chunks: list[list[bytes]] = []
        self._lasts: list[bytes] = []
        """The last key of each list, for bisection."""
        self._shared = bytearray()
        """1 for each list that a frozen view may still read."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes) -> None:
        """Add a key that is not there."""
        at = bisect_left(self._lasts, key)
        self._count += 1
        if at == len(self._lasts):
            if at == 0 or len(self._chunks[-1]) >= CHUNK_KEYS_MAX:
                # Keys that arrive in order fill their lists to the end instead of leaving halves behind.
                self._insert_chunk(at, [key])
                return
            at -= 1
        chunk = self._owned(at)
        insort(chunk, key)
        self._lasts[at] = chunk[-1]
        if len(chunk) > CHUNK_KEYS_MAX:
            half = len(chunk) // 2
            self._insert_chunk(at + 1, chunk[half:])
            del chunk[half:]
            self._lasts[at] = chunk[-1]

    def remove(self, key: bytes) -> None:
        """Remove a key that is there."""
        at = bisect_left(self._lasts, key)
        chunk = self._owned(at)
        position = bisect_left(chunk, key)
        assert chunk[position] == key, key
        del chunk[position]
        self._count -= 1
        if chunk:
            self._lasts[at] = chunk[-1]
        else:
            del self._chunks[at], self._lasts[at], self._shared[at]

    def extend(self, keys: list[bytes]) -> None:
        """Append sorted keys, all above the last one: how a snapshot fills an empty index."""
        if not keys:
            return
        assert not self._lasts or self._lasts[-1] < keys[0], keys[0]
        for start in range(0, len(keys), CHUNK_KEYS_MAX):
            self._insert_chunk(len(self._chunks), keys[start : start + CHUNK_KEYS_MAX])
        self._count += len(keys)

    def ascending(self, start: bytes, end: bytes) -> Iterator[bytes]:
        """The keys of a range. The index must not change meanwhile."""
        first, offset, last, stop = self._bounds(start, end)
        if first == last:
            return iter(self._chunks[first][offset:stop] if offset < stop else ())
        tail: Iterable[bytes] = self._chunks[last][:stop] if stop else ()
        return chain(self._chunks[first][offset:], chain.from_iterable(islice(self._chunks, first + 1, last)), tail)

    def descending(self, start: bytes, end: bytes) -> Iterator[bytes]:
        """The same, the largest key first."""
        first, offset, last, stop = self._bounds(start, end)
        for at in range(min(last, len(self._chunks) - 1), first - 1, -1):
            chunk = self._chunks[at]
            yield from reversed(chunk[offset if at == first else 0 : stop if at == last else len(chunk)])

    def count(self, start: bytes, end: bytes) -> int:
        """How many keys a range has, without visiting them."""
        first, offset, last, stop = self._bounds(start, end)
        return sum(map(len, islice(self._chunks, first, last))) + stop - offset

    def freeze(self) -> list[list[bytes]]:
        """The lists as they are now; they never change. Costs one pointer per list."""
        self._shared = bytearray(b"\1") * len(self._chunks)
        return self._chunks.copy()

    def _bounds(self, start: bytes, end: bytes) -> tuple[int, int, int, int]:
        """Where a range begins and where it ends, each as (list, position in it); the same if it is empty or upside down."""
        first, offset = self._find(start)
        if not end:
            return first, offset, len(self._chunks), 0
        last, stop = self._find(end) if start < end else (first, offset)
        return first, offset, last, stop

    def _find(self, key: bytes) -> tuple[int, int]:
        """(list, position in it) of the first key that is not below `key`."""
        at = bisect_left(self._lasts, key)
        if at == len(self._lasts):
            return at, 0
        return at, bisect_left(self._chunks[at], key)

    def _owned(self, at: int) -> list[bytes]:
        """The list at `at`, a copy of it if a frozen view has it."""
        if self._shared[at]:
            self._chunks[at] = self._chunks[at].copy()
            self._shared[at] = 0
        return self._chunks[at]

    def _insert_chunk(self, at: int, chunk: list[bytes]) -> None:
        self._chunks.insert(at, chunk)
        self._lasts.insert(at, chunk[-1])
        self._shared.insert(at, 0)
