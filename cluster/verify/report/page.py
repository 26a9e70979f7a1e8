"""The page: one HTML file about some checked histories, which needs no network and no other file.

Two rules. Nothing is left out silently: whatever the page does not show is counted where it would stand. And nothing of a history
can become anything but text: values are escaped, and the page's own policy allows no script but the one that it was made with.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.report import cycle, overview, setting, timeline, words
from quorate.cluster.verify.verdict import Answer, Finding, Verdict

DRAWN_MAX = 12
"""Findings that are drawn; the others stand in a table."""
ROWS_MAX = 500
"""Rows of a table: beyond that nobody reads, and browsers grow slow."""
STEPS_MAX = 24
"""Of the longest partial order its end is shown: there it stopped."""

OVERVIEW_MIN = 30
"""A shorter history is seen at a glance anyway."""
SYMBOLS = {Answer.VALID: "✓", Answer.INVALID: "✗", Answer.UNKNOWN: "?"}
KINDS = {
    "ww": "wrote over it",
    "wr": "was read",
    "rw": "did not see",
    "process": "same process, earlier",
    "realtime": "returned before the other was called",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A history, what was said of it, and the command that says it again."""

    history: History
    verdict: Verdict
    command: str


@dataclass(frozen=True, slots=True)
class Row:
    """One operation in a table."""

    anchor: str
    operation: Operation
    words: list[str]
    name: str
    step: int
    state: str
    stuck: bool

    @property
    def outcome(self) -> str:
        return words.OUTCOMES[self.operation.outcome]

    @property
    def when(self) -> str:
        return _when(self.operation.called_ns, self.operation.called)

    @property
    def returned(self) -> str:
        if self.operation.returned is None:
            return "not known"
        return _when(self.operation.returned_ns or 0, self.operation.returned)

    @property
    def lines(self) -> str:
        numbers = [str(number) for number in (self.operation.line, self.operation.returned_line) if number]
        return ", ".join(numbers)


def _when(ns: int, position: int) -> str:
    return words.span(ns) if ns else f"event {position:,}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding, ready to be set: drawings, rows, and what of it is not shown."""

    anchor: str
    finding: Finding
    key: str
    why: list[str]
    timeline: timeline.Timeline | None
    cycle: Markup
    edges: list[tuple[str, str, str, str]]
    """(from, kind, to, sentence)."""
    rows: list[Row]
    steps: list[Row]
    stuck: list[Row]

    @property
    def rows_missing(self) -> int:
        return len(self.finding.operations) - len(self.rows)

    @property
    def not_drawn(self) -> str:
        """What the time line leaves out, in words."""
        line = self.timeline
        if line is None or not line.left_out:
            return ""
        parts = ((line.earlier, "earlier"), (line.between, "in between"), (line.later, "later"))
        left = ", ".join(f"{number:,} {where}" for number, where in parts if number)
        all_of_them = words.counted(len(self.finding.operations), "operation")
        return f"Drawn: {line.drawn:,} of {all_of_them}, those nearest to the failure. Not drawn: {left}."

    @property
    def has_others(self) -> bool:
        """Are there operations that are neither in the order nor stuck?"""
        return len(self.finding.order) + len(self.finding.stuck) < len(self.finding.operations)

    @property
    def first_column(self) -> str:
        """What the table of all operations begins with; nothing where they have neither names nor steps."""
        if any(row.name for row in self.rows):
            return "Name"
        return "Step" if self.finding.order or self.finding.stuck else ""

    @property
    def steps_missing(self) -> int:
        return len(self.finding.order) - len(self.steps)


@dataclass(frozen=True, slots=True)
class Section:
    """All that the page says of one history."""

    anchor: str
    checked: Checked
    overview: Markup
    shown: list[Shown]
    others: list[tuple[str, str, str]]
    """(name, key, why) of findings that are not drawn."""
    others_missing: int
    counts: list[tuple[str, str]]
    functions: list[tuple[str, list[str]]]
    run: list[tuple[str, str]]
    check: list[tuple[str, str]]

    @property
    def answer(self) -> Answer:
        return self.checked.verdict.answer

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.answer]


def render(checked: Sequence[Checked]) -> str:
    """The whole page, as text."""
    sections = [_section(each, f"h{number}") for number, each in enumerate(checked, 1)]
    style, script = setting.source("style.css"), setting.source("page.js")
    return (
        setting.environment()
        .get_template("page.html")
        .render(
            sections=sections,
            style=Markup(style),
            script=Markup(script),
            policy=setting.policy(style, script),
            kinds=KINDS,
            outcomes=words.OUTCOMES.values(),
        )
    )


