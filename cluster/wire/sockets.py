"""TCP options: a connection whose other end has gone without a word must end by itself.

A machine that loses power sends no FIN, and a partition lets none through. Without these options such a connection stays open
for a quarter of an hour with what it holds, and a peer that came back is written to on it in vain.
"""

import asyncio
import socket
from contextlib import suppress

PROBE_COUNT = 3


def end_if_silent(transport: asyncio.BaseTransport, after_s: int) -> None:
    """Let the kernel close the connection once the other side has acknowledged nothing for about `after_s` seconds."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    with suppress(OSError):  # it is closed already, and its owner is about to be told
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # Linux; elsewhere the system's own times hold.
        for name, value in (
            ("TCP_KEEPIDLE", after_s),
            ("TCP_KEEPINTVL", max(1, after_s // PROBE_COUNT)),
            ("TCP_KEEPCNT", PROBE_COUNT),
            ("TCP_USER_TIMEOUT", after_s * 1_000),
        ):
            option = getattr(socket, name, None)
            if option is not None:
                connection.setsockopt(socket.IPPROTO_TCP, option, value)
