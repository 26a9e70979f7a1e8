"""Faults of links: partitions of every shape, and links that are slow or lossy."""

from dataclasses import replace

from quorate.protocols.simulation import shapes
from quorate.protocols.simulation.aim import Aim, Fault
from quorate.protocols.simulation.policy import PPM, Rule
from quorate.protocols.simulation.repairs import Repairs
from quorate.protocols.simulation.schedule import MILLISECOND
from quorate.protocols.simulation.shapes import Pair, Step
from quorate.protocols.simulation.world import World

FLAP_NS_MAX = 200 * MILLISECOND
SWIZZLE_NS_MAX = 100 * MILLISECOND


class LinkFaults:
    def __init__(self, world: World, repairs: Repairs) -> None:
        self._world = world
        self._repairs = repairs
        self.acts: dict[str, Fault] = {
            "isolate": self._isolate,
            "isolate_leader": self._isolate_leader,
            "halves": self._halves,
            "one_way": self._one_way,
            "bridge": self._bridge,
            "ring": self._ring,
            "minority": self._minority,
            "flapping": self._flapping,
            "swizzle": self._swizzle,
            "flaky_link": self._flaky_link,
            "slow_link": self._slow_link,
            "thin_link": self._thin_link,
            "corrupt_link": self._corrupt_link,
            "drop_first": self._drop_first,
            "reset": self._reset,
            "heal": self._heal,
        }

    def _cut(self, aim: Aim, pairs: list[Pair]) -> bool:
        """Silent, or with the news that the connections broke, as when the machine in between says so."""
        if not pairs:
            return False
        aim.words = " ".join(f"{source}>{destination}" for source, destination in pairs)
        if aim.rng.random() < 0.5:
            for source, destination in pairs:
                self._world.hint(destination, source)
        self._world.network.cut(pairs)
        if aim.rng.random() < 0.9:
            self._repairs.mend_later(aim, pairs)
        return True

    def _isolate(self, aim: Aim) -> bool:
        names = aim.shuffled()
        aim.at_names(names[:1])
        return self._cut(aim, shapes.isolate(names, names[0]))

    def _isolate_leader(self, aim: Aim) -> bool:
        leader = self._world.leader()
        if leader is None:
            return False
        aim.at(leader)
        return self._cut(aim, shapes.isolate(list(self._world.nodes), leader.name))

    def _halves(self, aim: Aim) -> bool:
        names = aim.shuffled()
        aim.at_names(names)
        at = aim.rng.randint(1, len(names))
        return self._cut(aim, shapes.halves(names[:at], names[at:]))

    def _one_way(self, aim: Aim) -> bool:
        names = aim.shuffled()
        at = aim.rng.randint(1, len(names))
        aim.at_names(names[:at])
        if aim.rng.random() < 0.5:
            return self._cut(aim, shapes.one_way(names[:1], names[1:at]))
        return self._cut(aim, shapes.one_way(names[1:at], names[:1]))

    def _bridge(self, aim: Aim) -> bool:
        names = aim.shuffled()
        aim.at_names(names)
        return self._cut(aim, shapes.bridge(names))

    def _ring(self, aim: Aim) -> bool:
        names = aim.shuffled()
        aim.at_names(names)
        return self._cut(aim, shapes.ring(names))

    def _minority(self, aim: Aim) -> bool:
        names = aim.shuffled()
        aim.at_names(names)
        return self._cut(aim, shapes.minority(names))

    def _flapping(self, aim: Aim) -> bool:
        names = aim.shuffled()
        if len(names) < 2:
            return False
        aim.at_names(names[:2])
        pairs = aim.rng.choice((shapes.isolate(names, names[0]), [(names[0], names[1])]))
        return self._play(aim, shapes.flapping(pairs, aim.rng.randrange(FLAP_NS_MAX) + 1, aim.rng.randint(2, 8)))

    def _swizzle(self, aim: Aim) -> bool:
        names = aim.shuffled()
        victims = names[: aim.rng.randint(1, len(names))]
        aim.at_names(victims)
        pairs = [pair for victim in victims for pair in shapes.isolate(names, victim)]
        return self._play(aim, shapes.swizzle(list(dict.fromkeys(pairs)), aim.rng.randrange(SWIZZLE_NS_MAX) + 1, aim.rng))

    def _play(self, aim: Aim, steps: list[Step]) -> bool:
        """Cut and heal links one after the other."""
        aim.words = f"{len(steps)} steps"
        for step in steps:
            self._world.schedule.after(step.after_ns, self._repairs.cut if step.cut else self._repairs.mend, list(step.pairs))
        return bool(steps)

    def _change(self, aim: Aim, rule: Rule) -> bool:
        """Give one link another rule."""
        names = aim.shuffled()[:2]
        if len(names) < 2:
            return False
        aim.at_names(names)
        aim.words = f"{names[0]}>{names[1]}" + (f" {' '.join(sorted(rule.only))}" if rule.only else "")
        self._world.network.set([(names[0], names[1])], rule)
        return True

    def _flaky_link(self, aim: Aim) -> bool:
        return self._change(aim, Rule(MILLISECOND, 20 * MILLISECOND, 300_000, 200_000, 300_000, 50 * MILLISECOND))

    def _slow_link(self, aim: Aim) -> bool:
        return self._change(aim, Rule(aim.rng.choice((100, 1_000)) * MILLISECOND, 300 * MILLISECOND))

    def _thin_link(self, aim: Aim) -> bool:
        """So little bandwidth that a busy link falls behind."""
        return self._change(aim, replace(self._world.settings.rule, bytes_per_s=aim.rng.choice((5_000, 50_000))))

    def _corrupt_link(self, aim: Aim) -> bool:
        rule = replace(self._world.settings.rule, corrupt_ppm=aim.rng.choice((10_000, 200_000)), corrupt_header=aim.rng.random() < 0.5)
        return self._change(aim, rule)

    def _drop_first(self, aim: Aim) -> bool:
        """The first frames of some types are lost in each term: what is sent once must be sent again."""
        types = [name for name in self._world.engine.messages if aim.rng.random() < 0.4]
        ordinary = self._world.settings.rule
        return self._change(aim, Rule(drop_ppm=PPM, only=frozenset(types), first=aim.rng.randint(1, 3), other=ordinary))

    def _reset(self, aim: Aim) -> bool:
        """A connection breaks and both ends hear of it, though both live on."""
        names = aim.shuffled()[:2]
        if len(names) < 2:
            return False
        aim.at_names(names)
        self._world.hint(names[0], names[1])
        self._world.hint(names[1], names[0])
        return True

    def _heal(self, aim: Aim) -> bool:
        aim.at(*self._world.nodes.values())
        self._world.network.heal()
        self._world.slow_disks.clear()
        return True
