"""What the proxy says of itself: links, transactions, ports and metrics, as plain documents. Nothing here changes anything."""

from collections.abc import Iterator
from dataclasses import asdict

from quorate.cluster.admin.http import Sample
from quorate.cluster.faults.fault import Fault
from quorate.cluster.faults.link import Link
from quorate.cluster.faults.network import CLIENT, ProxyNetwork
from quorate.cluster.faults.timing import NS_PER_S
from quorate.cluster.faults.transactions import Transaction

US_PER_NS = 1_000
NOT_RULES = frozenset({"plain", "other"})


def fault_view(fault: Fault) -> dict[str, object]:
    """What differs from a faultless link, by the names of the code; the mode always."""
    said = asdict(fault)
    rule = {name: value for name, value in said.pop("rule").items() if name not in NOT_RULES}
    rule["jitter"] = fault.rule.jitter.value if fault.rule.jitter_ns else None
    rule["only"] = sorted(fault.rule.only)
    mode = "stream" if rule.pop("stream") else "message"
    return {"mode": mode} | {name: value for name, value in (rule | said).items() if value not in (0, None, False, [])}


def link_view(link: Link) -> dict[str, object]:
    counts = link.counts
    delivered = max(1, counts.delivered)
    return {
        "link": link.name,
        "state": "faulty" if link.by else "toxic" if link.layers else "open",
        "mode": link.mode.value,
        "by": link.by,
        "fault": fault_view(link.fault),
        "toxics": len(link.layers),
        "seed": link.seed,
        "connections": len(link.pipes),
        "frames": dict(sorted(counts.frames.items())),
        "bytes": dict(sorted(counts.bytes.items())),
        "delivered": counts.delivered,
        "dropped": counts.dropped,
        "held": counts.held,
        "duplicated": counts.duplicated,
        "inverted": counts.inverted,
        "corrupted": counts.corrupted,
        "torn": counts.torn,
        "carried_over": counts.carried_over,
        "resets": counts.resets,
        "queued_frames": link.queued_frames,
        "queued_bytes": link.queued_bytes,
        "intended_delay_us_mean": counts.intended_ns // delivered // US_PER_NS,
        "actual_delay_us_mean": counts.actual_ns // delivered // US_PER_NS,
        "late_us_max": counts.late_ns_max // US_PER_NS,
    }


def transaction_view(transaction: Transaction, network: ProxyNetwork) -> dict[str, object]:
    return {
        "id": transaction.id,
        "seed": transaction.seed,
        "ends_in_s": round(max(0, transaction.until_ns - network.timing.now_ns()) / NS_PER_S, 3),
        "links": {network.links[pair].name: fault_view(fault) for pair, fault in transaction.faults.items()},
        "resting": sorted(network.links[pair].name for pair in transaction.resting),
    }


def ports_view(network: ProxyNetwork) -> list[dict[str, object]]:
    """The table of ports: who dials where to reach whom."""
    return [
        {
            "link": port.name,
            "listen": port.address,
            "leads_to": port.upstream,
            "for": "clients" if CLIENT in pair else "peers",
            "listening": port.is_listening,
            "connections": len(port.relays),
            "accepted": port.accepted,
            "refused": port.refusals,
            "failed_dials": port.failed_dials,
            "last_problem": port.last_problem,
        }
        for pair, port in network.ports.items()
    ]


def samples(network: ProxyNetwork, living: int) -> Iterator[Sample]:
    yield "quorate_proxy_transactions", "gauge", "fault transactions that live", {}, living
    yield "quorate_proxy_events", "counter", "events told", {}, network.events.count
    for link in network.links.values():
        labels, counts = {"link": link.name}, link.counts
        yield "quorate_proxy_link_faulty", "gauge", "1 where a fault rules the link", labels, not link.is_open
        yield "quorate_proxy_connections", "gauge", "open connections that carry the link's frames", labels, len(link.pipes)
        yield "quorate_proxy_queued_bytes", "gauge", "bytes under way or held", labels, link.queued_bytes
        for kind, count in counts.frames.items():
            yield "quorate_proxy_frames", "counter", "frames read, by type", {**labels, "type": kind}, count
        for kind, size in counts.bytes.items():
            yield "quorate_proxy_bytes", "counter", "bytes read, by type of frame", {**labels, "type": kind}, size
        for name, value, words in (
            ("delivered", counts.delivered, "copies written"),
            ("dropped", counts.dropped, "frames lost"),
            ("held", counts.held, "frames of a stream that a cut held back"),
            ("duplicated", counts.duplicated, "copies beyond the first"),
            ("inverted", counts.inverted, "frames that arrived after a later one"),
            ("corrupted", counts.corrupted, "frames damaged"),
            ("torn", counts.torn, "frames cut inside"),
            ("resets", counts.resets, "connections reset by a fault"),
        ):
            yield f"quorate_proxy_{name}", "counter", words, labels, value
