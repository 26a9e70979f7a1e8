"""Quorate: a cluster runtime for Python.

from quorate import connect

async with connect("127.0.0.1:7001,127.0.0.1:7002") as client:
    await client.put("x", "1")
    item = await client.get("x")

The rule: a name costs its import when it is first used. Whatever imports any part of quorate imports this module, and the
command line, a node and the simulator do not need what a client needs.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quorate.cluster.client import Client, Lease, Watch, connect
    from quorate.cluster.client import transaction as txn
    from quorate.cluster.replicated_log import Consistency, Leadership, ReplicatedLog
    from quorate.cluster.service.results import (
        DeleteResult,
        FutureRevision,
        KeyValue,
        LeaseExists,
        LimitReached,
        PutResult,
        RangeResult,
        SwapResult,
        TxnResult,
        WatchEvent,
    )
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
        Uncertain,
    )

__all__ = [
    "BadRequest",
    "ChangeRefused",
    "Client",
    "Compacted",
    "Consistency",
    "DeleteResult",
    "FutureRevision",
    "KeyValue",
    "Leadership",
    "Lease",
    "LeaseExists",
    "LeaseNotFound",
    "LimitReached",
    "NotLeader",
    "Overloaded",
    "PutResult",
    "QuorateError",
    "RangeResult",
    "ReplicatedLog",
    "SessionExpired",
    "Superseded",
    "SwapResult",
    "TooLarge",
    "TxnResult",
    "Unavailable",
    "Uncertain",
    "Watch",
    "WatchEvent",
    "connect",
    "txn",
]

if not TYPE_CHECKING:  # to a type checker a module with __getattr__ has every name, also a mistyped one
    _PLACES = {
        "quorate.cluster.client": ("Client", "Lease", "Watch", "connect"),
        "quorate.cluster.replicated_log": ("Consistency", "Leadership", "ReplicatedLog"),
        "quorate.cluster.service.results": (
            "DeleteResult",
            "FutureRevision",
            "KeyValue",
            "LeaseExists",
            "LimitReached",
            "PutResult",
            "RangeResult",
            "SwapResult",
            "TxnResult",
            "WatchEvent",
        ),
    }
    _PLACE = {name: place for place, names in _PLACES.items() for name in names}

    def __getattr__(name: str) -> object:
        """Import what stands behind the name, and keep it here."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        if name == "txn":
            found = import_module("quorate.cluster.client.transaction")
        else:
            found = getattr(import_module(_PLACE.get(name, "quorate.cluster.wire.errors")), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
