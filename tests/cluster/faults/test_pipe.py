"""What one direction of one connection does to its frames, moment by moment."""

import pytest

from quorate.cluster.faults import pipe as pipes
from quorate.cluster.faults.fault import Fault, Mode, Slicer
from quorate.cluster.faults.framing import Frame, PeerFramer
from quorate.protocols.raft.messages import Append, Heartbeat, Vote
from quorate.protocols.simulation.policy import Jitter, Rule, decide, link_key
from tests.cluster.faults.lines import MS, Line, packed

PPM = 1_000_000


def test_an_open_link_passes_every_frame_at_once_and_byte_for_byte() -> None:
    line = Line()
    line.beats(5)

    assert list(range(5)) == line.rounds()
    assert {0.0} == set(line.times())
    assert 0 == line.events.count


def test_latency_delays_and_does_not_cap_the_bandwidth() -> None:
    line = Line(Fault(Rule(delay_ns=50 * MS)))
    for _ in range(10):
        line.beats(100)
        line.timing.pass_ms(1)
    line.timing.pass_ms(100)

    assert 1_000 == len(line.rounds())
    assert [50.0 + at for at in range(10)] == sorted(set(line.times()))


@pytest.mark.parametrize("jitter", Jitter)
def test_every_jitter_reorders_messages_and_never_a_stream(jitter: Jitter) -> None:
    reordered = Line(Fault(Rule(delay_ns=20 * MS, jitter_ns=20 * MS, jitter=jitter)))
    kept = Line(Fault(Rule(delay_ns=20 * MS, jitter_ns=20 * MS, jitter=jitter, stream=True)), mode=Mode.STREAM)
    for line in (reordered, kept):
        for _ in range(50):
            line.beats(1)
            line.timing.pass_ms(1)
        line.timing.pass_ms(5_000)

    assert 50 == reordered.link.counts.delivered == kept.link.counts.delivered
    assert reordered.link.counts.inverted > 0
    assert 0 == kept.link.counts.inverted


def test_decisions_are_those_of_the_simulators_policy() -> None:
    rule = Rule(drop_ppm=300_000, duplicate_ppm=200_000, reorder_ppm=300_000, reorder_ns=30 * MS)
    line = Line(Fault(rule), seed=77)
    line.beats(60)
    line.timing.pass_ms(1_000)

    key = link_key(77, "n1", "n2")
    due = sorted((delay, order, number) for order, number in enumerate(range(60)) for delay in decide(key, number, rule))
    assert [number for _, _, number in due] == line.rounds()
    told = [event for event in line.events.since(0) if event["event"] == "frame"]
    assert [list(decide(key, number, rule)) for number in range(60)] == [event["delays_ns"] for event in told]
    assert {"Heartbeat"} == {event["type"] for event in told}
    assert line.link.counts.dropped > 0 and line.link.counts.duplicated > 0


def test_a_cut_of_messages_loses_them_without_a_word_and_a_cut_of_a_stream_holds_them() -> None:
    lost, held = Line(Fault(Rule(cut=True))), Line(Fault(Rule(cut=True, stream=True)), mode=Mode.STREAM)
    for line in (lost, held):
        line.beats(3)
        line.timing.pass_ms(1_000)
        assert [] == line.sink.written
        line.link.open()
        line.beats(1)
        line.timing.pass_ms(1)

    assert [0] == lost.rounds()
    assert [0, 1, 2, 0] == held.rounds()
    assert "" == lost.sink.end == held.sink.end


def test_a_stream_behind_a_cut_of_one_type_holds_what_follows_too() -> None:
    line = Line(Fault(Rule(cut=True, stream=True, only=frozenset({"Vote"}))), mode=Mode.STREAM)
    line.send(Heartbeat(1, 0, 0), Vote(1, 0, 0, False))
    line.beats(1)

    assert 1 == len(line.sink.written)
    line.link.open()
    line.timing.pass_ms(1)
    assert [packed(Heartbeat(1, 0, 0)), packed(Vote(1, 0, 0, False)), packed(Heartbeat(1, 0, 0))] == [
        frame.data for frame in PeerFramer().feed(b"".join(data for _, data in line.sink.written))
    ]


