"""WooCommerce's product CSV: variations name their parent, which may stand below them.

Terms (tags, categories, values of attributes) are joined by commas; one inside a term has a
backslash before it.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from fashiontag.catalog.delimited import Delimited, Record, cell_of
from fashiontag.catalog.feeds.addresses import split_addresses
from fashiontag.catalog.feeds.products import (
    Album,
    Facts,
    FeedRow,
    Findings,
    Product,
    cells_at,
    places_but,
    sound_records,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ANCHORS = (("name", "images", "type"), ("name", "images", "sku"), ("name", "type", "parent"))

_NOT_FIELDS = frozenset(("name", "images", "description"))
_ATTRIBUTE = re.compile(r"attribute (\d+) (name|value\(s\)|visible|global|default)")


class WooCommerceCsv:
    """The rows and products of one file."""

    name = "woocommerce-csv"

    def __init__(self, feed: Delimited, findings: Findings) -> None:
        self.feed = feed
        self.findings = findings
        place = feed.place
        self._id, self._sku, self._type = place("id"), place("sku"), place("type")
        self._name, self._parent, self._images = place("name"), place("parent"), place("images")
        self._text = place("description"), place("short description")
        self._attributes = [
            (place(f"attribute {number} name"), place(f"attribute {number} value(s)"))
            for number in range(1, 1 + sum(c.lower().endswith("value(s)") for c in feed.columns))
        ]
        cells = places_but(feed.columns, _NOT_FIELDS)
        self._fields = tuple(
            (at, name) for at, name in cells if not _ATTRIBUTE.fullmatch(name.lower())
        )

    def rows(self) -> Iterator[FeedRow]:
        """Yield the rows that are a product or a variation; the others are reported."""
        parents = self._parents()
        seen: set[int] = set()
        for record in sound_records(self.feed, self.findings):
            line = f"line {record.line}"
            own = self._sku_of(record, self.findings) or cell_of(record, self._id)
            if self._is_variation(record):
                parent = cell_of(record, self._parent)
                if not parent:
                    self.findings.leave_out("variations name no parent", line)
                    continue
                key = parents.get(parent.lower())
                if key is None:
                    key = parent.removeprefix("id:")
                    self.findings.note(
                        "variations name a parent that the file lacks", f"{parent} in {line}"
                    )
                if own == key:  # inherited from the parent
                    own = cell_of(record, self._id)
                own = own or " / ".join(self._attributes_of(record).values())
                yield FeedRow(record, key, own or None, head=False)
                continue
            if not own:
                self.findings.leave_out("rows have neither SKU nor ID", line)
            elif hash(own) in seen:
                self.findings.leave_out("rows repeat the SKU of an earlier one", f"{own} in {line}")
            else:
                seen.add(hash(own))
                yield FeedRow(record, own, None, head=True)

    def products(self) -> Iterator[Product]:
        """Yield the products; one whose rows are apart comes in as many parts."""
        for key, rows in groupby(self.rows(), lambda row: row.product):
            yield self._product(key, [*rows])

    def _parents(self) -> dict[str, str]:
        """Read the file once for what variations may name: a SKU, or ``id:N``."""
        found: dict[str, str] = {}
        for record in self.feed.records():
            if "variable" in cell_of(record, self._type).lower() and not record.ragged:
                # a rounded one is said of its row
                sku, number = self._sku_of(record, Findings()), cell_of(record, self._id)
                if sku or number:
                    found |= {name: sku or number for name in (sku.lower(), f"id:{number}") if name}
        return found

    def _is_variation(self, record: Record) -> bool:
        return "variation" in cell_of(record, self._type).lower()

    def _sku_of(self, record: Record, findings: Findings) -> str:
        return findings.name_of("SKUs", cell_of(record, self._sku), f"line {record.line}")

    def _attributes_of(self, record: Record) -> dict[str, str]:
        cells = (
            (cell_of(record, name), cell_of(record, value)) for name, value in self._attributes
        )
        return {name: "|".join(split_terms(value)) for name, value in cells if name and value}

    def _product(self, key: str, rows: list[FeedRow]) -> Product:
        album = Album(self.findings)
        facts = {id(row): self._facts(row.row) for row in rows}
        head = next((facts[id(row)] for row in rows if row.head), facts[id(rows[0])])
        for row in rows:
            own = facts[id(row)]
            own = Facts(own.title or head.title, own.description or head.description, own.fields)
            for address in split_addresses(cell_of(row.row, self._images)):
                album.add(address, own, f"line {row.row.line}", row.variant)
        return album.product(key, (row.variant for row in rows), len(rows), head)

    def _facts(self, record: Record) -> Facts:
        text = next(filter(None, (cell_of(record, place) for place in self._text)), "")
        fields = cells_at(self._fields, record.cells) | self._attributes_of(record)
        return Facts(cell_of(record, self._name), text, fields)


def split_terms(cell: str) -> list[str]:
    r"""Return the terms that commas join; ``a\, b`` is one term with a comma."""
    parts = re.split(r"(?<!\\),", cell)
    return [part.replace("\\,", ",").strip() for part in parts if part.strip()]


def escaped_term(term: str) -> str:
    r"""Return a term as it stands in a cell: a comma in it gets a backslash."""
    return term.replace(",", "\\,")
