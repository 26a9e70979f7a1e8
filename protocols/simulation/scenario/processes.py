"""Verbs for processes and their clocks: begin, pass time, elect, crash, restart, pause."""

from inspect import signature

from quorate.protocols.core import NodeId
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.scenario.language import Mistake, Words, number, verb
from quorate.protocols.simulation.scenario.links import deliver_all
from quorate.protocols.simulation.scenario.scene import Scene

NODES_MAX = 9
TICKS_MAX = 10_000
"""One command must not run for minutes."""
CAMPAIGN_TICKS_MAX = 1_000
DRIFT_PPM_MAX = 900_000
"""Beyond it a clock nearly stands still, or runs twice as fast: no drift any more."""


@verb("cluster COUNT [OPTION=FIGURE...] [NODE.OPTION=FIGURE...]")
def cluster(scene: Scene, words: Words) -> None:
    """Start n1 to nCOUNT, the engine made with these options; with a node's name before it, an option is that node's alone."""
    count = words.number("how many nodes", least=1)
    if count > NODES_MAX:
        raise Mistake(f"a scenario has {NODES_MAX} nodes at most, not {count}")
    every: dict[str, int] = {}
    own: dict[NodeId, dict[str, int]] = {}
    for word in words.rest():
        key, equals, figure = word.partition("=")
        name, dot, option = key.rpartition(".")
        known = list(signature(scene.engine.configure).parameters)
        if not equals or option not in known:
            raise Mistake(f"{word!r} is no option=figure; the options of {scene.engine.name} are {' '.join(known)}")
        (own.setdefault(name, {}) if dot else every)[option] = number(figure, option, least=-1)
    try:
        scene.raise_curtain(count, every, own)
    except ValueError as error:
        raise Mistake(str(error)) from None


# --- time ---


def pass_tick(scene: Scene, node: Node) -> None:
    node.clock.jump(node.clock.tick_ns)
    if not node.paused:
        node.turn()
    scene.let_happen()


@verb("tick NODE [COUNT]")
def tick(scene: Scene, words: Words) -> None:
    """COUNT ticks pass on NODE, one turn each. Without COUNT, one."""
    node = words.running()
    for _ in range(words.number("COUNT", otherwise=1)):
        pass_tick(scene, node)


@verb("jump NODE COUNT")
def jump(scene: Scene, words: Words) -> None:
    """NODE's clock goes COUNT ticks ahead at once, or back: its next turn finds that out, as after its process stood still."""
    clock = words.node().clock
    clock.jump(words.number("COUNT", least=-TICKS_MAX) * clock.tick_ns)


@verb("drift NODE PPM")
def drift(scene: Scene, words: Words) -> None:
    """From now on NODE's clock runs PPM parts in a million faster (slower if negative) than true time, which `wait` and `run` let pass."""
    node = words.node()
    rate = words.number("PPM", least=-DRIFT_PPM_MAX)
    if rate > DRIFT_PPM_MAX:
        raise Mistake(f"PPM is at most {DRIFT_PPM_MAX}, not {rate}")
    node.clock.drift(scene.stage.schedule.now, rate)


@verb("wait COUNT")
def wait(scene: Scene, words: Words) -> None:
    """COUNT ticks of true time pass: every running node takes a turn at each tick of its own clock, and disks get done what is due.
    No message arrives."""
    for _ in range(ticks(words)):
        pass_time(scene)


@verb("run COUNT")
def run(scene: Scene, words: Words) -> None:
    """COUNT ticks of true time pass, and after each of them every message arrives."""
    for _ in range(ticks(words)):
        pass_time(scene)
        deliver_all(scene)


def ticks(words: Words) -> int:
    count = words.number("COUNT")
    if count > TICKS_MAX:
        raise Mistake(f"COUNT is at most {TICKS_MAX}, not {count}")
    return count


def pass_time(scene: Scene) -> None:
    """One tick of true time."""
    stage = scene.stage
    end = stage.schedule.now + stage.settings.tick_ns

    def keep(node: Node) -> None:
        due = node.clock.until_next_ns(stage.schedule.now)
        if stage.schedule.now + due <= end:
            stage.schedule.after(due, strike, node)

    def strike(node: Node) -> None:
        if node.core is not None:
            if not node.paused:
                node.turn()
            keep(node)

    for node in stage.nodes.values():
        if node.core is not None:
            keep(node)
    stage.schedule.run_until(end)
    scene.let_happen()


# --- elections ---


ASKING = ("candidate", "precandidate", "looking")
"""The engines' words for a node that asks for votes."""


def ask_for_votes(scene: Scene, node: Node) -> None:
    for _ in range(CAMPAIGN_TICKS_MAX):
        if node.core is None or node.core.status.role in ASKING or node.core.leader == node.name:
            return
        pass_tick(scene, node)
    scene.say(node.name, f"asks for no votes in {CAMPAIGN_TICKS_MAX} ticks")


@verb("campaign NODE")
def campaign(scene: Scene, words: Words) -> None:
    """Ticks pass on NODE until it asks for votes."""
    ask_for_votes(scene, words.running())


@verb("elect NODE")
def elect(scene: Scene, words: Words) -> None:
    """Ticks pass on NODE until it asks for votes, then every message arrives; prints only who leads then."""
    node, trace = words.running(), scene.stage.trace
    trace.on = False
    try:
        ask_for_votes(scene, node)
        deliver_all(scene)
    finally:
        trace.on = True
    leader = scene.stage.leader()
    scene.say("--", "nobody leads" if leader is None else f"{leader.name} leads term {leader.leads}")


# --- life and death ---


@verb("crash NODE")
def crash(scene: Scene, words: Words) -> None:
    """NODE's process dies; all that it had written turns out to be on its disk."""
    node = words.running()
    node.disk.flush()
    scene.stage.crash(node)


@verb("lose NODE")
def lose(scene: Scene, words: Words) -> None:
    """NODE's process dies, and its disk keeps nothing that was not synced."""
    node = words.running()
    node.disk.discard()
    scene.stage.crash(node)


@verb("restart NODE")
def restart(scene: Scene, words: Words) -> None:
    """NODE, which is down, starts again from what its disk holds."""
    node = words.node()
    if node.core is not None:
        raise Mistake(f"{node.name} is running")
    scene.stage.start(node)


@verb("pause NODE")
def pause(scene: Scene, words: Words) -> None:
    """NODE's process stands still (SIGSTOP): what arrives waits in front of it."""
    words.running().paused = True


@verb("resume NODE")
def resume(scene: Scene, words: Words) -> None:
    """NODE's process, which was paused, goes on."""
    node = words.running()
    if not node.paused:
        raise Mistake(f"{node.name} is not paused")
    node.resume()
