"""Two replicas between which a snapshot goes, every message of it through the test's hands."""

from pathlib import Path

from quorate.protocols.core import Message
from tests.cluster.runtime.world import World

BIG = [b"%06d" % i + b"x" * 1_017 for i in range(700)]
"""About three chunks."""


def files_of(world: World) -> list[Path]:
    """What its snapshot store holds."""
    return sorted(Path(world.store.directory).iterdir())


class Pair:
    """A sender "n1" with a snapshot, and a receiver "n2"; every message between them passes through the test's hands."""

    def __init__(self, path: Path) -> None:
        self.sender, self.receiver = World(path / "sender"), World(path / "receiver")
        self.lost: list[Message] = []

    async def begin(self) -> "Pair":
        await self.sender.begin()
        await self.receiver.begin()
        await self.sender.commit_words(*BIG)
        self.snapshot = await self.sender.work.take()
        return self

    def offer(self) -> None:
        self.sender.work.send("n2", self.snapshot)

    def pass_one(self, *, lose: bool = False) -> Message:
        """The next message arrives, or is lost."""
        for source, name, target in ((self.sender, "n1", self.receiver), (self.receiver, "n2", self.sender)):
            if source.sent:
                _, message = source.sent.pop(0)
                if lose:
                    self.lost.append(message)
                else:
                    target.replica.receive(name, message)
                return message
        raise AssertionError("nothing is under way")

    async def pass_all(self) -> list[str]:
        """Everything that is under way, and all that follows from it; the kinds of messages in order."""
        kinds = []
        while self.sender.sent or self.receiver.sent or self.receiver.tasks:
            while self.sender.sent or self.receiver.sent:
                kinds.append(type(self.pass_one()).__name__)
            await self.receiver.finish()
        return kinds

    def look(self, passed_ms: int) -> None:
        for _ in range(passed_ms // 100):
            self.sender.look()
            self.receiver.look()

    def received(self) -> list[tuple[object, ...]]:
        return self.receiver.core.all("received")

    def transferred(self) -> list[tuple[object, ...]]:
        return self.sender.core.all("transferred")
