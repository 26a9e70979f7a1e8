"""Logs of several nodes, merged and readable."""

from pathlib import Path

from quorate.cluster.local.logs import follow, merged, readable, tail

EARLY = '{"term": 3, "event": "became leader", "level": "info", "timestamp": "2026-11-23T15:30:01.123456Z", "node": "n1"}'
LATE = '{"event": "stopped", "level": "warning", "timestamp": "2026-11-23T15:30:02.000000Z", "why": "told to"}'


def test_a_json_line_becomes_one_readable_line() -> None:
    assert "15:30:01.123 n1   info    became leader  term=3" == readable("n1", EARLY)
    assert "15:30:02.000 n1   warning stopped  why='told to'" == readable("n1", LATE)


def test_a_line_that_is_no_json_is_shown_as_it_is() -> None:
    assert "n2   Traceback (most recent call last):" == readable("n2", "Traceback (most recent call last):").strip()


def test_lines_of_several_nodes_come_in_the_order_of_time_and_a_traceback_stays_behind_its_line() -> None:
    found = merged({"n1": [LATE], "n2": [EARLY, "Traceback", "  more"]})

    assert [("n2", EARLY), ("n2", "Traceback"), ("n2", "  more"), ("n1", LATE)] == [(entry.node, entry.text) for entry in found]


def test_tail_gives_the_last_lines_also_of_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {number}\n" for number in range(10_000)))

    assert ["line 9998", "line 9999"] == tail(path, 2)
    assert [] == tail(path, 0)
    assert [] == tail(tmp_path / "nothing", 5)


def test_a_line_that_is_being_written_is_left_out_and_the_last_words_of_a_dead_process_are_not(tmp_path: Path) -> None:
    path = tmp_path / "log"

    path.write_text(EARLY + "\n" + LATE[:20])
    assert [EARLY] == tail(path, 5)
    path.write_text(EARLY + "\n" + LATE)
    assert [EARLY, LATE] == tail(path, 5)
    path.write_text(EARLY + "\nSegmentation fault")
    assert [EARLY, "Segmentation fault"] == tail(path, 5)


def test_follow_gives_whole_lines_as_they_come_and_survives_a_log_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    following = follow({"n1": path})
    assert ("", "") == next(following)

    with path.open("a") as file:
        file.write("one\ntw")
        file.flush()
        assert [("n1", "one"), ("", "")] == [next(following), next(following)]
        file.write("o\n")
    assert [("n1", "two"), ("", "")] == [next(following), next(following)]
    path.write_text("new\n")
    assert [("n1", "new"), ("", "")] == [next(following), next(following)]
