"""Entries that came packed need not be packed again: what a follower received goes to its log as the same bytes."""


class Blobs:
    """The blobs of one turn, as long as they follow each other without a gap."""

    __slots__ = ("_blobs", "_first", "_last")

    def __init__(self) -> None:
        self._blobs: list[bytes] = []
        self._first = self._last = 0

    def keep(self, blob: bytes, first: int, last: int) -> None:
        """`blob` packs exactly the entries first .. last, or is empty where no blob does."""
        if not blob or not self._blobs or self._last != first - 1:
            self._blobs.clear()
            self._first = first
        if blob:
            self._blobs.append(blob)
            self._last = last

    def clear(self) -> None:
        self._blobs.clear()

    def take(self, first: int, last: int) -> bytes | None:
        """Exactly the entries first .. last as they came; None if they must be packed."""
        blobs, blob = self._blobs, None
        if blobs and self._first == first and self._last == last:
            blob = blobs[0] if len(blobs) == 1 else b"".join(blobs)
        blobs.clear()
        return blob
