"""Shopify's product CSV, with its old headers and its new ones.

A product is the rows of one handle. Variant rows and image rows are zipped: what stands in one row
need not belong together, and only ``Variant Image`` says which photo a variant has.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from fashiontag.catalog.delimited import Delimited, Record, cell_of
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

ANCHORS = (("handle", "title"), ("url handle", "title"))
"""Columns that make a file one of these, folded: the old headers, the new ones."""

_TITLE, _BODY = ("title",), ("body (html)", "description")
_HANDLE = ("handle", "url handle")
_SKU, _BARCODE = ("variant sku", "sku"), ("variant barcode", "barcode")
_IMAGE, _VARIANT_IMAGE = ("image src", "product image url"), ("variant image", "variant image url")
_OPTIONS = tuple(f"option{number} value" for number in (1, 2, 3))
_NOT_FIELDS = frozenset(
    (*_HANDLE, *_TITLE, *_BODY, *_IMAGE, *_VARIANT_IMAGE, "image position", "image alt text")
)
_OF_A_VARIANT = frozenset(
    ("sku", "barcode", "price", "compare-at price", "cost per item", "inventory quantity")
) | {*_OPTIONS, "weight value (grams)", "charge tax", "inventory tracker", "fulfillment service"}


class ShopifyCsv:
    """The rows and products of one file."""

    name = "shopify-csv"

    def __init__(self, feed: Delimited, findings: Findings) -> None:
        self.feed = feed
        self.findings = findings
        place = feed.place
        self._handle, self._title, self._body = place(*_HANDLE), place(*_TITLE), place(*_BODY)
        self._sku, self._barcode = place(*_SKU), place(*_BARCODE)
        self._image, self._variant_image = place(*_IMAGE), place(*_VARIANT_IMAGE)
        self._options = [place(name) for name in _OPTIONS]
        self._fields = places_but(feed.columns, _NOT_FIELDS)
        self._common = tuple(
            (at, name)
            for at, name in self._fields
            if name.lower() not in _OF_A_VARIANT and not name.lower().startswith("variant ")
        )

    def rows(self) -> Iterator[FeedRow]:
        """Yield the rows that belong to a product; the others are reported."""
        # Hashes take a third of the memory of a million handles; two of them are equal by chance
        # once in 10^7 such files.
        seen: set[int] = set()
        handle, repeated = "", False
        for record in sound_records(self.feed, self.findings):
            there = cell_of(record, self._handle)
            if not there:
                self.findings.leave_out("rows have no handle", f"line {record.line}")
                continue
            head = there != handle
            if head:
                handle, key = there, hash(there)
                again = key in seen
                # Without a title it goes on with the product that stands further up.
                repeated = again and bool(cell_of(record, self._title))
                head = not again
                seen.add(key)
            if repeated:
                self.findings.leave_out(
                    "rows are of a second product with the handle of an earlier one",
                    f"{handle} in line {record.line}",
                )
                continue
            yield FeedRow(record, handle, self._variant(record), head)

    def products(self) -> Iterator[Product]:
        """Yield the products, each where its rows stand."""
        for handle, rows in groupby(self.rows(), lambda row: row.product):
            yield self._product(handle, [*rows])

    def _variant(self, record: Record) -> str | None:
        sku, _ = (
            self.findings.name_of(kind, cell_of(record, place), f"line {record.line}")
            for kind, place in (("SKUs", self._sku), ("barcodes", self._barcode))
        )
        if sku:
            return sku
        options = [cell_of(record, place) for place in self._options]
        return " / ".join(filter(None, options)) if options != ["Default Title", "", ""] else None

    def _product(self, handle: str, rows: list[FeedRow]) -> Product:
        first = rows[0].row
        title, body = cell_of(first, self._title), cell_of(first, self._body)
        variants = [row for row in rows if row.variant]
        # With one variant its price is the product's; with several the first one's is nobody's.
        kept = self._fields if len(variants) <= 1 else self._common
        facts = Facts(title, body, cells_at(kept, first.cells))
        common = cells_at(self._common, first.cells)
        album = Album(self.findings)
        for row in rows:
            if image := cell_of(row.row, self._image):
                album.add(image, facts, f"line {row.row.line}")
        for row in variants:
            if image := cell_of(row.row, self._variant_image):
                own = Facts(title, body, common | cells_at(self._fields, row.row.cells))
                album.add(image, own, f"line {row.row.line}", row.variant)
        return album.product(handle, (row.variant for row in variants), len(rows), facts)
