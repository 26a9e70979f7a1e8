"""Findings as they are listed: the first few of each name, and with the last of those how many there are beyond."""

from collections.abc import Iterable
from dataclasses import replace

from quorate.cluster.verify.verdict import Finding

FINDINGS_MAX = 10
"""Of each name. Ten show whether it is one accident or a habit."""


def first_of_each(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    by_name: dict[str, list[Finding]] = {}
    for finding in findings:
        by_name.setdefault(finding.name, []).append(finding)
    kept: list[Finding] = []
    for same in by_name.values():
        kept += same[:FINDINGS_MAX]
        beyond = len(same) - FINDINGS_MAX
        if beyond > 0:
            kept[-1] = replace(kept[-1], omitted=kept[-1].omitted + beyond)
    return tuple(kept)
