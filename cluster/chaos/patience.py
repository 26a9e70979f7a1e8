"""Blocking work from a loop, done to its end: who is cancelled in the middle must still know what to undo."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def thoroughly(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In a thread; a cancellation passes only after it is done."""
    doing = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise
