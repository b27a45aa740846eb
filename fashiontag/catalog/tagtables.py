"""Tables that `tag` wrote, read back: the same cells, whatever a spreadsheet did to their spelling.

A spreadsheet that opens and saves a table changes quotes, line ends, the byte order mark, the form
of numbers, the leading ``'`` of a text cell; people change case, blanks and the order of labels.
None of that changes what a cell says, and none of it is seen here.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fashiontag.catalog.tables import read_table
from fashiontag.errors import CatalogError
from fashiontag.labels import RESERVED_GROUPS
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TAGS, REVIEW = "tags", "review"
NESTED = frozenset({"scores", "evidence", "conflicts"})
"""What only JSON lines and Parquet have."""
_NUMBER = re.compile(r"([+-]?)(\d{1,15})(?:[.,](\d{1,15}))?")
_GUARDED = re.compile(r"'(?=[=+\-@\t\r])")


@dataclass(frozen=True, slots=True)
class TagRow:
    """One product of a table.

    Attributes
    ----------
    line : int
        Where it stands, as an editor or a spreadsheet counts.
    id : str
    cells : Mapping of str to str
        By folded column name, what a format adds taken off: a list of tags is ``group=label|…``.
    """

    line: int
    id: str
    cells: Mapping[str, str]

    def labels(self, group: str) -> tuple[str, ...]:
        """Return the labels in a group's own column, () where there is none."""
        return parts(self.cells.get(fold(group), ""))

    def tags(self, column: str = TAGS) -> dict[str, tuple[str, ...]]:
        """Return the labels that the column ``tags`` or ``review`` names, by folded group."""
        found: dict[str, list[str]] = {}
        for tag in parts(self.cells.get(column, "")):
            group, _, label = (part.strip() for part in tag.partition("="))
            found.setdefault(fold(group), []).append(label)
        return {group: tuple(labels) for group, labels in found.items()}


