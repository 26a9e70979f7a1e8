"""A progress bar for a person who waits: on standard error, and only where that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[float, str], None]
"""(how much is done, a few words)"""


@contextmanager
def progress(total: float, *, silent: bool) -> Iterator[Show]:
    """Shows `done of total` as it is told, and disappears at the end."""
    if silent or not sys.stderr.isatty():
        yield lambda done, words: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=total)

        def show(done: float, words: str) -> None:
            bars.update(task, completed=min(done, total), description=words)

        yield show
