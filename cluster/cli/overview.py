"""`quorate status`, and the table of nodes that `quorate up` shows too.

The rule: what is shown was said by the node itself a moment ago, or is known of its process; nothing is guessed. The leader is
the node that says so in the highest term.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output, surroundings
from quorate.cluster.cli.exits import Answer, Exit
from quorate.cluster.cli.options import DataOption, EndpointsOption, JsonOption
from quorate.cluster.cli.output import Column, Json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from quorate.cluster.client.status import GroupStatus, MemberStatus, NodeStatus
    from quorate.cluster.local.directory import ClusterRecord

GROUP = "default"
ASK_S = 1.0
"""One node may take so long to answer; all are asked at once."""
REFRESH_S = 0.5
ENDPOINTS_MAX = 64
GROUPS_SHOWN = 8
"""Of each leader's; `--json` has all."""

COLUMNS = (
    Column("NODE"),
    Column("ROLE"),
    Column("TERM", number=True),
    Column("COMMIT", number=True),
    Column("APPLIED", number=True),
    Column("LAG", number=True),
    Column("KEYS", number=True),
    Column("UPTIME", number=True),
    Column("CLIENT"),
)
LOG_SHIPPING = "logship"
BY_HAND = "Nobody is elected: let the primary come back, or see `quorate member promote-by-hand --help`."
STYLES = {"leader": "bold green", "follower": "", "learner": "cyan", "candidate": "yellow", "starting": "yellow", "paused": "magenta"}
TROUBLE_STYLE = "red"


@dataclass(slots=True)
class NodeView:
    """One node as it is seen from here."""

    name: str
    client: str
    said: "NodeStatus | None"
    problem: str = ""
    """Why it said nothing: down, paused, no answer ..."""
    group_name: str = GROUP
    """Which group is looked at."""

    @property
    def group(self) -> "GroupStatus | None":
        return self.said.groups.get(self.group_name) if self.said else None

    @property
    def role(self) -> str:
        if self.said is None:
            return self.problem
        return self.group.role if self.group and self.group.role else "starting"

    @property
    def leads(self) -> bool:
        return self.group is not None and self.group.role == "leader"


@dataclass(slots=True)
class View:
    """All nodes at one moment."""

    nodes: list[NodeView]
    is_local: bool

    @property
    def leader(self) -> NodeView | None:
        leading = [node for node in self.nodes if node.leads]
        return max(leading, key=lambda node: node.group.term if node.group else 0, default=None)

    @property
    def answering(self) -> int:
        return sum(node.said is not None for node in self.nodes)

    @property
    def commit(self) -> int:
        return max((node.group.commit for node in self.nodes if node.group), default=0)

    @property
    def members(self) -> "dict[str, MemberStatus]":
        """As the leader has them; none while nobody leads."""
        leader = self.leader
        return {member.name: member for member in leader.group.members} if leader and leader.group else {}

    def role(self, node: NodeView) -> str:
        """A node that the leader does not count says `learner` of itself: what the leader says is what it is."""
        members = self.members
        if node.said is None or not members:
            return node.role
        if node.name not in members:
            return "no member"
        return "other disk" if self.lost_disk(node) else node.role

    def lost_disk(self, node: NodeView) -> bool:
        """It runs with another disk than the cluster knows: it must not vote."""
        member = self.members.get(node.name)
        return bool(node.said and member and member.storage and node.said.storage and member.storage != node.said.storage)


def look(endpoints: Sequence[str]) -> View:
    """Ask the nodes at these addresses, and the members that they name."""
    asked: dict[str, NodeView] = {}
    names: dict[str, str] = {}
    waiting = list(dict.fromkeys(endpoints))
    while waiting and len(asked) < ENDPOINTS_MAX:
        with ThreadPoolExecutor(max_workers=len(waiting)) as asking:
            for view in asking.map(_ask, waiting):
                asked[view.client] = view
        known = {view.said.client_address for view in asked.values() if view.said}
        members = [member for view in asked.values() if view.group for member in view.group.members]
        names.update({member.client_address: member.name for member in members})
        waiting = [address for address in names if address and address not in asked and address not in known]
    for view in asked.values():
        view.name = view.said.node if view.said else names.get(view.client, "?")
    # A node may stand under two addresses: the one it was asked at, and the one it advertises.
    by_name = {
        view.name if view.name != "?" else view.client: view for view in sorted(asked.values(), key=lambda view: view.said is not None)
    }
    return View(sorted(by_name.values(), key=lambda view: view.name), is_local=False)


