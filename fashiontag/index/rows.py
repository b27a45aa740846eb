"""Rows into SQLite: in blocks, and with numbers in place of what many of them have."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

BLOCK = 1000
"""Rows per statement."""

_REMEMBERED = 2**18  # a column of ids has as many values as items


def blocks(rows: Iterable[T], size: int = BLOCK) -> Iterator[list[T]]:
    """Yield the rows in lists of ``size``, the last one shorter."""
    stream = iter(rows)
    return iter(lambda: list(islice(stream, size)), [])


def numbering(database: sqlite3.Connection, insert: str) -> Callable[..., int]:
    """Return a function that finds the number of a row, or inserts the row and gives it one.

    Parameters
    ----------
    database : Connection
    insert : str
        A statement that takes the row's values and returns its number, whether it was there or not.
    """

    @lru_cache(_REMEMBERED)
    def number_of(*row: str | float | None) -> int:
        return int(database.execute(insert, row).fetchone()[0])

    return number_of
