"""A cluster in a thread of the test's process, and the `quorate` command run against it as a person would type it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from quorate.cluster.cli.main import main
from quorate.cluster.cli.surroundings import Surroundings
from tests.cluster.client.fake import FakeCluster

T = TypeVar("T")


class Ran(NamedTuple):
    """What one run of the command gave."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


class Served:
    """The cluster and the thread whose event loop serves it."""

    def __init__(self) -> None:
        self.cluster = FakeCluster("n1", "n2", "n3")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="served cluster")

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.cluster.__aenter__(), self._loop).result()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.cluster.__aexit__(None, None, None), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, act: Callable[[], T]) -> T:
        """Run something in the cluster's thread."""
        done: Future[T] = Future()

        def work() -> None:
            done.set_result(act())

        self._loop.call_soon_threadsafe(work)
        return done.result()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    served.start()
    yield served
    served.stop()


@pytest.fixture
def quorate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run the command without any cluster: an empty environment and home."""

    def run(*words: str, environment: dict[str, str] | None = None) -> Ran:
        surroundings = Surroundings(environment={"HOME": str(tmp_path), **(environment or {})})
        code = main(words, surroundings=surroundings)
        out, err = capsys.readouterr()
        return Ran(int(code), out, err)

    return run


@pytest.fixture
def typed(served: Served, quorate: Command) -> Command:
    """Run the command against the cluster in the thread."""

    def run(*words: str) -> Ran:
        return quorate(*words, environment={"QUORATE_ENDPOINTS": served.cluster.endpoints})

    return run
