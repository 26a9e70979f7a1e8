"""Verbs for links and the messages under way on them. The shapes of partial connectivity are those of protocols/simulation/shapes.py."""

from quorate.protocols.core import Message, NodeId
from quorate.protocols.simulation import shapes
from quorate.protocols.simulation.scenario.language import Mistake, Words, verb
from quorate.protocols.simulation.scenario.scene import Scene
from quorate.protocols.simulation.trace import describe

SETTLE_ROUNDS_MAX = 200
"""A scenario that needs longer does not settle at all."""
SIDES = "/"
"""What stands between two groups of nodes."""

Waiting = tuple[NodeId, NodeId, Message]


# --- messages ---


def matching(scene: Scene, words: Words) -> list[Waiting]:
    """The messages under way on the links that the words name; all without words."""
    waiting = scene.stage.mailbox.waiting
    if not words.more:
        return list(waiting)
    pairs = words.pairs()
    return [one for one in waiting if one[:2] in pairs]


def hand_over(scene: Scene, messages: list[Waiting]) -> None:
    for one in messages:
        scene.stage.mailbox.waiting.remove(one)
        scene.stage.deliver(*one)
        scene.let_happen()


def deliver_all(scene: Scene) -> None:
    """Until nothing is under way."""
    for _ in range(SETTLE_ROUNDS_MAX):
        scene.let_happen()
        if not scene.stage.mailbox.waiting:
            return
        hand_over(scene, list(scene.stage.mailbox.waiting))
    scene.say("--", f"still not settled after {SETTLE_ROUNDS_MAX} rounds")


@verb("deliver [LINK...]")
def deliver(scene: Scene, words: Words) -> None:
    """The messages under way arrive; what the nodes then send does not yet."""
    hand_over(scene, matching(scene, words))


@verb("settle")
def settle(scene: Scene, words: Words) -> None:
    """Messages arrive until none is under way."""
    deliver_all(scene)


@verb("drop [LINK...]")
def drop(scene: Scene, words: Words) -> None:
    """The messages under way are lost."""
    for one in matching(scene, words):
        scene.stage.mailbox.waiting.remove(one)
        scene.say("--", f"lost {one[0]}>{one[1]} {describe(one[2])}")


@verb("duplicate [LINK...]")
def duplicate(scene: Scene, words: Words) -> None:
    """The messages under way are under way twice."""
    scene.stage.mailbox.waiting += matching(scene, words)


@verb("waiting")
def waiting(scene: Scene, words: Words) -> None:
    """Print which messages are under way."""
    for source, destination, message in scene.stage.mailbox.waiting:
        scene.say(f"{source}>{destination}", describe(message))


# --- connectivity ---


@verb("cut LINK...")
def cut(scene: Scene, words: Words) -> None:
    """What is sent on these links from now on is lost, and nobody is told; what is under way still arrives."""
    if not words.more:
        raise Mistake("the link is missing")
    scene.stage.network.cut(words.pairs())


@verb("heal [LINK...]")
def heal(scene: Scene, words: Words) -> None:
    """These links are open again; without LINK, all."""
    scene.stage.network.heal(words.pairs() if words.more else None)


@verb("isolate NODE")
def isolate(scene: Scene, words: Words) -> None:
    """Cut NODE off from all others, both ways."""
    scene.stage.network.cut(shapes.isolate(list(scene.nodes), words.node().name))


def sides(words: Words) -> tuple[list[NodeId], list[NodeId]]:
    left: list[NodeId] = []
    while (word := words.word(f"{SIDES} between two groups of nodes")) != SIDES:
        left.append(words.known(word))
    right = [words.known(name) for name in words.rest()]
    if not left or not right or set(left) & set(right):
        raise Mistake(f"two groups of nodes that have none in common stand around {SIDES}")
    return left, right


@verb("halves NODE... / NODE...")
def halves(scene: Scene, words: Words) -> None:
    """Cut two groups off from each other, both ways."""
    scene.stage.network.cut(shapes.halves(*sides(words)))


@verb("one_way NODE... / NODE...")
def one_way(scene: Scene, words: Words) -> None:
    """What the first group sends no longer arrives at the second; the way back stays open."""
    scene.stage.network.cut(shapes.one_way(*sides(words)))


@verb("bridge [NODE...]")
def bridge(scene: Scene, words: Words) -> None:
    """Two halves see each other only through the node in the middle of the list."""
    scene.stage.network.cut(shapes.bridge(words.names()))


@verb("ring [NODE...]")
def ring(scene: Scene, words: Words) -> None:
    """Every node reaches only its neighbours in the list, near enough for a majority, and no two the same ones."""
    scene.stage.network.cut(shapes.ring(words.names()))


@verb("unreachable NODE PEER")
def unreachable(scene: Scene, words: Words) -> None:
    """NODE hears that its connection to PEER broke."""
    node, peer = words.running(), words.node().name
    node.tell(lambda core: core.unreachable(peer))
