"""The filter language of ``--where``: text → filter → the places of the items that satisfy it.

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
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fashiontag.index.columns import Operator
    from fashiontag.index.database import Index

    Mask = NDArray[np.bool_]

DEEPEST = 50
"""Levels of brackets and ``not``; a person uses three, and the parser calls itself for each."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Holds for items that have a value in a column that is so related to this one.

    A text compares as text, a number as a number.
    """

    column: str
    operator: Operator
    value: str | float


@dataclass(frozen=True, slots=True)
class Not:
    """Holds for what doesn't satisfy the inner filter, items without that column included."""

    inner: Filter


@dataclass(frozen=True, slots=True)
class Either:
    """Holds where one of its parts does."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Both:
    """Holds where all of its parts do."""

    parts: tuple[Filter, ...]


Filter = Comparison | Not | Either | Both

# A name goes on over an apostrophe (Levi's), and over the vowel signs of Hindi, which are no \w.
_TOKEN = re.compile(
    r"""(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.-]))
      | (?P<name>\w(?:[\w-]|[^\x00-\x7f\s]|'(?=\w))*)
      | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<sign><=|>=|!=|<>|==|[=<>(),.])
      | (?P<blank>\s+)
      | (?P<stray>.)
      | (?P<end>\Z)""",
    re.VERBOSE,
)
_SAME_SIGN = {"==": "=", "<>": "!="}
_RESERVED = frozenset({"and", "or", "not", "in"})


def parse(text: str) -> Filter:
    """Parse a filter.

    Raises
    ------
    QueryError
        If it isn't in the grammar above; the message says where and what was expected.
    """
    return _Parser(text).parse()


def select(filter_: Filter, index: Index, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the items that satisfy a filter, ascending, shape (m,), int64.

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

    def mask(part: Filter) -> Mask:
        match part:
            case Comparison(name, operator, value):
                found = index.matching(column_named(name, columns), operator, value)
                return members(numbers, found)
            case Not(inner):
                return ~mask(inner)
            case Either(parts):
                return np.asarray(np.any([mask(one) for one in parts], axis=0))
            case Both(parts):
                return np.asarray(np.all([mask(one) for one in parts], axis=0))

    return np.flatnonzero(mask(filter_))


def column_named(name: str, columns: Sequence[str]) -> str:
    """Return the column of this name, however it was typed; `QueryError` names those there are."""
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
        if self._token.lastgroup == "end":
            raise QueryError("--where is empty; give a condition such as \"color = 'red'\".")
        parsed = self._filter()
        if self._token.lastgroup != "end":
            raise self._wrong("'and', 'or' or the end")
        return parsed

    def _filter(self) -> Filter:
        return _one_or(Either, self._parted_by("or", self._either))

    def _either(self) -> Filter:
        return _one_or(Both, self._parted_by("and", self._factor))

    def _parted_by(self, sign: str, part: Callable[[], Filter]) -> list[Filter]:
        parts = [part()]
        while self._take(sign):
            parts.append(part())
        return parts

    def _factor(self) -> Filter:
        self._depth += 1
        if self._depth > DEEPEST:
            raise QueryError(
                f"--where is nested more than {DEEPEST} levels deep; write it flatter."
            )
        if self._take("not"):
            parsed: Filter = Not(self._factor())
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
            values = self._parted_by(",", lambda: Comparison(column, "=", self._value()))
            found = _one_or(Either, values)
            self._expect(")")
            return Not(found) if negated else found
        if negated:
            raise self._wrong("'in'")
        sign = _SAME_SIGN.get(self._token.group(), self._token.group())
        if self._token.lastgroup != "sign" or sign in "().,":
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
        name = self._taken({"name"}, "a column").group()
        if not self._take("."):
            return name
        field = self._token
        if field.lastgroup not in {"name", "text", "number"}:
            raise self._wrong("a field's name after the dot")
        self._next += 1
        return f"{name}.{_unquoted(field)}"

    def _value(self) -> str | float:
        token = self._taken({"number", "text", "name"}, "a value such as 'red' or 50")
        return float(token.group()) if token.lastgroup == "number" else _unquoted(token)

    @property
    def _token(self) -> re.Match[str]:
        return self._tokens[self._next]

    def _taken(self, kinds: set[str], wanted: str) -> re.Match[str]:
        """Return the next token, which must be of one of these kinds and no word of the grammar."""
        token = self._token
        if token.lastgroup not in kinds or token.group().lower() in _RESERVED:
            raise self._wrong(wanted)
        self._next += 1
        return token

    def _take(self, text: str) -> bool:
        token = self._token
        found = token.lastgroup in {"name", "sign"} and token.group().lower() == text
        self._next += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._wrong(repr(sign))

    def _wrong(self, wanted: str) -> QueryError:
        token = self._token
        got = "the end" if token.lastgroup == "end" else repr(token.group())
        return QueryError(
            f"--where: got {got} at character {token.start() + 1} of {self._text!r}, wanted"
            f" {wanted}."
        )


def _one_or(kind: type[Either | Both], parts: Sequence[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _unquoted(token: re.Match[str]) -> str:
    text = token.group()
    return text if token.lastgroup != "text" else text[1:-1].replace(text[0] * 2, text[0])


def _tokens(text: str) -> list[re.Match[str]]:
    tokens = [token for token in _TOKEN.finditer(text) if token.lastgroup != "blank"]
    for token in tokens:
        if token.lastgroup == "stray":
            sign = token.group()
            what = "a quote that never closes" if sign in "'\"" else repr(sign)
            raise QueryError(
                f"--where: got {what} at character {token.start() + 1} of {text!r}, wanted a "
                "condition such as \"color = 'red' and table.price < 50\"."
            )
    return tokens
