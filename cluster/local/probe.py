"""Asking one node something over its client port, blocking: what the supervisor and `quorate status` see of a node.

One connection, one request, one deadline. Anything that is not an answer is Unavailable, and says why.
"""

import socket
import time
from collections.abc import Mapping

import msgpack

from quorate.cluster.client.status import NodeStatus, decode_status
from quorate.cluster.wire.errors import Unavailable, from_wire
from quorate.cluster.wire.rpc import CLIENT_FRAME_MAX, pack

RECEIVE_BYTES = 65_536
TIMEOUT_S = 1.0
"""A node on this machine answers within milliseconds; one that does not is stopped, or too busy to be called well."""
REQUEST_ID = 1


def call(address: str, method: str, *params: object, timeout_s: float = TIMEOUT_S) -> object:
    """The node's answer, or its error, or Unavailable."""
    deadline = time.monotonic() + timeout_s
    host, _, port = address.rpartition(":")
    unpacker = msgpack.Unpacker(max_buffer_size=CLIENT_FRAME_MAX)
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s) as connection:
            connection.sendall(pack((0, REQUEST_ID, method, params)))
            while True:
                connection.settimeout(max(0.001, deadline - time.monotonic()))
                received = connection.recv(RECEIVE_BYTES)
                if not received:
                    raise Unavailable(f"{address} closed the connection without an answer")
                unpacker.feed(received)
                for frame in unpacker:
                    match frame:
                        case [1, 1, None, result]:
                            return result
                        case [1, 1, error, _]:
                            raise from_wire(error)
    except TimeoutError:
        raise Unavailable(f"{address} gave no answer within {timeout_s:g} s") from None
    except ConnectionRefusedError:
        raise Unavailable(f"{address} refuses the connection: nothing listens there") from None
    except OSError as error:
        raise Unavailable(f"{address}: {error.strerror or error}") from None
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise Unavailable(f"{address} does not speak msgpack-RPC: {error!r:.100}") from None


def status(address: str, *, timeout_s: float = TIMEOUT_S) -> NodeStatus:
    """What a node says of itself."""
    return decode_status(call(address, "status", timeout_s=timeout_s))


def identity(address: str, *, timeout_s: float = TIMEOUT_S) -> Mapping[str, object]:
    """Name, cluster and storage id, also of a node that is not part of a cluster yet."""
    answer = call(address, "identity", timeout_s=timeout_s)
    if not isinstance(answer, dict):
        raise Unavailable(f"{address} gave no identity but {answer!r:.100}")
    return answer