def test_the_first_append_of_each_term_is_dropped() -> None:
    line = Line(Fault(Rule(drop_ppm=PPM, only=frozenset({"Append"}), first=1)))
    line.send(*(Append(term, index, term, 0, 1, b"") for term in (4, 5) for index in range(3)), Heartbeat(5, 0, 9))

    assert ["dropped", "passed", "passed", "dropped", "passed", "passed", "passed"] == [
        event["fate"] for event in line.events.since(0) if event["event"] == "frame"
    ]


def test_a_full_line_loses_messages_and_holds_back_the_source_of_a_stream() -> None:
    lost = Line(Fault(Rule(bytes_per_s=1_000_000)))
    held = Line(Fault(Rule(bytes_per_s=1_000_000, stream=True)), mode=Mode.STREAM)
    for line in (lost, held):
        line.send(*(Append(1, number, 1, 0, 1, b"x" * 100_000) for number in range(20)))
    assert lost.source.reading and lost.link.counts.dropped > 0
    assert not held.source.reading and 0 == held.link.counts.dropped
    held.timing.pass_ms(3_000)

    assert 20 == held.link.counts.delivered
    assert held.source.reading
    assert 0 == held.pipe.queued_bytes == held.pipe.queued_frames


def test_what_is_under_way_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "HELD_BYTES_MAX", 10_000)
    line = Line(Fault(Rule(delay_ns=100 * MS)))
    sent = 0
    while line.source.reading:
        line.beats(1)
        sent += 1
    assert 10_000 < line.pipe.queued_bytes < 10_100
    line.timing.pass_ms(100)

    assert line.source.reading
    assert sent == line.link.counts.delivered


def test_a_sink_that_takes_nothing_stops_the_source() -> None:
    line = Line()
    line.sink.takes = False
    line.beats(2)
    assert not line.source.reading and line.sink.wanted and not line.sink.written
    line.sink.takes = True
    line.pipe.resumed()

    assert line.source.reading
    assert [0, 1] == line.rounds()


@pytest.mark.parametrize("header", [False, True])
def test_a_damaged_frame_differs_in_one_byte_of_its_header_or_its_payload(header: bool) -> None:
    line = Line(Fault(Rule(corrupt_ppm=PPM, corrupt_header=header)))
    whole = packed(Append(1, 0, 1, 0, 1, b"x" * 100))
    for _ in range(50):
        line.send(Append(1, 0, 1, 0, 1, b"x" * 100))
    places = [[at for at, (old, new) in enumerate(zip(whole, data, strict=True)) if old != new] for _, data in line.sink.written]

    assert 50 == len(places) == line.link.counts.corrupted
    assert all(len(changed) == 1 for changed in places)
    assert all((changed[0] < 4) == header and (changed[0] >= len(whole) - 110) == (not header) for changed in places)


def test_a_torn_frame_is_cut_inside_and_the_connection_reset() -> None:
    line = Line(Fault(tear_ppm=PPM))
    line.beats(1)
    whole = packed(Heartbeat(1, 0, 0))
    [(_, written)] = line.sink.written

    assert whole.startswith(written) and 0 < len(written) < len(whole)
    assert "reset" == line.sink.end == line.source.end


def test_a_handshake_is_never_doubled_or_damaged() -> None:
    line = Line(Fault(Rule(corrupt_ppm=PPM, duplicate_ppm=PPM), tear_ppm=PPM))
    line.pipe.put([Frame(b"hello", "hello", handshake=())])

    assert [(0.0, b"hello")] == line.sink.written


def test_slices_are_written_one_by_one_and_nothing_comes_between() -> None:
    line = Line(Fault(slicer=Slicer(average_bytes=10, variation_bytes=4, delay_ns=2 * MS)))
    line.beats(3)
    line.timing.pass_ms(100)
    sizes = [len(data) for _, data in line.sink.written]

    assert [0, 1, 2] == line.rounds()
    assert 14 >= max(sizes) and len(set(line.times())) > 3
    assert len({*sizes}) > 1


