"""Acts: live faults let loose on a local cluster, and taken back.

    async with Acts(cluster) as acts:
        ongoing = await acts.begin(parse("isolate leader"), ttl_s=20, seed=7)     # ongoing.nodes: who that was
        ...
        await acts.end(ongoing)                                                   # ongoing.touched: {"frames dropped": 812}
        healed = await acts.heal()                                                # healed.healed, healed.problems

The rules:
- Who is meant by leader, minority or random is settled once, at the beginning; the seed chooses.
- A fault that cannot begin on all its nodes is taken back where it began, and raises.
- The proxy ends faults of links when their time is over, the nodes those of disks and clocks, a keeper a pause. What needs an act of ours
  (`ongoing.ends_itself` is false: kill, full-disk, remove ...) is ended by `end` or `heal`, or by nobody.
- `end` may be repeated. Leaving the block heals nothing: whoever is done calls `heal`.
"""

import secrets
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType

from quorate.cluster.chaos.control import Control, LinkView, control_address
from quorate.cluster.chaos.device_acts import DeviceActs, DeviceFault
from quorate.cluster.chaos.healing import Healed, Healing
from quorate.cluster.chaos.link_acts import LinkActs
from quorate.cluster.chaos.link_faults import Names
from quorate.cluster.chaos.member_acts import MemberActs, MemberFault
from quorate.cluster.chaos.node_faults import PromoteByHand, Restart, Transfer
from quorate.cluster.chaos.ongoing import Ongoing
from quorate.cluster.chaos.patience import thoroughly
from quorate.cluster.chaos.process_acts import ProcessActs
from quorate.cluster.chaos.switches import Condition, Switches
from quorate.cluster.chaos.units import NotAFault
from quorate.cluster.chaos.vocabulary import Fault, OnLinks, OnNodes, OnProcesses, checked, node_words
from quorate.cluster.client.status import NodeStatus
from quorate.cluster.faults.payloads import TTL_S_MAX
from quorate.cluster.faults.selectors import Selection
from quorate.cluster.local import LocalCluster, NotReady
from quorate.cluster.runtime.clock import BootClock
from quorate.cluster.wire.errors import BadRequest, QuorateError, Unavailable

TTL_S = 30.0
"""Nothing stays broken by accident."""
LEADER_S = 10.0
"""Somebody leads by then, or nobody can."""
LED = ("leader", "follower", "one-follower")


@dataclass(slots=True)
class NodeView:
    """One node: its process, what it says, its disk and its clock."""

    process: str
    """running, paused or down."""
    said: NodeStatus | None
    condition: Condition | None
    """None: it does not answer, or has no switches."""


@dataclass(slots=True)
class View:
    """The whole cluster at one moment."""

    nodes: dict[str, NodeView]
    links: dict[str, LinkView] = field(default_factory=dict)
    """None without a proxy."""
    transactions: dict[str, float] = field(default_factory=dict)
    """The proxy's, that live: seconds that are left."""
    has_proxy: bool = False