@dataclass(frozen=True)
class TagTable:
    """A table of tags.

    Attributes
    ----------
    path : str
        As typed.
    columns : tuple of str
        As written, without what text formats don't have.
    rows : tuple of TagRow
    ragged : tuple of int
        Lines whose cells can't be told apart.
    """

    path: str
    columns: tuple[str, ...]
    rows: tuple[TagRow, ...]
    ragged: tuple[int, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns that not every table has: one a group, and a person's own."""
        fixed = {fold(name) for name in RESERVED_GROUPS}
        return tuple(name for name in self.columns if fold(name) not in fixed)

    def find(self, key: str) -> TagRow | None:
        """Return the row of an id, or the one whose id is the same number, if there is one."""
        exact, spelled = self._by_id
        found = exact.get(key) or spelled.get(plain(key)) or []
        return found[0] if len(found) == 1 else None

    @cached_property
    def _by_id(self) -> tuple[dict[str, list[TagRow]], dict[str, list[TagRow]]]:
        exact: dict[str, list[TagRow]] = defaultdict(list)
        spelled: dict[str, list[TagRow]] = defaultdict(list)
        for row in self.rows:
            exact[row.id].append(row)
            spelled[plain(row.id)].append(row)
        return exact, spelled

    def says_the_same(self, other: TagTable) -> bool:
        """Tell whether two tables have the same cells, in whatever order."""
        if self.ragged or other.ragged or len(self.rows) != len(other.rows):
            return False
        # JSON lines and Parquet hold what is to review in their list of tags
        names = {fold(name) for name in self.columns} - {REVIEW}
        if names != {fold(name) for name in other.columns} - {REVIEW}:
            return False
        listed = {fold(name) for name in (*self.groups, TAGS, REVIEW)}
        pairs = [(row, other.find(row.id)) for row in self.rows]
        if len({id(found) for _, found in pairs}) < len(pairs):
            return False
        return all(
            found is not None
            and all(
                same(row.cells.get(name, ""), found.cells.get(name, ""), labels=name in listed)
                for name in (*names, REVIEW)
            )
            for row, found in pairs
        )


def read_tag_table(path: str, id_column: str | None = None, needed: Sequence[str] = ()) -> TagTable:
    """Read a table of tags in any format that `tag` writes or a spreadsheet saves.

    Parameters
    ----------
    path : str
    id_column : str or None
        The column that names the product; None is ``id``, or else a usual one.
    needed : sequence of str
        Columns, folded, without which it is no table of tags.

    Raises
    ------
    UsageError, CatalogError
        It can't be read as a table, or lacks a column.
    """
    table = read_table(path, ("id", TAGS))
    folded = [fold(name) for name in table.columns]
    if not set(needed) <= set(folded):
        raise CatalogError(
            f"{path} has no columns {' and '.join(needed)}: {table.has()}; give a table of "
            "`fashiontag tag`."
        )
    if id_column is None and "id" in folded:
        key_at = folded.index("id")
    else:
        key_at = table.needed_column("id", id_column)
    lines = ((row.line, row.cells) for row in table.rows if not row.ragged)
    ragged = tuple(row.line for row in table.rows if row.ragged)
    return tag_table(path, table.columns, lines, key_at, ragged)


def tag_table(
    path: str,
    columns: Sequence[str],
    lines: Iterator[tuple[int, Sequence[str]]],
    key_at: int = 0,
    ragged: tuple[int, ...] = (),
) -> TagTable:
    """Make a table of tags of cells that were read already, line by line."""
    folded = [fold(name) for name in columns]
    kept = [(place, name) for place, name in enumerate(folded) if name and name not in NESTED]
    rows = []
    for line, texts in lines:
        cells = {name: _unguarded(texts[place]) for place, name in kept}
        listed = cells.get(TAGS, "")
        if listed.startswith("["):
            cells |= _flat(listed)
        rows.append(TagRow(line, texts[key_at].strip(), cells))
    return TagTable(path, tuple(columns[place] for place, _ in kept), tuple(rows), ragged)


def parts(cell: str) -> tuple[str, ...]:
    """Return the entries of a cell that holds several, parted by ``|``, each once."""
    found = (part.strip() for part in cell.split("|"))
    return tuple({fold(part): part for part in found if part}.values())


def same(one: str, other: str, *, labels: bool = False) -> bool:
    """Tell whether two cells say the same: as lists of labels, or as a text or number."""
    if one == other:
        return True
    if labels:
        return {plain(fold(x)) for x in parts(one)} == {plain(fold(x)) for x in parts(other)}
    return plain(one) == plain(other)


def plain(cell: str) -> str:
    """Return what the spellings of one cell have in common: blanks, and the form of a number."""
    text = " ".join(_unguarded(cell).split())
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    sign, whole, rest = number.groups()
    rest = (rest or "").rstrip("0")
    return f"{sign.strip('+')}{whole.lstrip('0') or '0'}" + (f".{rest}" if rest else "")


def _unguarded(cell: str) -> str:
    return _GUARDED.sub("", cell, count=1) if cell.startswith("'") else cell


def _flat(cell: str) -> dict[str, str]:
    """Return a list of tags, of JSON lines or Parquet, as the cells of the text formats."""
    try:
        tags = [tag for tag in json.loads(cell) if isinstance(tag, dict)]
    except ValueError:
        return {}
    # what a person said is published, whatever was decided on what the program thinks
    kinds = [(tag, "" if tag.get("method") == "person" else tag.get("decision")) for tag in tags]
    some = {
        TAGS: [tag for tag, kind in kinds if kind not in ("review", "abstain")],
        REVIEW: [tag for tag, kind in kinds if kind == "review"],
    }
    return {
        column: "|".join(f"{tag.get('group', '')}={tag.get('label', '')}" for tag in found)
        for column, found in some.items()
    }
