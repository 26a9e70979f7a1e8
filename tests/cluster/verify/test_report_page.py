"""The page as text: everything is in it or counted, and nothing of a history is anything but text."""

import re
from collections.abc import Iterable
from html import unescape
from html.parser import HTMLParser

import pytest

from quorate.cluster.verify.history import History
from quorate.cluster.verify.report import page, setting
from quorate.cluster.verify.report.page import Checked, render
from quorate.cluster.verify.verdict import Answer, Edge, Finding, Verdict
from tests.cluster.verify.made import history, operation, stale_read, write_skew

TEXT_CONTRAST = 4.5
"""WCAG 2.1, 1.4.3: what text must stand out by at the least."""
TEXTS = (
    *((ink, ground) for ink in ("ink", "soft", "blue", "red", "amber") for ground in ("page", "panel")),
    *(("on-color", ground) for ground in ("blue", "red", "green", "amber")),
    ("ink", "lit"),
    ("red", "lit"),
)
"""Every colour of words on every colour that is put behind them."""
VOID = frozenset({"meta", "br", "input"})
EVIL = "</script></style></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'{{ 7 * 7 }}"


class Reader(HTMLParser):
    """The elements of a page; an error where one is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert [] == reader.open
    return reader


def made(recorded: History, verdict: Verdict) -> str:
    return render([Checked(recorded, verdict, f"quorate verify {recorded.source} --model {verdict.model}")])


def words(text: str) -> str:
    return re.sub(r"\s+", " ", " ".join(read(text).words))


def valid(count: int = 3) -> tuple[History, Verdict]:
    operations = [operation(0, "write", number, called=2 * number, returned=2 * number + 1, key="x") for number in range(count)]
    return history(operations), Verdict("register", Answer.VALID, f"{count} operations: all fit", (), {"seconds": 0.5})


def test_a_failing_key_is_told_in_words_drawn_and_listed() -> None:
    text = made(*stale_read())
    said = words(text)

    assert "✗ INVALID" in said
    assert "Process 1 reads 1 although the write of 2 had finished before it was called." in said
    assert "quorate verify made.jsonl --model register" in said
    assert "process 1" in said
    assert "read → 1" in said
    assert 4 == text.count('class="point"')
    assert 3 == text.count('class="cross"') + text.count('class="operation stuck"') - 3
    assert "x 2; nothing fits" in said


def test_a_cycle_is_drawn_and_has_a_sentence_for_each_dependency() -> None:
    text = made(*write_skew(5))
    said = words(text)

    assert 5 == text.count('class="dependency"')
    for number in range(1, 6):
        assert f"T{number} → T{number % 5 + 1} rw" in re.sub(r"\s+", " ", said)
        assert f"T{number} read key {number - 1} without the value" in said


def test_a_valid_history_says_what_was_checked() -> None:
    said = words(made(*valid(1234)))

    assert "✓ VALID" in said
    assert "1,234 operations" in said
    assert "1,234 with outcome ok" in said


def test_an_unknown_verdict_is_said_to_be_no_pass() -> None:
    recorded, _ = valid()
    reason = "Not decided for keys x and y (time: 60 s)"

    said = words(made(recorded, Verdict("register", Answer.UNKNOWN, reason)))
    assert "? UNKNOWN" in said
    assert reason in said
    assert "UNKNOWN is not a pass" in said


def test_several_histories_share_a_page_and_links_lead_to_what_is_there() -> None:
    checked = [Checked(*each, "quorate verify") for each in (stale_read(), valid(), write_skew(), stale_read("y"))]

    reader = read(render(checked))
    assert len(reader.ids) == len(set(reader.ids))
    targets = [value[1:] for tag, name, value in reader.attributes if tag == "a" and name == "href" and value.startswith("#")]
    assert len(targets) >= 4
    assert set(targets) <= set(reader.ids)


def test_the_page_asks_for_nothing_and_allows_nothing_but_its_own_script_and_style() -> None:
    text = made(*stale_read())
    reader = read(text)

    assert {"#"} == {value[0] for _, name, value in reader.attributes if name in ("href", "src")}
    assert set() == {"link", "img", "iframe", "object", "embed", "form"} & set(reader.tags)
    assert [] == [name for _, name, _ in reader.attributes if name.startswith("on") or name == "style"]
    assert "url(" not in text.replace("url(#", "")
    policy = next(value for _, name, value in reader.attributes if name == "content" and "default-src" in value)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert style and script
    assert f"default-src 'none'; style-src {setting._hash(style[1])}; script-src {setting._hash(script[1])}" == unescape(policy)


@pytest.mark.parametrize("evil", [EVIL, "\x00\x1b\u202e", "{% raw %}", "]]>", "&lt;", "漢字" * 40])
def test_whatever_a_history_holds_stays_text(evil: str) -> None:
    operations = (
        operation(0, evil, evil, evil, called=0, returned=3, key=evil),
        operation(1, "txn", ((evil, evil, evil),), ((evil, evil, evil),), called=1, returned=2),
    )
    edges = (Edge(operations[0], evil, operations[1], evil), Edge(operations[1], evil, operations[0], evil))
    finding = Finding(evil, evil, evil, operations, (0,), (evil,), (1,), edges)
    plain = Finding("x", "x", "x", operations, (0,), ("x",), (1,), edges)

    def tags(finding: Finding, words: str) -> list[str]:
        verdict = Verdict(words, Answer.INVALID, words, (finding,) * (page.DRAWN_MAX + 1), {words: words})
        return read(render([Checked(History(operations, {words: words}, words), verdict, words)])).tags

    assert tags(plain, "x") == tags(finding, evil)


def test_findings_that_are_not_drawn_are_listed_or_counted() -> None:
    recorded, _ = valid()
    count = page.DRAWN_MAX + page.ROWS_MAX + 7
    findings = tuple(Finding("G1a", f"why {number}.") for number in range(count))

    said = words(made(recorded, Verdict("list-append", Answer.INVALID, "no", findings)))
    assert all(f"Why {number}." in said for number in range(count - 7))
    assert f"Why {count - 7}." not in said
    assert "7 further findings not listed." in said


def test_operations_that_have_no_room_are_counted_exactly() -> None:
    count = page.ROWS_MAX + 300
    operations = tuple(operation(0, "write", number, called=2 * number, returned=2 * number + 1, key="x") for number in range(count))
    order, stuck = tuple(range(count - 100)), (count - 100,)
    finding = Finding("not linearizable", "why", "x", operations, order, tuple("s" for _ in order), stuck, omitted=4000)

    text = made(history(operations), Verdict("register", Answer.INVALID, "no", (finding,)))
    said = words(text)
    bars = text.count('class="operation ')
    match = re.search(r"Drawn: (\d+) of 800 operations, those nearest to the failure\. Not drawn: ([\d,]+) earlier, (\d+) later\.", said)
    assert match
    assert (bars, 800) == (int(match[1]), sum(int(number) for number in match.groups()))
    assert f"{count - 100 - page.STEPS_MAX} earlier steps not listed." in said
    assert "300 more operations not listed." in said
    reader = read(text)
    targets = {value[1:] for tag, name, value in reader.attributes if tag == "a" and name == "href"}
    assert targets <= set(reader.ids)
    assert "4,000 other operations of key x not shown: it fails without them." in said


def test_a_cycle_too_long_to_be_drawn_is_listed_and_said_to_be() -> None:
    said = words(made(*write_skew(30)))

    assert "A cycle of 30 steps is not drawn; all of them are listed." in said
    assert "T30 read key 29" in said


def test_what_the_recorder_knew_of_the_run_is_shown() -> None:
    recorded, verdict = valid()
    run = {"seed": 12345678, "command": "quorate sim --seed 12345678", "initial": (("x", 1),)}

    said = words(made(History(recorded.operations, run, "f"), verdict))
    assert "seed 12345678" in said
    assert "command quorate sim --seed 12345678" in said
    assert "[[x, 1]]" in said


def luminance(color: str) -> float:
    """WCAG 2.1, relative luminance of #rrggbb."""
    parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def faint(style: str, scheme: int, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str, float]]:
    """Pairs of (colour of words, colour behind them) that do not stand out; the scheme is 0 for light, 1 for dark."""
    roots = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colors = dict(re.findall(r"--([\w-]+): (#\w{6})", " ".join(roots[scheme::2])))

    def contrast(ink: str, ground: str) -> float:
        low, high = sorted(map(luminance, (colors[ink], colors[ground])))
        return (high + 0.05) / (low + 0.05)

    return [(ink, ground, round(contrast(ink, ground), 1)) for ink, ground in pairs if contrast(ink, ground) < TEXT_CONTRAST]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(scheme: int) -> None:
    assert [] == faint(setting.source("style.css"), scheme, TEXTS)


def test_the_command_that_makes_the_history_again_stands_at_the_top() -> None:
    recorded, verdict = valid()

    said = words(made(History(recorded.operations, {"replay": "quorate sim --seed 7 <x>"}, "f"), verdict))
    assert "Replay quorate sim --seed 7 <x>" in said
    assert "Replay" not in words(made(recorded, verdict))


def test_a_file_that_was_cut_off_says_so() -> None:
    recorded, verdict = valid()

    assert "The file is cut off: line 9" in words(made(History(recorded.operations, {"cut_off": "line 9"}, "f"), verdict))


def test_a_value_of_any_size_leaves_a_page_that_opens() -> None:
    huge = tuple(range(200_000))
    each = operation(0, "read", None, huge, called=0, returned=1, key="x")
    finding = Finding("not linearizable", "why", "x", (each,), (), (), (0,))

    text = made(history([each]), Verdict("register", Answer.INVALID, "no", (finding,)))
    assert len(text) < 50_000
    assert "…" in words(text)