class Acts:
    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        record = cluster.record
        self._control = Control(record.proxy.control) if record.proxy is not None else None
        self._switches = Switches(cluster)
        self._links = LinkActs(self._control) if self._control is not None else None
        self._processes = ProcessActs(cluster, self._switches)
        self._devices = DeviceActs(cluster, self._switches)
        self._members = MemberActs(cluster)
        self._token = secrets.token_hex(2)
        self._numbers = count(1)
        self._clock = BootClock()
        self.ongoing: dict[str, Ongoing] = {}
        """Begun here and not ended here, oldest first."""

    async def __aenter__(self) -> "Acts":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._control is not None:
            await self._control.__aexit__(kind, error, trace)

    async def check(self, fault: Fault) -> None:
        """BadRequest if this cluster cannot have this fault, whoever leads: an unknown node, no proxy."""
        checked(fault, self._cluster.names)
        if isinstance(fault, OnLinks):
            control_address(self._cluster.record)

    async def begin(self, fault: Fault, *, ttl_s: float = TTL_S, seed: int = 0) -> Ongoing:
        """Let it loose. BadRequest or Unavailable: nothing is broken by it."""
        await self.check(fault)
        if not 0 < ttl_s <= TTL_S_MAX:
            raise NotAFault(f"{fault.verb}: a time to live of more than 0 s, at most {TTL_S_MAX:g} s, not {ttl_s:g} s")
        ongoing = Ongoing(f"{fault.verb}-{self._token}-{next(self._numbers)}", fault, seed, ttl_s, (), self._clock.now_ns())
        if isinstance(fault, OnNodes):
            ongoing.nodes = await self._resolved(fault.nodes, seed)
        elif any(word in LED for word in node_words(fault)):
            await self._leader()
        self.ongoing[ongoing.id] = ongoing
        try:
            await self._begin(ongoing)
        except BaseException:
            await self._take_back(ongoing)
            raise
        ongoing.began_ns = self._clock.now_ns()
        if isinstance(fault, (Restart, Transfer, PromoteByHand)):
            await self.end(ongoing)
        return ongoing

    async def _begin(self, ongoing: Ongoing) -> None:
        fault = ongoing.fault
        if isinstance(fault, OnLinks):
            assert self._links is not None, fault
            await self._links.begin(ongoing, fault)
        elif isinstance(fault, OnProcesses):
            await self._processes.begin(ongoing, fault)
        elif isinstance(fault, DeviceFault):
            await self._devices.begin(ongoing, fault)
        else:
            await self._members.begin(ongoing, fault)

    async def _take_back(self, ongoing: Ongoing) -> None:
        try:
            await self.end(ongoing)
        except QuorateError as error:
            ongoing.notes.append(f"could not be taken back: {error.message}")

    async def end(self, ongoing: Ongoing) -> Ongoing:
        """Take it back; `ongoing.touched` is complete then."""
        if self.ongoing.pop(ongoing.id, None) is None:
            return ongoing
        fault = ongoing.fault
        try:
            if isinstance(fault, OnLinks):
                assert self._links is not None, fault
                await self._links.end(ongoing, fault)
            elif isinstance(fault, OnProcesses):
                await self._processes.end(ongoing, fault)
            elif isinstance(fault, DeviceFault):
                await self._devices.end(ongoing, fault)
            elif isinstance(fault, MemberFault):
                await self._members.end(ongoing, fault)
        finally:
            ongoing.ended_ns = self._clock.now_ns()
        return ongoing

    async def heal(self) -> Healed:
        """Everything that is broken, whoever broke it, and a look whether it worked. What is ongoing here is ended first."""
        problems = []
        for ongoing in reversed(list(self.ongoing.values())):
            try:
                await self.end(ongoing)
            except QuorateError as error:
                problems.append(f"{ongoing.text}: {error.message}")
        healed = await Healing(self._cluster, self._control, self._switches, self._processes, self._members).run()
        if not healed.healed:
            healed.problems += problems
        return healed

    async def status(self) -> View:
        """Processes, disks, clocks and links as they are."""
        statuses = await thoroughly(self._cluster.statuses)
        nodes: dict[str, NodeView] = {}
        for name, node in self._cluster.record.nodes.items():
            condition = None
            if statuses[name] is not None:
                try:
                    condition = await self._switches.condition(name)
                except (BadRequest, Unavailable):
                    condition = None
            nodes[name] = NodeView("paused" if node.paused else "running" if node.running else "down", statuses[name], condition)
        view = View(nodes, has_proxy=self._control is not None)
        if self._control is not None:
            view.links = await self._control.links()
            for each in await self._control.faults():
                left = each.get("ends_in_s")
                view.transactions[str(each.get("id"))] = float(left) if isinstance(left, (int, float)) else 0.0
        return view

    async def _resolved(self, words: Names, seed: int) -> Names:
        leader = await self._leader() if any(word in LED for word in words) else None
        selection = Selection(self._cluster.names, (), seed, leader)
        return tuple(dict.fromkeys(name for word in words for name in selection.nodes(word)))

    async def _leader(self) -> str:
        try:
            return await thoroughly(self._cluster.wait_leader, timeout_s=LEADER_S)
        except NotReady:
            raise Unavailable(f"nobody leads within {LEADER_S:g} s; name nodes instead, or heal") from None
