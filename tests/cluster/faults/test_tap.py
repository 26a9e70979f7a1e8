"""What a tap says of each frame is what became of it."""

import pytest

from quorate.cluster.faults.fault import Fault, Mode
from quorate.cluster.faults.tap import Flight, Tap
from quorate.protocols.raft.messages import Append, Heartbeat
from quorate.protocols.simulation.policy import Rule
from tests.cluster.faults.lines import MS, Line
from tests.cluster.faults.test_control import Api, api  # noqa: F401  a fixture
from tests.cluster.faults.test_network import until

PPM = 1_000_000
END_NS = 1 << 62


def tapped(fault: Fault | None = None, *, mode: Mode = Mode.MESSAGE, keep: int = 100) -> Line:
    line = Line(fault, mode=mode)
    line.link.tap = Tap(line.timing, keep)
    return line


def told(line: Line) -> list[tuple[int, str, float, float | None]]:
    """(number, fate, sent, arrived), in ms since the beginning."""
    assert line.link.tap is not None

    def ms(ns: int) -> float:
        return round((ns - 1_000 * MS) / MS, 3)

    flights = line.link.tap.flights(0, END_NS)
    return [(each.number, each.fate, ms(each.sent_ns), None if each.arrived_ns is None else ms(each.arrived_ns)) for each in flights]


def test_a_frame_of_an_open_link_is_told_with_its_type_and_term() -> None:
    line = tapped()
    line.send(Heartbeat(7, 0, 1), Append(8, 1, 1, 1, 1, []))

    assert line.link.tap is not None
    now_ns = line.timing.now_ns()
    assert [
        Flight("n1>n2", "Heartbeat", 7, 1, now_ns, now_ns, "delivered"),
        Flight("n1>n2", "Append", 8, 2, now_ns, now_ns, "delivered"),
    ] == line.link.tap.flights(0, END_NS)


def test_nothing_is_seen_where_nobody_asks() -> None:
    line = Line()
    frames = []
    put = line.pipe.put
    line.pipe.put = lambda some: (frames.extend(some), put(some))  # type: ignore[method-assign, assignment, func-returns-value]
    line.beats(3)

    assert [None] * 3 == [frame.seen for frame in frames]
    assert list(range(3)) == line.rounds()


def test_delays_and_losses_are_told() -> None:
    slow, lossy = tapped(Fault(Rule(delay_ns=20 * MS))), tapped(Fault(Rule(drop_ppm=PPM)))
    for line in (slow, lossy):
        line.beats(1)
        line.timing.pass_ms(5)
        line.beats(1)
    assert [(1, "under way", 0.0, None), (2, "under way", 5.0, None)] == told(slow)
    slow.timing.pass_ms(100)

    assert [(1, "delivered", 0.0, 20.0), (2, "delivered", 5.0, 25.0)] == told(slow)
    assert [(1, "dropped", 0.0, None), (2, "dropped", 5.0, None)] == told(lossy)


def test_a_second_copy_is_told_as_one_of_the_same_number() -> None:
    line = tapped(Fault(Rule(duplicate_ppm=PPM, delay_ns=10 * MS)))
    line.beats(1)
    line.timing.pass_ms(100)

    assert [(1, "delivered"), (1, "duplicated")] == [(number, fate) for number, fate, _, _ in told(line)]
    assert all(arrived is not None for _, _, _, arrived in told(line))


def test_damage_is_told() -> None:
    line = tapped(Fault(Rule(corrupt_ppm=PPM)))
    line.beats(1)

    assert [(1, "corrupted", 0.0, 0.0)] == told(line)


def test_what_waited_behind_a_cut_is_held_and_arrives_later() -> None:
    line = tapped(Fault(Rule(cut=True, stream=True)), mode=Mode.STREAM)
    line.beats(2)
    assert [(1, "held", 0.0, None), (2, "held", 0.0, None)] == told(line)
    line.timing.pass_ms(40)
    line.link.open()
    line.timing.pass_ms(1)

    assert [(1, "held", 0.0, 40.0), (2, "held", 0.0, 40.0)] == told(line)


