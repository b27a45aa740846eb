"""The filter language of ``--where``: text → tree → the numbers of the items that satisfy it.

::

    filter      = either { "or" either }
    either      = factor { "and" factor }
    factor      = "not" factor | "(" filter ")" | comparison
    comparison  = column ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
                | column [ "not" ] "in" "(" value { "," value } ")"
    column      = NAME | "table" "." NAME     (a tag group, or a field of the titles table)
    value       = NUMBER | NAME | 'text' | "text"

What was typed never becomes part of a statement of SQL: names are compared with the columns there
are, values are bound.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from fashiontag.errors import QueryError
from fashiontag.index.columns import number
from fashiontag.index.nearest import members
from fashiontag.names import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fashiontag.index.columns import Operator
    from fashiontag.index.database import Index

    Mask = NDArray[np.bool_]

DEEPEST = 50
"""Levels of brackets and ``not``; a person uses three, and the parser calls itself for each."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One column against one value; a text value compares as text, a number as a number."""

    column: str
    operator: Operator
    value: str | float


@dataclass(frozen=True, slots=True)
class Not:
    """What doesn't satisfy the inner filter, items without that column included."""

    inner: Filter


@dataclass(frozen=True, slots=True)
class AllOf:
    """``and``."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """``or``, and ``in``."""

    parts: tuple[Filter, ...]


Filter = Comparison | Not | AllOf | AnyOf

# A name goes on over an apostrophe (Levi's), and over the vowel signs of Hindi, which are no \w.
_TOKEN = re.compile(
    r"""(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.-]))
      | (?P<name>\w(?:[\w-]|[^\x00-\x7f\s]|'(?=\w))*)
      | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<sign><=|>=|!=|<>|==|[=<>(),.])
      | (?P<blank>\s+)""",
    re.VERBOSE,
)
_SAME_SIGN = {"==": "=", "<>": "!="}
_RESERVED = frozenset({"and", "or", "not", "in"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int

    @property
    def unquoted(self) -> str:
        if self.kind != "text":
            return self.text
        quote = self.text[0]
        return self.text[1:-1].replace(quote * 2, quote)


def parse(text: str) -> Filter:
    """Parse a filter.

    Raises
    ------
    QueryError
        If it isn't in the grammar above; the message says where and what was expected.
    """
    return _Parser(text).parse()


def select(filter_: Filter, index: Index, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of these items satisfy a filter, ascending.

    Parameters
    ----------
    filter_ : Filter
    index : Index
    numbers : ndarray of shape (n,), int64
        The items in question, ascending.

    Raises
    ------
    QueryError
        If a column is unknown; the message names those that there are.
    """
    columns = index.columns()

    def holds(node: Filter) -> Mask:
        match node:
            case Comparison():
                column = _column(node.column, columns)
                return members(numbers, index.matching(column, node.operator, node.value))
            case Not():
                return ~holds(node.inner)
            case AllOf():
                return np.asarray(np.all([holds(part) for part in node.parts], axis=0))
            case AnyOf():
                return np.asarray(np.any([holds(part) for part in node.parts], axis=0))

    return numbers[holds(filter_)]


def _column(name: str, columns: tuple[str, ...]) -> str:
    if name in columns:
        return name
    forgiving = {fold(column): column for column in reversed(columns)}
    if fold(name) in forgiving:
        return forgiving[fold(name)]
    if not columns:
        raise QueryError(
            f"--where: there is no column {name!r}, for nothing indexed has tags or fields; run "
            "fashiontag tag first, or leave --where out."
        )
    near = difflib.get_close_matches(name, columns, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise QueryError(
        f"--where: there is no column {name!r}{hint}; the columns are {', '.join(columns)}."
    )


class _Parser:
    """Recursive descent, one method per line of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    def parse(self) -> Filter:
        if self._token.kind == "end":
            raise QueryError("--where is empty; give a condition such as \"color = 'red'\".")
        parsed = self._filter()
        if self._token.kind != "end":
            raise self._wrong("'and', 'or' or the end")
        return parsed

    def _filter(self) -> Filter:
        parts = [self._either()]
        while self._take("or"):
            parts.append(self._either())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _either(self) -> Filter:
        parts = [self._factor()]
        while self._take("and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _factor(self) -> Filter:
        self._depth += 1
        if self._depth > DEEPEST:
            raise QueryError(
                f"--where is nested more than {DEEPEST} levels deep; write it flatter."
            )
        parsed: Filter
        if self._take("not"):
            parsed = Not(self._factor())
        elif self._take("("):
            parsed = self._filter()
            self._expect(")")
        else:
            parsed = self._comparison()
        self._depth -= 1
        return parsed

    def _comparison(self) -> Filter:
        column = self._column_name()
        negated = self._take("not")
        if self._take("in"):
            self._expect("(")
            parts = [Comparison(column, "=", self._value())]
            while self._take(","):
                parts.append(Comparison(column, "=", self._value()))
            self._expect(")")
            return Not(AnyOf(tuple(parts))) if negated else AnyOf(tuple(parts))
        if negated:
            raise self._wrong("'in'")
        sign = _SAME_SIGN.get(self._token.text, self._token.text)
        if self._token.kind != "sign" or sign in "().,":
            raise self._wrong("=, !=, <, <=, >, >= or in (...)")
        self._next += 1
        value = self._value()
        if sign == "!=":
            return Not(Comparison(column, "=", value))
        if sign != "=" and isinstance(value, str):
            # '50' in quotes is a number where order is asked for: '9' > '50' helps nobody
            as_number = number(value)
            value = value if as_number is None else as_number
        return Comparison(column, cast("Operator", sign), value)

    def _column_name(self) -> str:
        name = self._taken({"name"}, "a column").text
        if not self._take("."):
            return name
        field = self._token
        if field.kind not in {"name", "text", "number"}:
            raise self._wrong("a field's name after the dot")
        self._next += 1
        return f"{name}.{field.unquoted}"

    def _value(self) -> str | float:
        token = self._taken({"number", "text", "name"}, "a value such as 'red' or 50")
        return float(token.text) if token.kind == "number" else token.unquoted

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _taken(self, kinds: set[str], wanted: str) -> _Token:
        """Return the next token, which must be of one of these kinds and no word of the grammar."""
        token = self._token
        if token.kind not in kinds or token.text.lower() in _RESERVED:
            raise self._wrong(wanted)
        self._next += 1
        return token

    def _take(self, text: str) -> bool:
        token = self._token
        found = token.kind in {"name", "sign"} and token.text.lower() == text
        self._next += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._wrong(repr(sign))

    def _wrong(self, wanted: str) -> QueryError:
        token = self._token
        got = "the end" if token.kind == "end" else repr(token.text)
        return QueryError(
            f"--where: got {got} at character {token.at + 1} of {self._text!r}, wanted {wanted}."
        )


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            what = "a quote that never closes" if text[at] in "'\"" else repr(text[at])
            raise QueryError(
                f"--where: got {what} at character {at + 1} of {text!r}, wanted a condition such "
                "as \"color = 'red' and table.price < 50\"."
            )
        if found.lastgroup != "blank":
            tokens.append(_Token(str(found.lastgroup), found.group(), at))
        at = found.end()
    return [*tokens, _Token("end", "", at)]
