"""Quorate: a cluster runtime for Python.

from quorate import connect

async with connect("127.0.0.1:7001,127.0.0.1:7002") as client:
    await client.put("x", "1")
    item = await client.get("x")
"""

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
