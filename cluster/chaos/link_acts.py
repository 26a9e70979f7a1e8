"""What faults of links do on a live cluster: one transaction of the fault proxy each.

The rule: what a fault touched is what the proxy counted on its links from its beginning to its end. Where two faults of links overlap, both
count what happened on the links that they share, though the newer one alone ruled them.
"""

from collections.abc import Mapping

from quorate.cluster.chaos.control import Control, LinkView
from quorate.cluster.chaos.ongoing import COUNTED, Ongoing
from quorate.cluster.chaos.vocabulary import CLIENT, OnLinks


class LinkActs:
    def __init__(self, control: Control) -> None:
        self._control = control
        self._before: dict[str, Mapping[str, LinkView]] = {}

    async def begin(self, ongoing: Ongoing, fault: OnLinks) -> None:
        before = await self._control.links()
        made = await self._control.put(ongoing.id, fault.payload(), ttl_s=ongoing.ttl_s, seed=ongoing.seed)
        self._before[ongoing.id] = before
        links, taken = made.get("links"), made.get("took_over")
        ongoing.links = tuple(links) if isinstance(links, dict) else ()
        ends = [{end for end in link.split(">") if end != CLIENT} for link in ongoing.links]
        # Whom all of them touch: the one that is isolated, the leader of leader>*. Else everybody.
        ongoing.nodes = tuple(sorted(set.intersection(*ends) or set.union(*ends)))
        ongoing.took_over = {str(id): tuple(names) for id, names in taken.items()} if isinstance(taken, dict) else {}

    async def end(self, ongoing: Ongoing, fault: OnLinks) -> None:
        await self._control.heal(ongoing.id, verify=False)
        before, after = self._before.pop(ongoing.id), await self._control.links()
        for effect in fault.effects:
            grown = [after[link].counts.get(effect, 0) - before[link].counts.get(effect, 0) for link in ongoing.links]
            # A proxy that was started anew counts from 0.
            ongoing.add(COUNTED[effect], sum(max(0, count) for count in grown))
