"""YAML with its lines: every value knows where it stands, so that a mistake can be pointed at.

The rule: a mistake is told as FILE:LINE, the field, what is wrong, and what is accepted; always before anything starts.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import yaml

from quorate.cluster.wire.errors import QuorateError

T = TypeVar("T")
SIZE_MAX = 1 << 20
"""Of a scenario's text: more is no scenario."""


class BadScenario(QuorateError):
    """The file is no scenario; nothing was started."""


class Place:
    """One value of the document."""

    def __init__(self, node: yaml.Node, source: str, field: str = "", name: yaml.Node | None = None) -> None:
        self._node = node
        self._source = source
        self.field = field
        self.line = int((name or node).start_mark.line) + 1
        """Of its name, if it has one: there a person looks for it."""

    def wrong(self, problem: str) -> BadScenario:
        where = f" {self.field}:" if self.field else ""
        return BadScenario(f"{self._source}:{self.line}:{where} {problem}")

    def fields(self, *known: str, needed: tuple[str, ...] = ()) -> dict[str, "Place"]:
        """Of a mapping, whose names are all among the `known` ones."""
        found: dict[str, Place] = {}
        for key, place in self._pairs():
            if key not in known:
                raise place.wrong(f"no such field; accepted: {', '.join(known)}")
            if key in found:
                raise place.wrong("given twice")
            found[key] = place
        for name in needed:
            if name not in found:
                raise self.wrong(f"{name} is missing; accepted: {', '.join(known)}")
        return found

    def _pairs(self) -> Iterator[tuple[str, "Place"]]:
        if not isinstance(self._node, yaml.MappingNode):
            raise self.wrong(f"fields are needed here, as `name: value`, not {self._shown}")
        for key, value in self._node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            place = Place(value, self._source, f"{self.field}.{name}" if self.field else name, key)
            if not isinstance(key, yaml.ScalarNode):
                raise place.wrong("the name of a field is a word")
            yield name, place

    def items(self) -> list["Place"]:
        """Of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.wrong(f"a list is needed here, with a line `- ...` for each item, not {self._shown}")
        return [Place(each, self._source, f"{self.field}[{at}]") for at, each in enumerate(self._node.value)]

    def text(self) -> str:
        if not isinstance(self._node, yaml.ScalarNode):
            raise self.wrong(f"one value is needed here, not {self._shown}")
        return str(self._node.value)

    def read(self, reader: Callable[[str, str], T]) -> T:
        """By a reader of (field, text) that raises a QuorateError, which names the field and what it accepts."""
        text = self.text()
        try:
            return reader("", text)
        except QuorateError as error:
            raise self.wrong(error.message.removeprefix(": ")) from None

    def number(self, low: float, high: float) -> float:
        problem = f"a number from {low:g} to {high:g}, not {self._shown}"
        value = self.plain()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(problem)
        if not low <= value <= high:
            raise self.wrong(problem)
        return float(value)

    def whole(self, low: int, high: int) -> int:
        value = self.number(low, high)
        if value != int(value):
            raise self.wrong(f"a whole number from {low} to {high}, not {self._shown}")
        return int(value)

    def flag(self) -> bool:
        value = self.plain()
        if not isinstance(value, bool):
            raise self.wrong(f"true or false, not {self._shown}")
        return value

    def one_of(self, *words: str) -> str:
        if self.text() not in words:
            raise self.wrong(f"one of {', '.join(words)}, not {self._shown}")
        return self.text()

    def plain(self) -> object:
        """The value as YAML means it; nested for mappings and lists."""
        if isinstance(self._node, yaml.MappingNode):
            return {name: place.plain() for name, place in self._pairs()}
        if isinstance(self._node, yaml.SequenceNode):
            return [place.plain() for place in self.items()]
        return yaml.SafeLoader("").construct_object(self._node, deep=True)

    @property
    def _shown(self) -> str:
        if isinstance(self._node, yaml.MappingNode):
            return "fields"
        return "a list" if isinstance(self._node, yaml.SequenceNode) else repr(self._node.value)[:80]


def parsed(text: str, source: str) -> Place:
    """The document. BadScenario if it is no YAML."""
    if len(text) > SIZE_MAX:
        raise BadScenario(f"{source}: {len(text)} characters are no scenario; at most {SIZE_MAX}")
    try:
        _refuse_aliases(text, source)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadScenario(f"{source}:{mark.line + 1 if mark else 1}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise BadScenario(f"{source}: not valid YAML: {error}") from None
    if node is None:
        raise BadScenario(f"{source}: the file is empty; a scenario begins with `name:`, `doc:` and a `schedule:` or `random:`")
    return Place(node, source)


def _refuse_aliases(text: str, source: str) -> None:
    """A value that stands in two places has the line of one of them, and may stand in itself."""
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken):
            raise BadScenario(f"{source}:{token.start_mark.line + 1}: *{token.value}: aliases are not accepted; write the value out")
