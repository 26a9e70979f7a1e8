"""Connecting is all or nothing: who gives up on it leaves no task and no connection behind."""

import asyncio

import pytest

from quorate import connect


async def test_a_cancelled_connect_leaves_nothing_behind() -> None:
    arrived = asyncio.Event()

    async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    before = asyncio.all_tasks()
    connecting = asyncio.ensure_future(connect(f"127.0.0.1:{port}", timeout=30).__aenter__())
    await arrived.wait()
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    serving = {task for task in asyncio.all_tasks() - before if "says_nothing" in repr(task)}

    assert set() == asyncio.all_tasks() - before - serving

    server.close()
