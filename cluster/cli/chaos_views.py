"""How `quorate chaos status` and `events` show what the proxy and the nodes say."""

import json as json_module
from collections.abc import Mapping
from typing import TYPE_CHECKING

from quorate.cluster.chaos.units import plain, say_rate
from quorate.cluster.cli import output
from quorate.cluster.cli.output import Column, Json

if TYPE_CHECKING:
    from quorate.cluster.chaos.acts import NodeView, View
    from quorate.cluster.chaos.control import LinkView
    from quorate.cluster.chaos.switches import Condition

DISK_WORDS = {"stall": "stalled", "skip_sync": "lying", "fail_write": "full", "fail_sync": "failing", "free_bytes": "nearly full"}
GROUP = "default"
CLIENT = "client"
NS_PER_MS, NS_PER_S = 1_000_000, 1_000_000_000
PPM_PER_PERCENT = 10_000
OPEN = "open"
SHARES = {"drop_ppm": "drop", "duplicate_ppm": "double", "reorder_ppm": "reorder", "corrupt_ppm": "corrupt", "tear_ppm": "tear"}
WORDS = {"cut": "cut", "refuse": "refuse", "black_hole": "black hole", "half_open": "half open"}
NODE_COLUMNS = (Column("NODE"), Column("PROCESS"), Column("ROLE"), Column("TERM", number=True), Column("DISK"), Column("CLOCK"))


def link_words(link: "LinkView") -> str:
    """What a link does, in a few words: "open", "cut", "50ms±30ms pareto, drop 10%"."""
    if link.state == "toxic":
        return "toxics"
    said = [words for name, words in WORDS.items() if link.fault.get(name)]
    delay, jitter = _number(link.fault, "delay_ns"), _number(link.fault, "jitter_ns")
    if link.fault.get("jitter") == "uniform" and jitter:
        delay, jitter = delay + jitter / 2, jitter / 2
    if jitter:
        said.append(f"{plain(delay / NS_PER_MS)}±{plain(jitter / NS_PER_MS)}ms {link.fault.get('jitter')}")
    elif delay:
        said.append(f"{plain(delay / NS_PER_MS)}ms")
    said += [f"{words} {plain(share / PPM_PER_PERCENT)}%" for name, words in SHARES.items() if (share := _number(link.fault, name))]
    if rate := _number(link.fault, "bytes_per_s"):
        said.append(say_rate(int(rate)))
    if "reset_after_ns" in link.fault:
        said.append("reset")
    return ", ".join(said) or (OPEN if link.state == OPEN else link.state)


def _number(fault: Mapping[str, object], name: str) -> float:
    value = fault.get(name)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0


def show(view: "View") -> None:
    cells = [_node_row(name, node) for name, node in view.nodes.items()]
    output.table(NODE_COLUMNS, cells)
    output.line()
    if not view.has_proxy:
        output.line("No fault proxy stands between the nodes: begin with `quorate up --proxy` to break links.")
        return
    ends = [*view.nodes, *([CLIENT] if any(_is_faulty_for_clients(link) for link in view.links.values()) else [])]
    rows = [[f"{source} >", *("" if source == other else _cell(view.links, source, other) for other in ends)] for source in ends]
    output.table([Column("FROM \\ TO"), *map(Column, ends)], rows)
    for id, left_s in view.transactions.items():
        links = [name for name, link in view.links.items() if link.by == id]
        rules = f"rules {', '.join(links)}" if links else "rules no link now"
        output.line(f"{id}: {rules}, for another {output.duration(round(left_s * 1000))}; `quorate chaos heal {id}` ends it.")
    if not view.transactions:
        output.line("No fault of links lives.")


def _cell(links: Mapping[str, "LinkView"], source: str, destination: str) -> str:
    link = links.get(f"{source}>{destination}")
    return "" if link is None else link_words(link)


def _is_faulty_for_clients(link: "LinkView") -> bool:
    return CLIENT in link.name.split(">") and link.state != OPEN


def _node_row(name: str, node: "NodeView") -> list[str]:
    group = node.said.groups.get(GROUP) if node.said is not None else None
    role, term = (group.role, str(group.term)) if group is not None else ("", "")
    process = node.process if node.said is not None or node.process != "running" else "silent"
    return [name, process, role, term, _disk_words(node.condition), _clock_words(node.condition)]


def _disk_words(condition: "Condition | None") -> str:
    if condition is None or not condition.disk:
        return ""
    disk, said = condition.disk, []
    if delay_ms := disk.get("sync_delay_ms"):
        said.append(f"slow by {delay_ms}ms")
    said += [words for name, words in DISK_WORDS.items() if disk.get(name) is not None and disk.get(name) is not False]
    return f"{', '.join(said)}{_left(condition.disk_ends_in_ms)}"


def _clock_words(condition: "Condition | None") -> str:
    if condition is None or not (condition.clock_offset_ms or condition.clock_drift_ppm):
        return ""
    drift = f", {condition.clock_drift_ppm:+} ppm" if condition.clock_drift_ppm else ""
    return f"{condition.clock_offset_ms / 1000:+g} s{drift}{_left(condition.clock_ends_in_ms)}"


def _left(ms: int) -> str:
    return f" ({output.duration(ms)} left)" if ms else ""


def as_json(view: "View") -> dict[str, Json]:
    nodes: dict[str, Json] = {}
    for name, node in view.nodes.items():
        group = node.said.groups.get(GROUP) if node.said is not None else None
        condition = node.condition
        nodes[name] = {
            "process": node.process,
            "answers": node.said is not None,
            "ready": node.said is not None and node.said.ready,
            "role": group.role if group is not None else None,
            "term": group.term if group is not None else None,
            "switches": condition is not None,
            "disk": {key: value for key, value in condition.disk.items() if isinstance(value, int)} if condition else {},
            "disk_ends_in_ms": condition.disk_ends_in_ms if condition else 0,
            "clock_offset_ms": condition.clock_offset_ms if condition else 0,
            "clock_drift_ppm": condition.clock_drift_ppm if condition else 0,
            "clock_ends_in_ms": condition.clock_ends_in_ms if condition else 0,
        }
    links: dict[str, Json] = {
        name: {"does": link_words(link), "state": link.state, "mode": link.mode, "by": link.by, "counts": dict(link.counts)}
        for name, link in view.links.items()
    }
    return {"proxy": view.has_proxy, "nodes": nodes, "links": links, "transactions": dict(view.transactions)}


def event_line(event: Mapping[str, object], *, json: bool) -> str:
    """One event of the proxy."""
    if json:
        return json_module.dumps(event, ensure_ascii=False)
    time_ns, rest = event.get("time_ns"), {name: value for name, value in event.items() if name not in ("event", "number", "time_ns")}
    clock = f"{time_ns / NS_PER_S:.3f}" if isinstance(time_ns, int) else ""
    facts = "  ".join(f"{name}={_fact(value)}" for name, value in rest.items())
    return f"{event.get('number')} {clock:>12} {event.get('event')}  {facts}".rstrip()


def _fact(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