def test_exactly_so_many_bytes_pass() -> None:
    whole = packed(Heartbeat(1, 0, 0))
    line = Line(Fault(close_after_bytes=2 * len(whole) + 5))
    line.beats(4)

    assert 2 * len(whole) + 5 == sum(len(data) for _, data in line.sink.written)
    assert "closed" == line.sink.end == line.source.end


def test_a_black_hole_takes_everything_and_a_stream_that_lost_bytes_so_is_reset() -> None:
    line = Line(Fault(Rule(stream=True), black_hole=True), mode=Mode.STREAM)
    line.beats(10)
    line.pipe.source_ended()
    assert [] == line.sink.written and "" == line.sink.end and line.source.reading
    line.link.open()

    assert "reset" == line.sink.end


def test_the_end_of_a_connection_is_told_late_or_after_the_cut() -> None:
    slow, cut = Line(Fault(slow_close_ns=30 * MS)), Line(Fault(Rule(cut=True)))
    for line in (slow, cut):
        line.pipe.source_ended()
        line.timing.pass_ms(29)
        assert "" == line.sink.end
    slow.timing.pass_ms(1)
    cut.link.open()

    assert "closed" == slow.sink.end == cut.sink.end


def test_a_stream_ends_after_all_that_is_under_way() -> None:
    line = Line(Fault(Rule(delay_ns=10 * MS, stream=True)), mode=Mode.STREAM)
    line.beats(2)
    line.pipe.source_ended()
    assert "" == line.sink.end
    line.timing.pass_ms(11)

    assert [0, 1] == line.rounds()
    assert "closed" == line.sink.end


def test_messages_under_way_arrive_on_the_next_connection_of_the_same_two_only() -> None:
    """
    1. Three frames are under way for 50 ms; the connection ends.
    2. A connection of others (a node that was restarted, a disk that was exchanged) gets none of them.
    """
    for same, expected in ((True, [0, 1, 2]), (False, [])):
        line = Line(Fault(Rule(delay_ns=50 * MS)))
        line.beats(3)
        line.pipe.source_ended()
        assert "closed" == line.sink.end
        line.pipe.sink_ended()
        line.timing.pass_ms(20)
        line.connect("the same two" if same else "others")
        line.timing.pass_ms(40)

        assert expected == line.rounds()


def test_a_half_open_connection_is_reset_for_the_destination_alone() -> None:
    line = Line()
    line.link.set(Fault(half_open=True), 1, "test")
    assert ("reset", "") == (line.sink.end, line.source.end)
    line.pipe.sink_ended()
    line.beats(3)
    assert "" == line.source.end and line.source.reading
    line.link.open()

    assert "reset" == line.source.end


def test_a_reset_comes_when_it_was_asked_for() -> None:
    line = Line(Fault(reset_after_ns=10 * MS))
    line.timing.pass_ms(9)
    assert "" == line.sink.end
    line.timing.pass_ms(1)

    assert "reset" == line.sink.end == line.source.end


def test_a_rule_that_follows_another_does_not_let_a_stream_overtake_itself() -> None:
    line = Line(Fault(Rule(delay_ns=50 * MS, stream=True)), mode=Mode.STREAM)
    line.beats(2)
    line.link.open()
    line.send(Heartbeat(1, 0, 2))
    line.timing.pass_ms(60)

    assert [0, 1, 2] == line.rounds()


def test_the_same_seed_and_frames_give_the_same_faults_again() -> None:
    fault = Fault(Rule(drop_ppm=200_000, duplicate_ppm=100_000, jitter_ns=20 * MS), tear_ppm=0)
    runs = []
    for seed in (5, 5, 6):
        line = Line(fault, seed=seed)
        line.beats(100)
        line.timing.pass_ms(100)
        runs.append(line.rounds())

    assert runs[0] == runs[1] != runs[2]


def test_what_a_slow_line_holds_up_leaves_when_the_rule_ends() -> None:
    line = Line(Fault(Rule(bytes_per_s=1, stream=True)), mode=Mode.STREAM)
    line.beats(5)
    line.timing.pass_ms(1_000)
    assert [] == line.sink.written
    line.link.open()
    line.beats(1)

    assert [0, 1, 2, 3, 4, 0] == line.rounds()
