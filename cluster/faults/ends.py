"""The two sides of a pipe, as a pipe sees them: where its frames come from, and where they go."""

from typing import Protocol


class Sink(Protocol):
    """The end to which a pipe writes."""

    @property
    def writable(self) -> bool:
        """It is connected, and takes more."""

    def want(self) -> None:
        """There is something to write: connect, if that has not been done; `resumed` is called when it is writable."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        """Write out what was written, then close."""

    def reset(self) -> None:
        """The other side sees the connection reset."""


class Source(Protocol):
    """The end from which a pipe's frames are read."""

    def hold(self, stop: bool) -> None:
        """Stop or go on reading."""

    def reset(self) -> None: ...

    def close(self) -> None: ...
