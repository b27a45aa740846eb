"""What Google's two feeds share: items with named values, grouped by ``item_group_id``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from fashiontag.catalog.feeds.addresses import split_addresses
from fashiontag.catalog.feeds.products import Album, Facts, FeedRow, Findings, Product
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PICTURES = ("image_link", "additional_image_link", "additional_image_links")
_NOT_FIELDS = frozenset(("title", "description", *_PICTURES))


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


class GoogleFeed(ABC):
    """The rows and products of one feed, whose items a subclass reads."""

    findings: Findings

    @abstractmethod
    def items(self) -> Iterator[GoogleItem]:
        """Yield all items in the feed's order."""

    def rows(self) -> Iterator[FeedRow]:
        """Yield the items that have an id of their own; the others are reported."""
        return (row for row, _ in self._pairs())

    def products(self) -> Iterator[Product]:
        """Yield the products; a group whose items are apart comes in as many parts."""
        for key, pairs in groupby(self._pairs(), lambda pair: pair[0].product):
            rows = [*pairs]
            facts = [_facts(item) for _, item in rows]
            album = Album(self.findings)
            for (row, item), own in zip(rows, facts, strict=True):
                album.base = item.base
                for name in _PICTURES:
                    for cell in item.values.get(name, ()):
                        for address in split_addresses(cell):
                            album.add(address, own, item.place, row.variant)
            yield album.product(key, (row.variant for row, _ in rows), len(rows), facts[0])

    def _pairs(self) -> Iterator[tuple[FeedRow, GoogleItem]]:
        findings = self.findings
        seen: set[int] = set()
        group, spelled = "", ""
        for item in self.items():
            own = item.first("id")
            if not own:
                findings.leave_out("items have no id", item.place)
                continue
            findings.name_of("ids", own, item.place)  # it stands for this item, all the same
            if hash(own) in seen:
                findings.leave_out(
                    "items repeat the id of an earlier one", f"{own} in {item.place}"
                )
                continue
            seen.add(hash(own))
            product = item.first("item_group_id") or own
            # Google tells groups apart whatever their case: the first spelling stands for a run.
            if product.lower() != group:
                group, spelled = product.lower(), product
            yield FeedRow(item.row, spelled, own, head=True), item


def _facts(item: GoogleItem) -> Facts:
    fields = {
        name: "|".join(filter(None, values))
        for name, values in item.values.items()
        if name not in _NOT_FIELDS and any(values)
    }
    return Facts(item.first("title"), item.first("description"), fields)