def _ask(address: str) -> NodeView:
    from quorate.cluster.local.probe import status
    from quorate.cluster.wire.errors import QuorateError

    try:
        return NodeView("?", address, status(address, timeout_s=ASK_S))
    except QuorateError as error:
        return NodeView("?", address, None, _short(error.message, address))


def _short(message: str, address: str) -> str:
    for words, short in (("refuses", "down"), ("no answer", "no answer"), ("closed the connection", "closes the connection")):
        if words in message:
            return short
    return message.replace(address, "").strip(": ")


def look_local(record: "ClusterRecord") -> View:
    """Ask the nodes of a local cluster, and look at their processes."""
    with ThreadPoolExecutor(max_workers=max(1, len(record.nodes))) as asking:
        views = list(asking.map(_ask, [node.client for node in record.nodes.values()]))
    for view, (name, node) in zip(views, record.nodes.items()):
        view.name = name
        if view.said is None:
            view.problem = "paused" if node.paused else ("starting" if view.problem == "down" else view.problem) if node.running else "down"
        elif view.said.node != name:
            view.said, view.problem = None, "port taken by another process"
    return View(views, is_local=True)


def rows(view: View) -> tuple[list[list[str]], list[str]]:
    """Cells and a style per row."""
    cells, styles = [], []
    for node in view.nodes:
        group = node.group
        numbers = [""] * 6
        if node.said and group:
            lag = max(0, view.commit - group.applied)
            numbers = [*map(str, (group.term, group.commit, group.applied, lag, group.keys)), output.duration(node.said.uptime_ms)]
        role = view.role(node)
        cells.append([node.name, role, *numbers, node.client])
        styles.append(STYLES.get(role, TROUBLE_STYLE))
    return cells, styles


