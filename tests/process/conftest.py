"""Which engine a test's nodes run: Raft, or what --engine names. A test marked `every_engine` runs on each of them anyway."""

import pytest

from quorate.cluster.runtime.config import ENGINES

BY_HAND = ("logship",)
"""Engines whose failover is an operator's: tests marked `failover` do not run on them."""


def _wanted(asked: str | None, *, every: bool) -> list[str]:
    if asked == "all" or (asked is None and every):
        return list(ENGINES)
    if asked not in (None, *ENGINES):
        raise pytest.UsageError(f"--engine: no engine {asked!r}; there are all, {', '.join(ENGINES)}")
    return [asked or "raft"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        marks = {mark.name for mark in metafunc.definition.iter_markers()}
        names = _wanted(metafunc.config.getoption("--engine"), every="every_engine" in marks)
        chosen = [name for name in names if "failover" not in marks or name not in BY_HAND]
        metafunc.parametrize("engine", chosen, scope="session")