def _section(checked: Checked, anchor: str) -> Section:
    history, verdict = checked.history, checked.verdict
    drawn, others = verdict.findings[:DRAWN_MAX], verdict.findings[DRAWN_MAX:]
    names = words.names(history)
    shown = [shown_of(finding, names, f"{anchor}-f{number}") for number, finding in enumerate(drawn, 1)]
    failures = [(each.anchor, place) for each in shown if (place := _place(each.finding)) is not None]
    return Section(
        anchor=anchor,
        checked=checked,
        overview=overview.overview(history, failures) if len(history.operations) >= OVERVIEW_MIN else Markup(""),
        shown=shown,
        others=[(each.name, words.key(each.key), words.sentence(each.why)) for each in others[:ROWS_MAX]],
        others_missing=max(len(others) - ROWS_MAX, 0),
        counts=_counts(history),
        functions=_functions(history),
        # A seed is a name, not a quantity.
        run=[(name, str(fact)) if isinstance(fact, int) else (name, words.fact(fact)) for name, fact in history.facts.items()],
        check=[(name.replace("_", " "), words.fact(fact)) for name, fact in verdict.facts.items()],
    )


def _place(finding: Finding) -> Operation | None:
    """An operation that marks where it fails."""
    known = [each for index in finding.stuck if (each := finding.operations[index]).returned is not None]
    if known:
        return min(known, key=lambda each: each.returned or 0)
    if finding.cycle:
        return finding.cycle[0].source
    return finding.operations[0] if finding.operations else None


def shown_of(finding: Finding, names: Mapping[int, str], anchor: str) -> Shown:
    """`names` as in cycle.draw; `anchor` is unique in a page."""
    steps = {index: number for number, index in enumerate(finding.order, 1)}
    stuck = set(finding.stuck)

    def row(index: int) -> Row:
        each, step = finding.operations[index], steps.get(index, 0)
        state = finding.states[step - 1] if 0 < step <= len(finding.states) else ""
        said = [words.short(part, words.CELL_COLUMNS) for part in words.parts(each, with_key=each.key != finding.key)]
        after = words.short(words.visible(state), words.CELL_COLUMNS)
        return Row(f"{anchor}-{index}", each, said, names.get(each.called, ""), step, after, index in stuck)

    line = timeline.timeline(finding, names, anchor) if finding.operations else None
    return Shown(
        anchor=anchor,
        finding=finding,
        key=words.key(finding.key),
        why=words.sentence(finding.why).splitlines(),
        timeline=line,
        cycle=cycle.draw(finding.cycle, names, anchor),
        edges=[(names.get(edge.source.called, ""), edge.kind, names.get(edge.target.called, ""), edge.reason) for edge in finding.cycle],
        rows=[row(index) for index in _listed(finding, line.shown if line else frozenset())],
        steps=[row(index) for index in finding.order[-STEPS_MAX:]],
        stuck=[row(index) for index in finding.stuck[:ROWS_MAX]],
    )


def _listed(finding: Finding, drawn: frozenset[int]) -> list[int]:
    """Positions of the operations in the table, by their calls: what is drawn links to it, so that has room before all else."""

    def called(index: int) -> int:
        return finding.operations[index].called

    by_interest = sorted(range(len(finding.operations)), key=lambda index: (index not in drawn, called(index)))
    return sorted(by_interest[:ROWS_MAX], key=called)


def _counts(history: History) -> list[tuple[str, str]]:
    """(number, what it counts)."""
    operations = history.operations
    outcomes = Counter(each.outcome for each in operations)
    keys = {each.key for each in operations}
    counted = [
        (len(operations), "operation"),
        *((outcomes[outcome], f"with outcome {word}") for outcome, word in words.OUTCOMES.items()),
        (len({each.process for each in operations}), "process"),
        # Operations without one (transactions, ranges) may be of more keys than stand in the history.
        *([(len(keys), "key")] if None not in keys and keys else []),
    ]
    times = [ns for each in operations for ns in (each.called_ns, each.returned_ns) if ns]
    plural = {"operation": "operations", "process": "processes", "key": "keys"}
    rows = [(f"{number:,}", noun if number == 1 else plural.get(noun, noun)) for number, noun in counted]
    return rows + ([(words.span(max(times) - min(times)), "from first to last")] if times else [])


def _functions(history: History) -> list[tuple[str, list[str]]]:
    """(function, its number of operations for each outcome), the most frequent first."""
    counted = Counter((each.function, each.outcome) for each in history.operations)
    functions = Counter(each.function for each in history.operations)
    return [(name, [f"{counted[name, outcome]:,}" for outcome in Outcome]) for name, _ in functions.most_common()]
