"""What Google's two feeds share: items with named values, grouped by ``item_group_id``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from fashiontag.catalog.feeds.addresses import split_addresses
from fashiontag.catalog.feeds.products import Album, Facts, FeedRow, Findings, Product, is_rounded
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NOT_FIELDS = frozenset(
    ("title", "description", "image_link", "additional_image_link", "additional_image_links")
)


@dataclass(frozen=True, slots=True)
class GoogleItem:
    """One item of a feed.

    Attributes
    ----------
    row : Record or Entry
        Where it stands.
    place : str
        "line 7".
    values : Mapping of str to list of str
        By canonical name (``image_link``); a name may come more than once.
    base : str
        What relative addresses are relative to.
    """

    row: Any
    place: str
    values: Mapping[str, list[str]]
    base: str = ""

    def first(self, name: str) -> str:
        """Return the first value of a name, "" if there is none."""
        return next(iter(self.values.get(name, ())), "")


def canonical(name: str) -> str:
    """Return an attribute's name as Google's documents have it: ``g:Image Link`` is image_link."""
    return fold(name.rpartition(":")[2]).replace(" ", "_")


def google_rows(
    items: Iterable[GoogleItem], findings: Findings
) -> Iterator[tuple[FeedRow, GoogleItem]]:
    """Yield the items with product and variant; those without an id of their own are reported."""
    seen: set[int] = set()
    group, spelled = "", ""
    for item in items:
        own = item.first("id")
        if not own:
            findings.leave_out("items have no id", item.place)
            continue
        if is_rounded(own):
            findings.note(
                "ids were rounded by a spreadsheet and may stand for several items",
                f"{own} in {item.place}",
            )
        if hash(own) in seen:
            findings.leave_out("items repeat the id of an earlier one", f"{own} in {item.place}")
            continue
        seen.add(hash(own))
        product = item.first("item_group_id") or own
        # Google tells groups apart whatever their case: the first spelling stands for a run.
        if product.lower() != group:
            group, spelled = product.lower(), product
        yield FeedRow(item.row, spelled, own, head=True), item


def google_products(items: Iterable[GoogleItem], findings: Findings) -> Iterator[Product]:
    """Yield the products; a group whose items are apart comes in as many parts."""
    for key, pairs in groupby(google_rows(items, findings), lambda pair: pair[0].product):
        rows = [*pairs]
        facts = [_facts(item) for _, item in rows]
        album = Album(findings)
        for (row, item), own in zip(rows, facts, strict=True):
            album.base = item.base
            for name in ("image_link", "additional_image_link", "additional_image_links"):
                for cell in item.values.get(name, ()):
                    for address in split_addresses(cell):
                        album.add(address, own, item.place, row.variant)
        variants = tuple(row.variant for row, _ in rows if row.variant)
        yield Product(key, variants, album.photos(key), len(rows), facts[0])


def _facts(item: GoogleItem) -> Facts:
    fields = {
        name: "|".join(filter(None, values))
        for name, values in item.values.items()
        if name not in _NOT_FIELDS and any(values)
    }
    return Facts(item.first("title"), item.first("description"), fields)
