"""Columns, which ``where`` compares with: which items have which tag, or value of a field."""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np

from fashiontag.index.rows import blocks, numbering
from fashiontag.names import fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

Operator = Literal["=", "<", "<=", ">", ">="]

FIELD = "table."
"""What stands before a field's name where columns are named; tag groups stand alone."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS vals (
    val INTEGER PRIMARY KEY, name TEXT NOT NULL, value TEXT NOT NULL, numeric REAL,
    UNIQUE (name, value));
CREATE TABLE IF NOT EXISTS facets (
    val INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (val, number)) WITHOUT ROWID
"""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?")
_CURRENCY = (
    r"(?:[a-z]{0,3}[$\u20a0-\u20cf£¥¢]|rs\.?|kr\.?|zł|kč|ft|lei|aed|aud|bgn|brl|cad|chf|cny|czk|dkk|eur"
    r"|gbp|hkd|huf|idr|ils|inr|jpy|krw|mxn|myr|nok|nzd|php|pln|ron|rub|sar|sek|sgd|thb|try|twd|uah"
    r"|usd|vnd|zar)"
)
_PRICE = re.compile(
    rf"(?P<before>{_CURRENCY}\s*)?(?P<sign>[+-]?)(?P<amount>\d[\d.,'\s]*?)(?:\s*[,/]?-)?"
    rf"(?P<after>\s*{_CURRENCY})?"
)
_AMOUNTS = {
    point: re.compile(
        rf"\d{{1,3}}(?:[{thousands}'\s]\d{{3}})+(?:[{point}]\d+)?|\d+(?:[{point}]\d{{1,2}})?"
    )
    for thousands, point in (",.", ".,")
}


class Column(NamedTuple):
    """Which items have which value: numbers by value, numeric values first, in their order.

    Attributes
    ----------
    values : ndarray of shape (v,), int64
        The values' names in the database.
    numerics : ndarray of shape (w,), float64
        What the first w values are as numbers, ascending; the others are texts, ascending.
    starts : ndarray of shape (v + 1,), int64
        The items of value i are ``numbers[starts[i] : starts[i + 1]]``.
    numbers : ndarray, int64
    """

    values: NDArray[np.int64]
    numerics: NDArray[np.float64]
    starts: NDArray[np.int64]
    numbers: NDArray[np.int64]

    @classmethod
    def read(cls, database: sqlite3.Connection, name: str) -> Self:
        """Read a column row by row: a million items take a second."""
        rows = database.execute(
            "SELECT val, numeric FROM vals WHERE name = ? ORDER BY numeric IS NULL, numeric, value",
            (name,),
        ).fetchall()
        values = np.array([val for val, _ in rows], dtype=np.int64)
        numerics = np.array([numeric for _, numeric in rows if numeric is not None], np.float64)
        facets = database.execute(
            "SELECT f.val, f.number FROM vals AS v CROSS JOIN facets AS f ON f.val = v.val"
            " WHERE v.name = ?",
            (name,),
        )
        pairs = np.fromiter(chain.from_iterable(facets), dtype=np.int64).reshape(-1, 2)
        order = np.argsort(values)
        places = order[np.searchsorted(values, pairs[:, 0], sorter=order)]
        starts = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=len(values)))])
        return cls(values, numerics, starts, pairs[np.argsort(places, kind="stable"), 1])

    def matching(
        self, database: sqlite3.Connection, name: str, operator: Operator, value: str | float
    ) -> NDArray[np.int64]:
        """Return the items of this column, called ``name``; see `Index.matching`."""
        first, last = len(self.numerics), len(self.values)
        if isinstance(value, float):
            first, last = 0, first
            low = int(np.searchsorted(self.numerics, value, "left"))
            high = int(np.searchsorted(self.numerics, value, "right"))
        elif operator == "=":  # the very text, which may stand with the numbers
            low = self._place(database, name, "=", value)
            high = min(low + 1, last)
        else:
            low, high = (self._place(database, name, sign, value) for sign in (">=", ">"))
        start, end = {
            "=": (low, high),
            "<": (first, low),
            "<=": (first, high),
            ">": (high, last),
            ">=": (low, last),
        }[operator]
        return self.numbers[self.starts[start] : self.starts[end]]

    def _place(self, database: sqlite3.Connection, name: str, sign: str, value: str) -> int:
        """Return where the first value so related to a text stands, the end for none."""
        texts = "" if sign == "=" else "AND numeric IS NULL"
        row = database.execute(
            f"SELECT val FROM vals WHERE name = ? {texts} AND value {sign} ?"  # noqa: S608
            " ORDER BY value LIMIT 1",
            (name, fold(value)),
        ).fetchone()
        found = np.flatnonzero(self.values == row[0]).tolist() if row else []
        return found[0] if found else len(self.values)


