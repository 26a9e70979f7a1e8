"""The words behind a verb: values in their order, and --options anywhere. Each is read once, by its name; what is left over is an error."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from quorate.cluster.chaos.link_faults import ALL, Names
from quorate.cluster.chaos.units import NotAFault

T = TypeVar("T")
Reader = Callable[[str, str], T]
"""(field, text) -> value, or NotAFault."""
FLAGS = ("lose-unsynced", "torn-tail")
"""Options without a value."""
EVERYBODY = ("all", "*")


class Words:
    def __init__(self, verb: str, usage: str, words: Sequence[str]) -> None:
        self._verb = verb
        self._usage = f"{verb} {usage}"
        self._values: list[str] = []
        self._options: dict[str, list[str]] = {}
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if not word.startswith("--") or word == "--":
                self._values.append(word)
                continue
            name, equals, value = word[2:].partition("=")
            if name not in FLAGS and not equals:
                if not rest:
                    raise self._wrong(f"--{name} needs a value")
                value = rest.pop(0)
            self._options.setdefault(name, []).append(value)

    def _wrong(self, what: str) -> NotAFault:
        return NotAFault(f"{self._verb}: {what}; written `{self._usage}`")

    def take(self, field: str, read: Reader[T]) -> T:
        """The next value."""
        if not self._values:
            raise self._wrong(f"{field} is missing")
        return read(f"{self._verb}: {field}", self._values.pop(0))

    def follows(self, word: str) -> bool:
        """Whether this word stands next; it is read."""
        found = self._values[:1] == [word]
        del self._values[: int(found)]
        return found

    def rest(self) -> str:
        """All values as they were written."""
        values, self._values = self._values, []
        return " ".join(values)

    def option(self, name: str, read: Reader[T], default: T) -> T:
        values = self._options.pop(name, [])
        if len(values) > 1:
            raise self._wrong(f"--{name} stands twice")
        return read(f"{self._verb}: --{name}", values[0]) if values else default

    def options(self, name: str) -> Names:
        """An option that may be repeated, or hold several with commas in between."""
        return tuple(each.strip() for value in self._options.pop(name, []) for each in value.split(",") if each.strip())

    def flag(self, name: str) -> bool:
        return bool(self._options.pop(name, []))

    def nodes(self, default: Names | None = None) -> Names:
        """Nodes with commas in between, as the next value."""
        if not self._values and default is not None:
            return default
        return self.take("nodes", lambda field, text: self.names_of("nodes", text))

    def node(self, default: str | None = None) -> str:
        """One node."""
        found = self.nodes(None if default is None else ())
        if len(found) > 1:
            raise self._wrong(f"one node, not {','.join(found)}")
        return found[0] if found else ""

    def names_of(self, field: str, text: str) -> Names:
        names = tuple(name.strip() for name in text.split(","))
        for name in names:
            if name not in EVERYBODY and (not name or not all(letter.isalnum() or letter in "-_." for letter in name)):
                raise self._wrong(f"{field}: names of nodes with commas in between, for instance n1,n2, not {text!r}")
        return tuple("*" if name in EVERYBODY else name for name in names)

    def links(self) -> Names:
        """--link, repeated or not, and links among the values; without any, all between nodes."""
        texts = self._options.pop("link", []) + [value for value in self._values if ">" in value or ":" in value]
        self._values = [value for value in self._values if ">" not in value and ":" not in value]
        return tuple(dict.fromkeys(self._link(text) for text in texts)) or ALL

    def _link(self, text: str) -> str:
        if text in EVERYBODY:
            return "*"
        source, arrow, destination = text.replace("->", ">").replace(":", ">").partition(">")
        if not arrow or ">" in destination or not source.strip() or not destination.strip():
            raise self._wrong(f"--link is written source>destination, for instance n1>n2, leader>* or n1:n2, not {text!r}")
        return ">".join(",".join(self.names_of("--link", end)) for end in (source, destination))

    def finish(self) -> None:
        """NotAFault if something was not read."""
        if self._values:
            raise self._wrong(f"{' '.join(self._values)!r} is too much")
        if self._options:
            raise self._wrong(f"no option --{next(iter(self._options))}")
