"""As much of EDN, Clojure's data notation, as Jepsen's histories need: https://github.com/edn-format/edn

The rule: it reads line by line and keeps one form at a time, so a file may be of any length and nest to any depth.
Keywords, symbols and characters become text, lists, vectors and sets tuples, maps dicts; tags are skipped, `#_` discards.
"""

import re
from collections.abc import Iterable, Iterator

_TOKEN = re.compile(
    r"""[\s,]+ | ;[^\n]*
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<discard>\#_)
    | (?P<open>\#?\{|[(\[])
    | (?P<close>[)}\]])
    | (?P<tag>\#[A-Za-z][^\s,{}()\[\]";]*)
    | (?P<character>\\(?:newline|space|tab|return|formfeed|backspace|u[0-9A-Fa-f]{4}|.))
    | (?P<atom>[^\s,{}()\[\]";\\\#][^\s,{}()\[\]";]*)""",
    re.VERBOSE | re.DOTALL,
)
_SPECIAL = re.compile(r'["#;\\]')
"""Lines without these are nothing but brackets and words: most of a history, and cut up ten times as fast."""
_APART = str.maketrans({bracket: f" {bracket} " for bracket in "()[]{}"} | {",": " "})
_BRACKETS = dict.fromkeys("([{", "open") | dict.fromkeys(")]}", "close")
_INTEGER = re.compile(r"[+-]?\d+N?")
_FLOAT = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?M?")
_WORDS: dict[str, object] = {"nil": None, "true": True, "false": False}
_CHARACTERS = {"newline": "\n", "space": " ", "tab": "\t", "return": "\r", "formfeed": "\f", "backspace": "\b"}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_CLOSES = {"{": "}", "#{": "}", "(": ")", "[": "]"}
_MAP = "{"
_DISCARD = "#_"
QUOTED_CHARACTERS_MAX = 40
DIGITS_MAX = 300
"""Below the bits that an integer of a history may have."""
STRING_CHARACTERS_MAX = 1 << 16
"""Strings here are error messages. One that is longer lacks its end, and must not swallow the file."""


class BadEdn(Exception):
    """`line` is where it is, `args[0]` what it is."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


class _Open:
    """A collection whose end has not been read."""

    __slots__ = ("items", "line", "opener")

    def __init__(self, opener: str, line: int) -> None:
        self.opener, self.line = opener, line
        self.items: list[object] = []


def forms(lines: Iterable[tuple[int, str]], *, unwrap: bool = False) -> Iterator[tuple[int, object]]:
    """The forms of some numbered lines, each with the line it begins on. `unwrap`: of a vector or list at the top, its items."""
    stack: list[_Open] = []
    number = 0
    base = 0
    for number, kind, token in _tokens(lines):
        if kind == "tag":
            continue
        if kind in ("open", "discard"):
            if unwrap and not stack and token in "([":
                base = 1
            stack.append(_Open(token, number))
            continue
        if kind == "close":
            value: object = _closed(stack, token, number)
            opened = stack.pop()
            line = opened.line
            if base and not stack:
                base = 0
                continue
        else:
            value, line = _scalar(kind, token, number), number
        if stack and stack[-1].opener == _DISCARD:
            stack.pop()
        elif len(stack) == base:
            yield line, value
        else:
            stack[-1].items.append(value)
    if stack:
        raise BadEdn(number, f"the file ends within what {stack[-1].opener!r} opened on line {stack[-1].line}")


def _tokens(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    """(line, kind, text) of each token. A string may go on over several lines."""
    rest, first = "", 0
    for number, line in lines:
        if not rest and not _SPECIAL.search(line):
            for token in line.translate(_APART).split():
                yield number, _BRACKETS.get(token, "atom"), token
            continue
        text, start = (rest + line, first) if rest else (line, number)
        rest, position = "", 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                if text[position] != '"':
                    raise BadEdn(number, f"cannot be read as EDN: {text[position:].strip()[:QUOTED_CHARACTERS_MAX]!r}")
                rest, first = text[position:], start
                if len(rest) > STRING_CHARACTERS_MAX:
                    raise BadEdn(first, f"a string has no end: {rest[:QUOTED_CHARACTERS_MAX]!r}")
                break
            if match.lastgroup is not None:
                yield start, match.lastgroup, match.group()
            position = match.end()
    if rest:
        raise BadEdn(first, f"a string has no end: {rest.strip()[:QUOTED_CHARACTERS_MAX]!r}")


def _closed(stack: list[_Open], token: str, number: int) -> object:
    """The value of the collection that this token ends."""
    if not stack:
        raise BadEdn(number, f"{token!r} closes nothing")
    opened = stack[-1]
    if _CLOSES.get(opened.opener) != token:
        raise BadEdn(number, f"{token!r} where {opened.opener!r} of line {opened.line} has to be closed first")
    if opened.opener != _MAP:
        return tuple(opened.items)
    if len(opened.items) % 2:
        raise BadEdn(opened.line, "a map has a key without a value")
    try:
        return dict(zip(opened.items[::2], opened.items[1::2]))
    except TypeError:
        raise BadEdn(opened.line, "a map has a map for a key") from None


def _scalar(kind: str, token: str, number: int) -> object:
    if kind == "string":
        return _ESCAPE.sub(_unescaped, token[1:-1]) if "\\" in token else token[1:-1]
    if kind == "character":
        name = token[1:]
        return _CHARACTERS.get(name) or (chr(int(name[1:], 16)) if len(name) == 5 else name)
    if token.isdecimal():
        return _integer(token, number)
    if token in _WORDS:
        return _WORDS[token]
    if _INTEGER.fullmatch(token):
        return _integer(token.rstrip("N"), number)
    if _FLOAT.fullmatch(token):
        return float(token.rstrip("M"))
    return token[1:] if token[0] == ":" and len(token) > 1 else token


def _integer(digits: str, number: int) -> int:
    if len(digits) > DIGITS_MAX:
        raise BadEdn(number, f"a number of {len(digits):,} digits; those of a history have {DIGITS_MAX} at the most")
    return int(digits)


def _unescaped(match: re.Match[str]) -> str:
    name = match.group(1)
    return chr(int(name[1:], 16)) if len(name) == 5 else _ESCAPES.get(name, name)
