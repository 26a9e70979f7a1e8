"""Several faults of one direction as one: what a frame suffers that passes through all of them in turn."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from quorate.cluster.faults.fault import Fault


def merged(faults: Sequence[Fault]) -> Fault:
    """Delays add up, the narrowest bound holds, what one of them does is done. At least one."""
    rules = [fault.rule for fault in faults]
    rule = replace(
        rules[0],
        delay_ns=sum(rule.delay_ns for rule in rules),
        jitter_ns=sum(rule.jitter_ns for rule in rules),
        bytes_per_s=_least(rule.bytes_per_s or None for rule in rules) or 0,
    )
    return Fault(
        rule,
        slicer=next((fault.slicer for fault in faults if fault.slicer is not None), None),
        close_after_bytes=_least(fault.close_after_bytes for fault in faults),
        slow_close_ns=sum(fault.slow_close_ns for fault in faults),
        black_hole=any(fault.black_hole for fault in faults),
        reset_after_ns=_least(fault.reset_after_ns for fault in faults),
        close_after_ns=_least(fault.close_after_ns for fault in faults),
    )


def _least(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)
