"""Verbs for what clients and administrators ask of a node, and the answers that they get.

TARGET need not be a node that there is: what becomes of such a request is for the engine to say.
"""

from collections.abc import Callable
from dataclasses import replace

from quorate.protocols.core import AddLearner, Change, Configuration, Member, NodeId, Promote, PromoteByHand, Remove
from quorate.protocols.simulation.scenario.language import Mistake, Words, verb
from quorate.protocols.simulation.scenario.scene import Scene
from quorate.protocols.simulation.workload import Operation, Outcome
from quorate.protocols.simulation.world import member


def ask(scene: Scene, name: NodeId, operation: Operation) -> None:
    if not scene.stage.request(name, operation):
        scene.say(name, "is down")


def answer_to(scene: Scene, label: str) -> Callable[[Operation, Outcome, NodeId | None], None]:
    def settle(operation: Operation, outcome: Outcome, leader: NodeId | None) -> None:
        where = f" at {operation.index}" if operation.index else ""
        scene.say(operation.node, f"answers {label}: {outcome.value}{where}" + (f", ask {leader}" if leader else ""))

    return settle


@verb("propose NODE VALUE")
def propose(scene: Scene, words: Words) -> None:
    """Ask NODE to replicate VALUE."""
    node, value = words.node(), words.word("VALUE")
    ask(scene, node.name, Operation("write", answer_to(scene, f'"{value}"'), data=value.encode()))


@verb("read NODE")
def read(scene: Scene, words: Words) -> None:
    """Ask NODE for a read barrier."""
    ask(scene, words.node().name, Operation("read", answer_to(scene, "a read")))


@verb("lease NODE")
def lease(scene: Scene, words: Words) -> None:
    """Ask NODE for a read barrier, by its lease where it may."""
    ask(scene, words.node().name, Operation("lease", answer_to(scene, "a lease read")))


@verb("transfer NODE TARGET")
def transfer(scene: Scene, words: Words) -> None:
    """Ask NODE to hand its leadership over to TARGET."""
    node, target = words.node(), words.word("TARGET")
    ask(scene, node.name, Operation("transfer", answer_to(scene, f"the transfer to {target}"), to=target))


@verb("change NODE add|promote|promote_by_hand|remove TARGET [promote]")
def change(scene: Scene, words: Words) -> None:
    """Ask NODE to add TARGET as a learner (and promote it as soon as it has caught up), to promote a learner, to be primary itself whatever
    that loses, or to remove a member."""
    node = words.node()
    what = words.one_of("the change", ("add", "promote", "promote_by_hand", "remove"))
    wanted: Change
    if what == "add":
        target = words.word("TARGET")
        if target[0] != "n" or not target[1:].isdecimal():
            raise Mistake(f"a node's name is n and its number, not {target!r}")
        promote = words.more and words.one_of("the rest", ("promote",)) == "promote"
        known = scene.nodes.get(target)
        if known is None:
            joining = replace(member(int(target[1:]), voter=False), promote=promote)
            scene.stage.start(scene.stage.add(joining, Configuration()))
        else:  # with the number and the disk that it has now
            joining = Member(target, known.number, storage=known.storage, voter=False, promote=promote)
        wanted = AddLearner(joining)
    else:
        target = words.word("TARGET")
        kinds: dict[str, Callable[[NodeId], Change]] = {"promote": Promote, "promote_by_hand": PromoteByHand, "remove": Remove}
        wanted = kinds[what](target)
    ask(scene, node.name, Operation("change", answer_to(scene, f"{what} {target}"), change=wanted))
