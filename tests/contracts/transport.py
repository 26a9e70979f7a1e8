"""What every Transport keeps, the real one and the simulated one: subclass TransportContract and give it a `world` fixture.

The port: best effort, one way, bounded queue, never blocks; a full queue drops the newest and counts it.
"""

from typing import Protocol

from quorate.protocols.core import Message, NodeId, Transport, message


@message(65101)
class Numbered(Message):
    """Stands for an engine's message in the contract."""

    number: int


class TransportWorld(Protocol):
    """A sender, two peers, "near" and "far", and a healthy network that keeps order between them."""

    transport: Transport
    queue_max: int
    """How many messages wait for one peer before the newest is dropped. A test's world makes it small."""

    @property
    def dropped(self) -> int:
        """How many messages the transport says it dropped."""

    def hold(self, peer: NodeId) -> None:
        """From now on nothing leaves for this peer: its connection takes no more bytes, or does not exist yet."""

    async def release(self, peer: NodeId) -> None:
        """End a hold and let everything that waits arrive."""

    async def arrived(self, peer: NodeId) -> list[Message]:
        """Let everything that was sent arrive; all that this peer has got so far, in order of arrival."""


class TransportContract:
    """The tests. `send` is no coroutine, so a transport that waited for a peer inside it would hang here."""

    async def test_what_is_sent_on_a_healthy_network_arrives(self, world: TransportWorld) -> None:
        world.transport.send("near", Numbered(1))

        assert [Numbered(1)] == await world.arrived("near")

    async def test_each_peer_gets_its_own_messages_only(self, world: TransportWorld) -> None:
        world.transport.send("near", Numbered(1))
        world.transport.send("far", Numbered(2))

        assert [Numbered(1)] == await world.arrived("near")
        assert [Numbered(2)] == await world.arrived("far")

    async def test_what_waited_for_a_peer_arrives_once_it_can(self, world: TransportWorld) -> None:
        world.hold("near")
        world.transport.send("near", Numbered(1))
        await world.release("near")

        assert [Numbered(1)] == await world.arrived("near")

    async def test_a_full_queue_drops_the_newest_and_counts_it(self, world: TransportWorld) -> None:
        world.hold("near")
        for number in range(10 * world.queue_max):
            world.transport.send("near", Numbered(number))
        dropped = world.dropped
        await world.release("near")
        arrived = await world.arrived("near")

        assert 0 < dropped < 10 * world.queue_max
        assert 10 * world.queue_max == dropped + len(arrived)
        assert [Numbered(number) for number in range(len(arrived))] == arrived

    async def test_a_full_queue_to_one_peer_holds_up_no_other(self, world: TransportWorld) -> None:
        world.hold("near")
        for number in range(2 * world.queue_max):
            world.transport.send("near", Numbered(number))
        world.transport.send("far", Numbered(7))

        assert [Numbered(7)] == await world.arrived("far")

    async def test_after_a_full_queue_has_drained_messages_pass_again(self, world: TransportWorld) -> None:
        world.hold("near")
        for number in range(2 * world.queue_max):
            world.transport.send("near", Numbered(number))
        await world.release("near")
        before, dropped = len(await world.arrived("near")), world.dropped
        world.transport.send("near", Numbered(99))

        assert [Numbered(99)] == (await world.arrived("near"))[before:]
        assert dropped == world.dropped

    async def test_a_message_to_nobody_is_no_error(self, world: TransportWorld) -> None:
        world.transport.send("stranger", Numbered(1))
        world.transport.send("near", Numbered(2))

        assert [Numbered(2)] == await world.arrived("near")
