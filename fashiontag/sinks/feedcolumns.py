"""Which labels go into which columns of a shop's own file: ``feedcolumns.toml``, read."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMATS = ("shopify-csv", "google-xml", "google-tsv", "woocommerce-csv")
"""The shops' own files that tags can be filled into."""


@dataclass(frozen=True, slots=True)
class FeedColumn:
    """A column that labels fill; the file beside this module says what each attribute means."""

    names: tuple[str, ...]
    groups: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    join: str = ""
    most: int | None = None
    adds: bool = False
    variant: bool = False
    attribute: bool = False

    @property
    def name(self) -> str:
        """The name that is written."""
        return self.names[0]

    def labels(self, given: Mapping[str, Sequence[str]]) -> list[str]:
        """Return what goes into the column, given the labels of each folded group, best first."""
        if self.groups == ("*",):
            found = [label for labels in given.values() for label in labels]
        else:
            found = next((list(given[group]) for group in self.groups if given.get(group)), [])
        if self.values:
            found = [self.values[fold(label)] for label in found if fold(label) in self.values]
        return list(dict.fromkeys(found))[: self.most]


@cache
def feed_columns(format: str) -> tuple[FeedColumn, ...]:  # noqa: A002
    """Return the columns that can be filled in a format."""
    text = (files("fashiontag.sinks") / "feedcolumns.toml").read_text("utf-8")
    table = tomllib.loads(text)["google" if format.startswith("google") else format]
    return tuple(
        FeedColumn(
            **{**row, "names": tuple(row["names"]), "groups": tuple(map(fold, row["groups"]))}
        )
        for row in table
    )
