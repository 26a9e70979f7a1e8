"""What the exit code says, and how an error is put to a person: what happened, and what to do next.

  0  done; the answer is yes
  1  done; the answer is no: no such key, the swap was not made, the transaction took its else branch
  2  the command cannot be understood, or asks for the impossible
  3  nothing was done: no node answered in time, or there is no leader
  4  uncertain: it may have happened, or may still happen, or half of it has
  5  refused, nothing was done: over a limit, overloaded, a change that cannot be made now
 64  `quorate verify` only, where 2 is the verdict UNKNOWN: the command cannot be understood
 65  `quorate verify` only: a file cannot be read, or is no history
130  interrupted by Ctrl-C
"""

from enum import IntEnum

from quorate.cluster.wire.errors import (
    BadRequest,
    ChangeRefused,
    Compacted,
    LeaseNotFound,
    NotLeader,
    Overloaded,
    QuorateError,
    SessionExpired,
    Superseded,
    TooLarge,
    Unavailable,
)


class Exit(IntEnum):
    """See the table above."""

    OK = 0
    NO = 1
    USAGE = 2
    UNAVAILABLE = 3
    UNCERTAIN = 4
    REFUSED = 5
    MISUSED = 64
    UNREADABLE = 65
    BUG = 70
    INTERRUPTED = 130


class UsageError(QuorateError):
    """The command cannot be understood."""


class Misused(QuorateError):
    """As a usage error, for a command whose 2 means something else."""


class Unfinished(QuorateError):
    """Of several changes not all were made."""

    definite = False


class Answer(Exception):
    """Ends a command whose answer is printed already, with this exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


_UNAVAILABLE = (Unavailable, NotLeader)
_USAGE = (UsageError, BadRequest)
_NO = (LeaseNotFound,)

# By the error's code, so that errors of modules which a command did not need are not imported here.
_USAGE_CODES = ("ConfigError",)
_UNAVAILABLE_CODES = ("NoLocalCluster", "NotReady")

_NEXT: tuple[tuple[type[QuorateError], str], ...] = (
    (NotLeader, "try again in a moment, or look at `quorate status`"),
    (Superseded, "repeat the command"),
    (Overloaded, "repeat it after a pause"),
    (TooLarge, "the limits: a key 4 KiB, a value 1 MiB, a transaction 2 MiB and 512 operations"),
    (Compacted, "read the present state, or watch from a later revision"),
    (LeaseNotFound, "`quorate lease list` shows those that are alive"),
    (ChangeRefused, "`quorate member list` shows the members and how far they are"),
    (SessionExpired, "read the key to see whether it was done before you repeat it"),
)

_NEXT_BY_CODE = {"NotReady": "`quorate status` shows every node, `quorate logs` what they say; `quorate down` stops those that run"}

UNCERTAIN_NEXT = "read the key to see whether it was done before you repeat it"


def exit_code(error: QuorateError) -> Exit:
    if isinstance(error, Misused):
        return Exit.MISUSED
    if isinstance(error, _USAGE) or error.code in _USAGE_CODES:
        return Exit.USAGE
    if isinstance(error, _UNAVAILABLE) or error.code in _UNAVAILABLE_CODES:
        return Exit.UNAVAILABLE
    if isinstance(error, _NO):
        return Exit.NO
    return Exit.REFUSED if error.definite else Exit.UNCERTAIN


def explain(error: QuorateError, hint: str = "") -> str:
    """The lines for standard error. `hint`: what to do next, where the caller knows it better."""
    known = next((words for kind, words in _NEXT if isinstance(error, kind)), "")
    next_step = hint or known or _NEXT_BY_CODE.get(error.code, "")
    if not next_step and not error.definite:
        next_step = UNCERTAIN_NEXT
    message = error.message.strip().rstrip(".")
    head = "uncertain" if not error.definite else "error"
    if next_step and next_step not in message:
        return f"{head}: {message}\n  next: {next_step}"
    return f"{head}: {message}"
