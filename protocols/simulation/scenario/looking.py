"""Verbs that print what is so, or demand it."""

from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.scenario.language import Unmet, Words, verb
from quorate.protocols.simulation.scenario.scene import Scene
from quorate.protocols.simulation.trace import describe_entries

NOBODY = "nobody"


def told(node: Node) -> str:
    """What a node is, in one line."""
    if node.core is None:
        return "down"
    status = node.core.status
    members = status.configuration
    learners = [one.name for one in members.members if not one.voter]
    return (
        f"{status.role} term={status.term} leader={status.leader or '-'} commit={status.commit} applied={node.machine.applied} "
        f"log={status.first}..{status.last} durable={status.durable} voters={','.join(sorted(members.voters))}"
        + (f" learners={','.join(learners)}" if learners else "")
    )


@verb("state [NODE...]")
def state(scene: Scene, words: Words) -> None:
    """Print what these nodes, or all, are."""
    for name in words.names():
        scene.say(name, told(scene.nodes[name]))


@verb("log [NODE...]")
def log(scene: Scene, words: Words) -> None:
    """Print what the logs of these nodes, or of all, hold."""
    for name in words.names():
        fold = scene.nodes[name].written
        base = f"snapshot {fold.base}/{fold.snapshot.term} " if fold.snapshot is not None else ""
        scene.say(name, base + describe_entries(fold.entries[index] for index in sorted(fold.entries)))


@verb("expect leader|term|committed|voters|down|agreement ...")
def expect(scene: Scene, words: Words) -> None:
    """Fail unless it is so: `leader NODE` or `leader nobody`; `term NUMBER`, `committed INDEX` on the NODEs that follow, or on all that
    run; `voters NODE...` by what the leader knows; `down NODE...`; `agreement`: all that run have applied the same. Prints nothing."""
    match words.one_of("what to expect", ("leader", "term", "committed", "voters", "down", "agreement")):
        case "leader":
            wanted, leader = words.word("NODE or nobody"), scene.stage.leader()
            demand(wanted if wanted == NOBODY else words.known(wanted), NOBODY if leader is None else leader.name, "the leader")
        case "term":
            each(scene, words, words.number("NUMBER"), "term")
        case "committed":
            each(scene, words, words.number("INDEX"), "commit")
        case "voters":
            leader = scene.stage.leader()
            known = () if leader is None or leader.core is None else leader.core.configuration.voters
            demand(sorted(words.names()), sorted(known), "the voters")
        case "down":
            for name in words.names():
                demand("down", told(scene.nodes[name]), name)
        case _:
            digests = {name: (node.machine.applied, node.machine.digest) for name, node in scene.nodes.items() if node.core is not None}
            if len(set(digests.values())) > 1:
                raise Unmet("applied are " + ", ".join(f"{applied} on {name}" for name, (applied, _) in digests.items()))


def each(scene: Scene, words: Words, wanted: int, field: str) -> None:
    for name in words.names() if words.more else [name for name, node in scene.nodes.items() if node.core is not None]:
        node = scene.nodes[name]
        demand(wanted, "down" if node.core is None else getattr(node.core.status, field), f"{field} of {name}")


def demand(wanted: object, found: object, what: str) -> None:
    if wanted != found:
        raise Unmet(f"{what} is {show(found)}, not {show(wanted)}")


def show(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)
