"""Frames are found however the bytes come, and are passed on byte for byte."""

from random import Random

import msgpack
import pytest

from quorate.cluster.faults.framing import ClientFramer, NotFrames, PeerFramer, RawFramer, describe
from quorate.cluster.wire.codec import encode, shape_of
from quorate.cluster.wire.rpc import PEER_FRAME_MAX
from quorate.protocols.core.messages import TAGS
from quorate.protocols.raft.messages import Append, Heartbeat, HeartbeatReply, Vote
from tests.cluster.faults.lines import packed

HELLO = bytes(msgpack.packb((0, 0, "hello", (1, "demo", "n1", "n2", 3, "disk", -1, "127.0.0.1:1"))))


def test_any_cutting_of_the_bytes_gives_the_same_frames() -> None:
    messages = [Heartbeat(7, 1, 2), Append(8, 1, 7, 1, 3, b"x" * 70_000), Vote(300, 5, 4, False), HeartbeatReply(70_000, 1, 2)]
    stream = HELLO + b"".join(map(packed, messages))
    expected = [HELLO, *map(packed, messages)]
    rng = Random(5)
    for _ in range(30):
        framer, got, at = PeerFramer(), [], 0
        while at < len(stream):
            size = rng.choice((1, 2, 3, 50, 1_000, 65_536))
            got += framer.feed(stream[at : at + size])
            at += size

        assert expected == [frame.data for frame in got]
        assert [("hello", 0), ("Heartbeat", 7), ("Append", 8), ("Vote", 300), ("HeartbeatReply", 70_000)] == [
            (frame.kind, frame.term) for frame in got
        ]


def test_the_payload_of_a_message_is_the_end_of_its_frame() -> None:
    message = Append(1, 0, 0, 0, 1, b"entries")
    [frame] = PeerFramer().feed(packed(message))

    assert encode(message) == frame.data[-frame.payload_size :]


def test_every_message_that_engines_send_has_its_name_as_type() -> None:
    assert len(TAGS) > 10
    for tag, kind in TAGS.items():
        fields = len(shape_of(kind).names)

        assert kind.__name__ == describe(bytes(msgpack.packb([tag, *[1] * fields])))[0]


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x91\xcd", b"\x92\x06\xff", b"\x80", b"\x92\xcd\xff\xff\x01", b"\xdc\x00"])
def test_a_payload_that_is_no_message_is_unknown(payload: bytes) -> None:
    assert describe(payload)[0] in ("unknown", "Append")


@pytest.mark.parametrize("garbage", [b"\xc1", b"\xdd\xff\xff\xff\xff"])
def test_garbage_is_no_frame(garbage: bytes) -> None:
    with pytest.raises(NotFrames, match="not msgpack-RPC"):
        PeerFramer().feed(packed(Heartbeat(1, 1, 1)) + garbage)


def test_a_frame_that_never_ends_is_refused_at_the_size_that_nodes_refuse() -> None:
    framer = PeerFramer()
    framer.feed(b"\xc6" + (PEER_FRAME_MAX + 1).to_bytes(4, "big"))
    piece = bytes(1 << 20)
    with pytest.raises(NotFrames):
        for _ in range(PEER_FRAME_MAX // len(piece) + 2):
            framer.feed(piece)


def test_client_frames_have_the_method_as_type() -> None:
    stream = b"".join(map(msgpack.packb, [(0, 1, "put", ("k", b"v")), (1, 1, None, [5]), (2, "watched", [])]))

    assert ["put", "reply", "watched"] == [frame.kind for frame in ClientFramer().feed(stream)]


def test_bytes_of_an_unknown_protocol_are_taken_as_they_come() -> None:
    assert [b"GET /"] == [frame.data for frame in RawFramer().feed(b"GET /")]
