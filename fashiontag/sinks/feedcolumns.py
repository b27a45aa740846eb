"""Which labels go into which columns of a shop's own file: ``feedcolumns.toml``, read."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from fashiontag.names import fold
from fashiontag.taxonomy import CATEGORY, NONE, entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fashiontag.labels import Label, LabelSpace
    from fashiontag.taxonomy import Category, Taxonomy

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
    entry: str = ""

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


class Entries:
    """What labels are in a platform's taxonomy, by a label file.

    Parameters
    ----------
    space : LabelSpace
    taxonomy : Taxonomy or None
        With one, ids that it hasn't are left out, and Shopify's attributes can be written: only it
        knows which a category may have.

    Attributes
    ----------
    left : Counter of str
        What couldn't be said, and how often.
    """

    def __init__(self, space: LabelSpace, taxonomy: Taxonomy | None) -> None:
        self.left: Counter[str] = Counter()
        self._space = space
        self._taxonomy = taxonomy
        self._groups = {fold(group.name): group.name for group in space.groups}
        self._labels: dict[str, dict[str, Label]] = {
            fold(group.name): {fold(label.name): label for label in group.labels}
            for group in space.groups
        }

    def columns(self) -> Iterator[FeedColumn]:
        """Yield Shopify's metafields that labels are values of.

        A shop's file may call one in its own language; what stands in brackets is the same in all.
        """
        for group in self._space.groups if self._taxonomy else ():
            for handle in entries(group.shopify):
                name = self._taxonomy.names.get(handle) if self._taxonomy else None
                # a metafield of patterns is one of colours there: an entry is of both
                if name is None or handle == "pattern":
                    continue
                key = "color-pattern" if handle == "color" else handle
                bracket = f"(product.metafields.shopify.{key})"
                groups = (fold(group.name),)
                yield FeedColumn((f"{name} {bracket}", bracket), groups, join="; ", entry=handle)

    def of(
        self, column: FeedColumn, given: Mapping[str, Sequence[str]], category: str | None
    ) -> list[str]:
        """Return what goes into a column with an `entry`.

        Parameters
        ----------
        column : FeedColumn
        given : Mapping of str to sequence of str
            The labels of each folded group.
        category : str or None
            What the file says of the product's category; "" or None is what `given` says.
        """
        labels = self._named(column, given)
        if column.entry in ("shopify", "google"):
            return [entry for label in labels for entry in self._ids(label, column.entry)]
        known = self._known(labels, column.entry)
        if not known or self._taxonomy is None:
            return []
        of = self._category(given, category)
        if of is not None and column.entry in of.attributes:
            return known
        group = self._space.group(self._groups[column.groups[0]])
        having = [name for name in entries(group.shopify) if self._known(labels, name)]
        if of is None or not of.attributes.intersection(having):
            where = f"of category {of.path!r}" if of else "of no known category"
            self.left[f"{group.name}: not for products {where}"] += column.entry == having[0]
        return []

    def is_filled(
        self, column: FeedColumn, products: Iterable[Mapping[str, Sequence[str]]]
    ) -> bool:
        """Return whether a column has something to say of any product, by its given labels."""
        if column.entry in ("", "shopify", "google"):
            return True
        return any(
            self._known(self._named(column, given), column.entry)
            and (of := self._category(given, None)) is not None
            and column.entry in of.attributes
            for given in products
        )

    def _named(self, column: FeedColumn, given: Mapping[str, Sequence[str]]) -> list[Label]:
        return [
            label
            for group in column.groups
            for name in given.get(group, ())
            if (label := self._labels.get(group, {}).get(fold(name)))
        ]

    def _known(self, labels: Sequence[Label], attribute: str) -> list[str]:
        """Return the values of an attribute that labels are."""
        values = self._taxonomy.values.get(attribute, ()) if self._taxonomy else ()
        named = dict.fromkeys(value for label in labels for value in entries(label.shopify))
        return [value for value in named if value in values]

    def _ids(self, label: Label, kind: str) -> Iterator[str]:
        text = label.google if kind == "google" else label.shopify
        for entry in entries(text):
            taxonomy = self._taxonomy
            known = taxonomy and (taxonomy.google if kind == "google" else taxonomy.categories)
            if taxonomy and known and entry not in known:
                self.left[f"{label.name}: {entry} is not in the taxonomy {taxonomy.version}"] += 1
            else:
                yield entry
        if not entries(text) and label.shopify.startswith(NONE):
            why = label.shopify.removeprefix(NONE).strip()
            self.left[f"{label.name}: no category of {kind.capitalize()}'s ({why})"] += 1

    def _category(self, given: Mapping[str, Sequence[str]], there: str | None) -> Category | None:
        if self._taxonomy is None:
            return None
        if there and there.strip():
            return self._taxonomy.find(there)
        for group in self._space.groups:
            for name in given.get(fold(group.name), ()) if group.shopify == CATEGORY else ():
                label = self._labels[fold(group.name)].get(fold(name))
                for entry in entries(label.shopify) if label else ():
                    return self._taxonomy.categories.get(entry)
        return None
