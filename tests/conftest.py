"""What every test stands on: where nothing may be skipped, a skip is a failure."""

import os
from collections.abc import Generator

import pytest

SKIPS_FORBIDDEN = os.environ.get("QUORATE_REQUIRE_SERVERS", "") not in ("", "0")
"""Set by .ci/run: a machine that should have every server must not pass by skipping the tests that need one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", help="what the nodes of process tests run: an engine, or all; raft, and each where it matters most")


def _forbid(report: pytest.TestReport | pytest.CollectReport) -> None:
    if SKIPS_FORBIDDEN and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped where QUORATE_REQUIRE_SERVERS forbids it: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid(report)
    return report
