"""Verbs for disks and snapshots. What goes wrong is what protocols/simulation/disk.py says, by the names that random faults have."""

from quorate.protocols.simulation.scenario.language import Mistake, Words, verb
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


@verb("slow_disk NODE COUNT")
def slow_disk(scene: Scene, words: Words) -> None:
    """From now on each sync of NODE's disk takes COUNT ticks of true time, which `wait` and `run` let pass; 0: as before."""
    node = words.node()
    scene.stage.sync_ns[node.name] = words.number("COUNT") * scene.stage.settings.tick_ns


@verb("fail_disk NODE")
def fail_disk(scene: Scene, words: Words) -> None:
    """NODE's next sync fails (EIO): its replica stops, and says nothing more until it is restarted."""
    words.running().disk.fail()


@verb("full_disk NODE")
def full_disk(scene: Scene, words: Words) -> None:
    """NODE's disk takes no more writes (ENOSPC): its replica stops at the next one, and does not start until there is room."""
    words.node().disk.full = True


@verb("make_room NODE")
def make_room(scene: Scene, words: Words) -> None:
    """NODE's disk, which was full, has room again."""
    words.node().disk.full = False


@verb("tear NODE")
def tear(scene: Scene, words: Words) -> None:
    """NODE's process dies in the middle of a write: half of the first batch that was not synced stands behind the end of its log."""
    node = words.running()
    if not node.disk.pending:
        raise Mistake(f"{node.name} is writing nothing; `hold` keeps a batch from being synced")
    node.disk.discard()
    scene.stage.crash(node)
    node.disk.torn = 1


@verb("flip_bit NODE")
def flip_bit(scene: Scene, words: Words) -> None:
    """A bit flips in a batch of NODE's log that is not the last. Nobody notices before it starts again, which it then refuses."""
    node = words.node()
    if not node.disk.flip_bit():
        raise Mistake(f"{node.name}'s log has not two batches yet")


@verb("wipe_disk NODE")
def wipe_disk(scene: Scene, words: Words) -> None:
    """NODE, which is down, comes back with an empty disk under its old name: `change ... remove` and `change ... add` replace it."""
    node = words.node()
    if node.core is not None:
        raise Mistake(f"{node.name} is running; crash it first")
    scene.stage.wipe(node)


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