def names(database: sqlite3.Connection) -> tuple[str, ...]:
    """Return the columns that there are: tag groups, then ``table.NAME`` of fields."""
    # one seek per name, where SELECT DISTINCT would read every value there is
    found = database.execute(
        "WITH RECURSIVE names (name) AS (SELECT min(name) FROM vals UNION ALL"
        " SELECT (SELECT min(v.name) FROM vals AS v WHERE v.name > names.name)"
        " FROM names WHERE names.name IS NOT NULL)"
        " SELECT name FROM names WHERE name IS NOT NULL"
    )
    return tuple(
        sorted((name for (name,) in found), key=lambda name: (name.startswith(FIELD), name))
    )


def lacking(
    database: sqlite3.Connection, texts: Sequence[str], numbers: Sequence[int]
) -> list[str]:
    """Return the tags that texts name and none of these items has; see `Index.lacking`."""
    groups = [name for name in names(database) if not name.startswith(FIELD)]
    missing = []
    for text in dict.fromkeys(map(fold, texts)):
        having = {
            f"{group}={text}": database.execute(
                "SELECT EXISTS (SELECT 1 FROM facets WHERE facets.val = vals.val"
                " AND number IN (SELECT value FROM json_each(?)))"
                " FROM vals WHERE name = ? AND value = ?",
                (json.dumps(list(numbers)), group, text),
            ).fetchone()
            for group in groups
        }
        found = {tag: row[0] for tag, row in having.items() if row is not None}
        if found and not any(found.values()):
            missing.append(min(found))
    return missing


def write(database: sqlite3.Connection, changes: Iterable[tuple[int, str, str, str, str]]) -> None:
    """Write what differs, for new labels change the tags of a whole catalogue.

    Parameters
    ----------
    database : Connection
    changes : iterable of (number, tags, fields, tags, fields)
        What items had and what they have, as JSON: lists of tags, and fields by name.
    """
    val = numbering(
        database,
        "INSERT INTO vals (name, value, numeric) VALUES (?, ?, ?)"
        " ON CONFLICT (name, value) DO UPDATE SET name = name RETURNING val",
    )
    some_lost = False
    for block in blocks(changes):
        lost, won = [], []
        for item, tags, fields, new_tags, new_fields in block:
            before, after = _pairs(tags, fields), _pairs(new_tags, new_fields)
            lost += [(item, *pair) for pair in before - after]
            won += [(val(name, value, number(value)), item) for name, value in after - before]
        database.executemany(
            "DELETE FROM facets WHERE number = ? AND val ="
            " (SELECT val FROM vals WHERE name = ? AND value = ?)",
            lost,
        )
        # sorted: the key begins with the value, and neighbours on disk are cheap
        database.executemany("INSERT OR IGNORE INTO facets VALUES (?, ?)", sorted(won))
        some_lost = some_lost or bool(lost)
    if some_lost:
        database.execute(
            "DELETE FROM vals WHERE NOT EXISTS (SELECT 1 FROM facets WHERE val = vals.val)"
        )


def number(text: str) -> float | None:
    """Return the number that a text is, or the price; None for anything else, as ``nan``.

    ``40.00 EUR``, ``$12``, ``1.299,00`` and ``Rs. 1,299/-`` are prices; where a point or comma has
    three digits after it, it parts thousands. ``1,5`` alone is text: it may be two numbers.
    """
    text = text.strip().lower()
    if _NUMBER.fullmatch(text):
        return float(text)
    price = _PRICE.fullmatch(text)
    if price is None:
        return None
    amount = price["amount"]
    if not (price["before"] or price["after"] or {".", ","} <= {*amount}):
        return None
    for point, form in _AMOUNTS.items():
        if form.fullmatch(amount):
            whole, _, cents = amount.partition(point)
            return float(f"{price['sign']}{re.sub('[^0-9]', '', whole)}.{cents}")
    return None


def _pairs(tags: str, fields: str) -> set[tuple[str, str]]:
    """Return an item's (column, value) pairs, values as they are compared."""
    named = [tag.split("=", 1) for tag in chain.from_iterable(json.loads(tags))]
    pairs = {(group, fold(label)) for group, label in named}
    return pairs | {(FIELD + name, fold(value)) for name, value in json.loads(fields).items()}
