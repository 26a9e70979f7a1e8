"""What is replicated: a deterministic state machine."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from quorate.protocols.core.values import Entry


class StateMachine(Protocol):
    """Deterministic: no clock, no randomness, no I/O. An unexpected exception in `apply` stops the replica; it never skips.

    A user's mistake (malformed command, failed comparison) is a *result*, encoded in the bytes returned.
    """

    def apply(self, entry: Entry) -> bytes:
        """Carry out one committed command (Kind.COMMAND only) and give its result."""

    def query(self, query: bytes) -> bytes:
        """Answer from the state as it is; changes nothing."""

    def due(self, now_ms: int, term: int) -> Iterable[bytes]:
        """Commands whose time has come (lease expiry). Asked on the serving leader only, about every 100 ms; what it
        returns is proposed. Deadlines are this leader's own memory: they restart whenever `term` differs from the last call's."""

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        """Fix the state now, cheaply; the function encodes it later, in slices of at most about 2 ms each."""

    def restore(self, chunks: Iterable[bytes]) -> Iterator[None]:
        """Read what `freeze` wrote, stepwise (about 2 ms a step), built aside and swapped in at the end."""