def test_a_frame_that_is_torn_never_arrives() -> None:
    line = tapped(Fault(tear_ppm=PPM))
    line.beats(1)

    assert [(1, "dropped", 0.0, None)] == told(line)


def test_what_is_under_way_when_its_connection_ends_arrives_on_the_next_one_or_not_at_all() -> None:
    carried, strange = tapped(Fault(Rule(delay_ns=20 * MS))), tapped(Fault(Rule(delay_ns=20 * MS)))
    for line, identity in ((carried, "the same two"), (strange, "others")):
        line.beats(1)
        line.sink.end = "closed"
        line.pipe.sink_ended()
        line.connect(identity)
        line.timing.pass_ms(50)

    assert [(1, "delivered", 0.0, 20.0)] == told(carried)
    assert [(1, "dropped", 0.0, None)] == told(strange)


def test_what_a_stream_has_under_way_when_it_ends_is_lost() -> None:
    line = tapped(Fault(Rule(delay_ns=20 * MS, stream=True)), mode=Mode.STREAM)
    line.beats(1)
    line.sink.end = "closed"
    line.pipe.sink_ended()

    assert [(1, "dropped", 0.0, None)] == told(line)


def test_the_ring_keeps_the_newest_and_says_how_many_it_does_not() -> None:
    line = tapped(keep=10)
    for _ in range(25):
        line.beats(1)
        line.timing.pass_ms(1)

    assert line.link.tap is not None
    assert 15 == line.link.tap.missed
    assert list(range(16, 26)) == [number for number, _, _, _ in told(line)]
    between = line.link.tap.flights(1_020 * MS, 1_022 * MS)
    assert [21, 22, 23] == [flight.number for flight in between]


async def test_the_frames_between_nodes_are_kept_from_the_request_on_until_they_are_not(api: Api) -> None:  # noqa: F811
    status, refused = await api.ask("GET", "/frames")
    assert (400, "no frames are kept; begin it with PUT /frames") == (status, refused["error"]["message"])
    status, begun = await api.ask("PUT", "/frames", {"keep": 50, "links": ["n1>*"]})
    assert (200, {"keep": 50, "links": ["n1>n2", "n1>n3"]}) == (status, begun)
    for destination in ("n2", "n3"):
        api.world.send("n1", destination, Heartbeat(4, 0, 9))
    api.world.send("n2", "n1", Heartbeat(4, 0, 9))
    await until(lambda: all(api.world.got(node) for node in api.world.nodes))
    _, body = await api.ask("GET", "/frames")

    rows = [dict(zip(body["columns"], row)) for row in body["frames"]]
    assert {("n1>n2", "Heartbeat", 4, 1, "delivered"), ("n1>n3", "Heartbeat", 4, 1, "delivered")} == {
        (row["link"], row["type"], row["term"], row["number"], row["fate"]) for row in rows
    }
    assert all(row["sent_ns"] <= row["arrived_ns"] <= body["now_ns"] for row in rows)
    assert 0 == body["missed"]
    _, later = await api.ask("GET", f"/frames?from_ns={body['now_ns']}")
    assert [] == later["frames"]
    assert 200 == (await api.ask("DELETE", "/frames"))[0]
    assert 400 == (await api.ask("GET", "/frames"))[0]
    assert [None] * len(api.world.proxy.links) == [link.tap for link in api.world.proxy.links.values()]


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("PUT", "/frames", {"keep": 0}, "keep: Input should be greater than or equal to 1"),
        ("PUT", "/frames", {"links": ["n1>n9"]}, "no node 'n9'"),
        ("PUT", "/frames", {"colour": "red"}, "colour: no such field"),
        ("GET", "/frames?from_ns=soon", None, "from_ns and until_ns: nanoseconds"),
    ],
)
async def test_a_wrong_request_for_frames_is_answered_with_what_is_wrong(
    api: Api,  # noqa: F811
    method: str,
    path: str,
    body: object,
    message: str,
) -> None:
    await api.ask("PUT", "/frames", {})
    status, answer = await api.ask(method, path, body)

    assert 400 == status
    assert message in answer["error"]["message"]
