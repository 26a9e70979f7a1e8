"""Single-decree Paxos, run anew for each value by one proposer that nobody disturbs: what a log of it would cost without Multi-Paxos.

The rule it keeps: as for engines, a node sends itself nothing, what an answer says is durable before it leaves, and every message and
fsync takes its fixed time. Each acceptor tells the proposer alone; who else wants to know costs more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from quorate.protocols.paxos import Accept, Accepted, Acceptor, Prepare, Promise, Proposer, Refused
from quorate.protocols.simulation.measuring.commits import Cost
from quorate.protocols.simulation.measuring.rig import COUNTABLE, VALUE
from quorate.protocols.simulation.schedule import Schedule

Said = Prepare | Promise | Accept | Accepted | Refused


@dataclass(slots=True)
class Instance:
    """One value, from the client's request to the proposer's knowing that it is chosen."""

    nodes: int
    size: Callable[[Said], int]
    schedule: Schedule
    sent: list[Said]
    fsyncs: int = 0
    took_ns: int = -1

    def run(self) -> None:
        names = [f"n{number}" for number in range(1, self.nodes + 1)]
        acceptors = {name: Acceptor() for name in names}
        proposer, own = Proposer(1, names, VALUE), names[0]

        def tell(message: Prepare | Accept) -> None:
            for name in names:
                self._send(message, lambda name=name: answer(name, message), local=name == own)  # type: ignore[misc]

        def answer(name: str, message: Prepare | Accept) -> None:
            said = acceptors[name].receive(message)
            assert said.write is not None, said  # a new ballot's first message
            self._sync(lambda: self._send(said.reply, lambda: hear(name, said.reply), local=name == own))

        def hear(name: str, reply: Promise | Accepted | Refused) -> None:
            say = proposer.receive(name, reply)
            if say is not None:
                tell(say)
            if proposer.chosen is not None and self.took_ns < 0:
                self.took_ns = self.schedule.now

        prepare = proposer.begin()
        self._sync(lambda: tell(prepare))  # its round is durable before it is used
        while self.schedule.step():
            pass

    def _sync(self, then: Callable[[], None]) -> None:
        self.fsyncs += 1
        self.schedule.after(COUNTABLE.fsync_ns, then)

    def _send(self, message: Said, then: Callable[[], None], *, local: bool) -> None:
        if local:
            self.schedule.after(0, then)
            return
        self.sent.append(message)
        self.schedule.after(COUNTABLE.message_ns, then)


def basic(size: Callable[[Said], int], nodes: int = 3) -> Cost:
    """What one value costs."""
    one = Instance(nodes, size, Schedule(Random("basic")), [])
    one.run()
    delays, rest_ns = divmod(one.took_ns, COUNTABLE.message_ns)
    kinds = [type(message).__name__ for message in one.sent]
    return Cost(
        delays,
        rest_ns // COUNTABLE.fsync_ns,
        False,
        len(one.sent),
        sum(map(size, one.sent)),
        one.fsyncs,
        {kind: kinds.count(kind) for kind in sorted(set(kinds))},
    )
