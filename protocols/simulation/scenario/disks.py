"""Verbs for disks and snapshots."""

from quorate.protocols.simulation.scenario.language import Words, verb
from quorate.protocols.simulation.scenario.scene import Scene


@verb("hold NODE")
def hold(scene: Scene, words: Words) -> None:
    """NODE's disk syncs nothing until `sync`."""
    words.node().disk.held = True


@verb("sync NODE [COUNT]")
def sync(scene: Scene, words: Words) -> None:
    """NODE's disk syncs all that has gathered and goes on; with COUNT only so many batches, and holds on."""
    node = words.node()
    node.disk.release(words.number("COUNT", least=1) if words.more else None)


@verb("snapshot NODE")
def snapshot(scene: Scene, words: Words) -> None:
    """NODE takes a snapshot of its state, and compacts its log when that is durable."""
    node = words.running()
    done = node.snapshots.freeze()
    scene.say(node.name, f"takes a snapshot at {node.machine.applied}" if done else "has nothing durable to take a snapshot of")


def finish(scene: Scene, *, broken: bool) -> None:
    transfers, scene.stage.transfers = scene.stage.transfers, []
    for source, transfer, image in transfers:
        scene.stage.finish(source, source.incarnation, transfer, image, broken)


@verb("stream")
def stream(scene: Scene, words: Words) -> None:
    """All snapshot transfers under way reach their end."""
    finish(scene, broken=False)


@verb("break")
def break_(scene: Scene, words: Words) -> None:
    """All snapshot transfers under way fail."""
    finish(scene, broken=True)