def sentence(view: View) -> str:
    """The state in words, and what to do about it."""
    leader = view.leader
    total = len(view.nodes)
    if leader is None or leader.group is None:
        answer = f"{'node' if total == 1 else 'nodes'} {'answers' if view.answering == 1 else 'answer'}"
        by_hand = f"{BY_HAND} " if any(_ships_its_log(node) for node in view.nodes) else ""
        return f"No leader: {view.answering} of {total} {answer}. {by_hand}{_remedy(view)}"
    members = view.members
    voters = [member.name for member in members.values() if member.voter]
    lost = [node.name for node in view.nodes if view.lost_disk(node)]
    answering = {node.name for node in view.nodes if node.said is not None and node.name not in lost}
    alive = sum(name in answering for name in voters)
    spare = alive - (len(voters) // 2 + 1)
    says = f"{leader.name} leads; {alive} of {len(voters)} voters answer"
    if learners := [member.name for member in members.values() if not member.voter]:
        says += f", learners: {', '.join(learners)}"
    if _ships_its_log(leader):
        says += f"; it needs none of them, and with it acknowledged writes may be lost ({LOG_SHIPPING})."
    else:
        says += f"; {_spare_words(spare)}." if spare >= 0 else "; too few to commit anything."
    if lost:
        says += f" {lost[0]} came back with another disk: `quorate member replace {lost[0]}`."
    if outside := [node.name for node in view.nodes if members and node.name not in members and node.said]:
        says += f" No member: {', '.join(outside)} (`quorate member add {outside[0]}{_where(view, outside[0])}`)."
    return f"{says} {_remedy(view)}" if any(node.said is None for node in view.nodes) else says


def _ships_its_log(node: NodeView) -> bool:
    return node.said is not None and node.said.engine == LOG_SHIPPING


def other_groups(view: View) -> str:
    """Who leads which group, in a line; empty where there is but one."""
    leaders: dict[str, tuple[int, str]] = {}
    for node in view.nodes:
        for name, group in (node.said.groups if node.said else {}).items():
            mine = (group.term, node.name) if group.role == "leader" else (0, "")
            leaders[name] = max(leaders.get(name, (0, "")), mine)
    if len(leaders) < 2:
        return ""
    led: dict[str, list[str]] = {}
    for name, (_, leader) in sorted(leaders.items()):
        led.setdefault(leader, []).append(name)
    parts = [f"{leader} leads {_some(names)}" for leader, names in sorted(led.items()) if leader]
    if "" in led:
        parts.append(f"nobody leads {_some(led[''])}")
    lacking = [node for node in view.nodes if node.said and node.said.unknown_groups]
    lacks = "".join(
        f" {node.name} does not host {_some(node.said.unknown_groups)}: name them in its configuration and restart it."
        for node in lacking
        if node.said
    )
    return f"{len(leaders)} groups: {'; '.join(parts)}.{lacks}"


def _some(names: Sequence[str]) -> str:
    """As many of them as a person reads."""
    return ", ".join(names) if len(names) <= GROUPS_SHOWN else f"{', '.join(names[:GROUPS_SHOWN])} and {len(names) - GROUPS_SHOWN} more"


def _where(view: View, name: str) -> str:
    """What a command needs to find that node: nothing on this machine, its address elsewhere."""
    return "" if view.is_local else next(f" --client {node.client}" for node in view.nodes if node.name == name)


def _spare_words(spare: int) -> str:
    return "none may fail" if spare == 0 else f"{spare} more may fail"


def _remedy(view: View) -> str:
    down = [node.name for node in view.nodes if node.problem == "down"]
    paused = [node.name for node in view.nodes if node.problem == "paused"]
    if view.is_local and len(down) == len(view.nodes):
        return "Start them with `quorate up`."
    if view.is_local and down:
        return f"Start with `quorate start {' '.join(down)}`."
    if view.is_local and paused:
        return f"Let it go on with `quorate kill {paused[0]} --signal CONT`."
    if view.is_local and view.answering < len(view.nodes):
        return "`quorate logs` shows what they say."
    silent = [f"{node.name} {node.client}" if node.name != "?" else node.client for node in view.nodes if node.said is None]
    if silent:
        return f"Start or check {', '.join(silent)}."
    where = "`quorate logs` shows more" if view.is_local else "look at the nodes' logs"
    telling = next((node for node in view.nodes if node.said is not None and node.said.ready_detail), None)
    told = f"{telling.name} says: {telling.said.ready_detail}. " if telling is not None and telling.said is not None else ""
    return f"{told}An election takes about a second; if this stays, {where}."


def as_json(view: View) -> dict[str, Json]:
    nodes: list[Json] = []
    for node in view.nodes:
        said: Mapping[str, Json] = asdict(node.said) if node.said else {}
        nodes.append({"node": node.name, "client": node.client, "answers": node.said is not None, "problem": node.problem, **said})
    return {"leader": view.leader.name if view.leader else None, "answering": view.answering, "nodes": nodes}


def renderable(view: View, heading: str, footer: str) -> "RenderableType":
    """For a live display."""
    from rich.console import Group
    from rich.text import Text

    said = "\n".join(filter(None, (sentence(view), other_groups(view))))
    return Group(Text(heading, style="bold"), output.rich_table(COLUMNS, *rows(view)), Text(said), Text(footer, style="dim"))


def show(view: View) -> None:
    cells, styles = rows(view)
    output.table(COLUMNS, cells, styles)
    output.line(sentence(view))
    if groups := other_groups(view):
        output.line(groups)


def status(
    context: typer.Context,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep looking, twice a second, until Ctrl-C.")] = False,
    json: JsonOption = False,
) -> None:
    """Show every node, who leads, and whether the cluster can serve.

    Exit code 3 if nobody leads.

    Examples:

    - `quorate status`
    - `quorate status --watch`
    - `quorate status --endpoints 127.0.0.1:7001 --json`
    - `quorate --group orders status`
    """
    here = surroundings.of(context)
    named = here.named_endpoints(endpoints, data)

    def now() -> View:
        if named:
            view = look([part.strip() for part in named.split(",") if part.strip()])
        else:
            from quorate.cluster.local.directory import Directory

            view = look_local(Directory(here.directory(data)).read())
        for node in view.nodes:
            node.group_name = here.group or GROUP
        return view

    if watch:
        with suppress(KeyboardInterrupt):  # is how this ends: no error
            _watch_json(now) if json else _watch(now)
        return
    view = now()
    if json:
        output.document(as_json(view))
    else:
        show(view)
    if view.leader is None:
        raise Answer(Exit.UNAVAILABLE)


def _watch(now: Callable[[], View]) -> None:
    from rich.live import Live

    with Live(renderable(now(), "", "Ctrl-C ends this view"), auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_S)
            live.update(renderable(now(), "", "Ctrl-C ends this view"), refresh=True)


def _watch_json(now: Callable[[], View]) -> None:
    while True:
        output.document(as_json(now()))
        time.sleep(REFRESH_S)


def add_to(app: typer.Typer) -> None:
    app.command("status", rich_help_panel="Local cluster")(status)
