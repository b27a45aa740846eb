"""A label file beside titles: which labels sellers name, and in which words they name none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.catalog import clean_title
from fashiontag.catalog.items import brand_among
from fashiontag.catalog.tables import read_table
from fashiontag.catalog.titles import first_few, other_cells
from fashiontag.errors import CatalogError
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.words import says_something, split

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fashiontag.labels import LabelSpace

MOST_WORDS = 12
LEAST_SHARE = 0.5
"""More of the titles with a word name nothing: "jutti" is what a label lacks, "new" is not."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What titles name of a label file.

    Attributes
    ----------
    titles, silent : int
        Titles that have a word, and those of them that name no label at all.
    groups : Mapping of str to int
        Titles that name a label of the group.
    never : tuple of str
        Tags that no title names; what is under a label names it too.
    group : str
        The group that says what a product is, else the first.
    words : Mapping of str to int
        What titles that name no label of that group say, in how many of them, most first.
    """

    titles: int
    silent: int
    groups: Mapping[str, int]
    never: tuple[str, ...]
    group: str
    words: Mapping[str, int]

    def remarks(self, path: str) -> tuple[str, ...]:
        """Return what there is to say of it, a sentence each."""
        found = []
        if self.never:
            found.append(
                f"{path}: {len(self.never)} of the labels are named by no title: "
                f"{first_few(self.never)}; give them `words` that sellers write, or leave them to "
                "pictures."
            )
        if unnamed := self.titles - self.groups[self.group]:
            said = [f"{word} ({count})" for word, count in self.words.items()]
            found.append(
                f"{path}: {unnamed} of {self.titles} titles name no label of '{self.group}'"
                + (f"; words of theirs: {first_few(said, MOST_WORDS)}." if said else ".")
            )
        return tuple(found)


def name_titles(space: LabelSpace, path: Path, title_column: str | None = None) -> Naming:
    """Look for the labels of a space in the titles of a table, as `tag` does.

    Raises
    ------
    UsageError, CatalogError
        There is no such table or column, or no title in it has a word.
    """
    table = read_table(str(path), (title_column,))
    place = table.needed_column("title", title_column)
    rows = [row for row in table.rows if not row.ragged and says_something(row.cells[place])]
    if not rows:
        raise CatalogError(f"{path}: no title has a word; name the column with --title-column.")
    texts = [clean_title(row.cells[place]) for row in rows]
    brands = [*map(brand_among, map(other_cells(table, {place}), rows))]
    named = TitleMatcher(space).score(texts, brands) > 0
    for child, parent in space.links:
        named[:, parent] |= named[:, child]
    group = space.main or space.groups[0]
    without = [not row.any() for row in named[:, space.span(group.name)]]
    everywhere: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for text, nothing in zip(texts, without, strict=True):
        words = {word for word in split(text) if word.isalpha() and len(word) > 2}
        everywhere.update(words)
        there.update(words if nothing else ())
    telling = [
        (-count, word) for word, count in there.items() if count > LEAST_SHARE * everywhere[word]
    ]
    return Naming(
        titles=len(texts),
        silent=int((~named.any(axis=1)).sum()),
        groups={
            one.name: int(named[:, space.span(one.name)].any(axis=1).sum()) for one in space.groups
        },
        never=tuple(space.tags[column] for column in np.flatnonzero(~named.any(axis=0))),
        group=group.name,
        words={word: -count for count, word in sorted(telling)[:MOST_WORDS]},
    )
