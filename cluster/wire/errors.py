"""Everything that can go wrong, with one flag that decides about retries.

    QuorateError
    ├── definite: nothing happened, and nothing will
    │   ├── NotLeader            ask details.leader instead
    │   ├── Superseded           another leader's entry took the place
    │   ├── Overloaded           try again later, after a pause
    │   ├── TooLarge             the request is over a limit
    │   ├── Compacted            that revision is no longer kept
    │   ├── LeaseNotFound        expired, revoked, or never granted
    │   ├── BadRequest           malformed or impossible; do not repeat it
    │   ├── Unavailable          no leader, or no node answered; nothing was sent
    │   └── ChangeRefused        a membership change or hand-over that cannot be made now
    └── not definite
        ├── Uncertain            it may have happened, or may still happen
        └── SessionExpired       what was in flight under the session may have happened

On the wire an error is [code, message, details]; `to_wire` and `from_wire` are the only places that know.
"""

from collections.abc import Mapping
from typing import ClassVar

Detail = str | int | bytes | bool | None
REGISTRY: dict[str, type["QuorateError"]] = {}


class QuorateError(Exception):
    """Base of all errors that callers meet. `definite`: nothing happened and nothing will."""

    code: ClassVar[str] = "error"
    definite: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        cls.code = cls.__name__
        REGISTRY[cls.code] = cls

    def __init__(self, message: str = "", /, **details: Detail) -> None:
        super().__init__(message or (type(self).__doc__ or type(self).__name__))
        self.details: Mapping[str, Detail] = details

    @property
    def message(self) -> str:
        return str(self)


class NotLeader(QuorateError):
    """This node does not lead; ask the leader instead. Nothing was written."""

    @property
    def leader(self) -> str | None:
        """The leader's name, where this node knows it."""
        value = self.details.get("leader")
        return value if isinstance(value, str) else None

    @property
    def address(self) -> str | None:
        """The leader's client address "host:port", where this node knows it."""
        value = self.details.get("address")
        return value if isinstance(value, str) and value else None


class Superseded(QuorateError):
    """A new leader's entry took the place of this one. Nothing was written."""


class Overloaded(QuorateError):
    """The node has more work than it accepts; try again after a pause. Nothing was written."""


class TooLarge(QuorateError):
    """The request is over a size limit. Nothing was written."""


class Compacted(QuorateError):
    """That revision is no longer kept; read the present state and go on from its revision."""

    @property
    def revision(self) -> int:
        """The oldest revision that is still kept."""
        value = self.details.get("revision")
        return value if isinstance(value, int) else 0


class LeaseNotFound(QuorateError):
    """The lease has expired, was revoked, or was never granted."""


class BadRequest(QuorateError):
    """The request is malformed or impossible; repeating it will not help."""


class Unavailable(QuorateError):
    """No node that could answer was reached, or there is no leader. Nothing was written."""


class ChangeRefused(QuorateError):
    """The membership change or hand-over cannot be made now. Nothing was changed."""


class Uncertain(QuorateError):
    """The outcome is not known: it may have happened, or may still happen."""

    definite = False


class SessionExpired(QuorateError):
    """The session is no longer known; what was in flight under it may have happened."""

    definite = False


class ProtocolError(QuorateError):
    """The peer sent something that is not this protocol; the connection is closed."""


def to_wire(error: QuorateError) -> list[object]:
    return [error.code, error.message, dict(error.details)]


def from_wire(body: object) -> QuorateError:
    """The error that a reply carries; an unknown code or shape becomes an indefinite Uncertain that quotes it."""
    match body:
        case [str(code), str(message), dict(details)] if code in REGISTRY:
            return REGISTRY[code](message, **{str(key): value for key, value in details.items()})
        case _:
            return Uncertain(f"the node answered with an error this client does not know: {body!r}")
