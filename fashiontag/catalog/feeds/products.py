"""What every feed becomes: products with their photos, and what was odd on the way."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fashiontag.catalog.feeds.addresses import absolute, is_thumbnail, picture_key
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fashiontag.catalog.delimited import Delimited, Record

# What a spreadsheet makes of a long number: 8.90E+12 may have been any of a billion EANs.
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a feed says of a photo's product or variant: its words, and the other cells."""

    title: str = ""
    description: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture of a product.

    Attributes
    ----------
    url : str
        Its address, with a scheme wherever the feed lets one be known; "" where a picture was
        found by the product's name only.
    variants : tuple of str
        Those that claim it; none is a photo of the product as a whole.
    facts : Facts
        Of the first variant that claims it, else of the product.
    """

    url: str
    variants: tuple[str, ...]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Product:
    """A product, or that part of it which stands together in the feed.

    Attributes
    ----------
    key : str
        Handle, group or SKU, as the format says.
    variants : tuple of str
        In the feed's order, each once.
    photos : tuple of Photo
        In the feed's order, each picture once.
    rows : int
        Rows of the feed that it was made of.
    facts : Facts
    """

    key: str
    variants: tuple[str, ...]
    photos: tuple[Photo, ...]
    rows: int
    facts: Facts


class Findings:
    """Counts what was left out or looks odd, by kind, with the first few places."""

    MOST_PLACES = 5

    def __init__(self) -> None:
        self.reported = 0
        self._counts: Counter[str] = Counter()
        self._places: dict[str, list[str]] = {}

    def note(self, kind: str, place: object) -> None:
        """Count something odd about a row that was used."""
        self._counts[kind] += 1
        places = self._places.setdefault(kind, [])
        if len(places) < self.MOST_PLACES:
            places.append(str(place))

    def leave_out(self, kind: str, place: object) -> None:
        """Count a row that gives nothing."""
        self.reported += 1
        self.note(f"{kind} and were left out", place)

    def name_of(self, kind: str, cell: str, place: object) -> str:
        """Return what a cell names; "" where a spreadsheet rounded it: 8.90E+12 is any of many."""
        if _ROUNDED.fullmatch(cell) is None:
            return cell
        self.note(
            f"{kind} were rounded by a spreadsheet and name nothing any more", f"{cell} in {place}"
        )
        return ""

    def warnings(self, name: str) -> tuple[str, ...]:
        """Return one sentence a kind: ``feed.csv: 2 rows have no handle …: line 3, 7.``."""
        return tuple(
            f"{name}: {count:,} {kind}: {', '.join(self._places[kind])}"
            f"{', …' if count > len(self._places[kind]) else ''}."
            for kind, count in self._counts.items()
        )


@dataclass(frozen=True, slots=True)
class FeedRow:
    """Which product and variant a row of a feed is about.

    Attributes
    ----------
    row : Record or Entry
        A line of cells, or an element of XML.
    product : str
    variant : str or None
        None where the row is of the product as a whole.
    head : bool
        Whether the cells of the product as a whole stand in it.
    """

    row: Any
    product: str
    variant: str | None
    head: bool


class Album:
    """Gathers the photos of one product: the same picture once, whoever claims it.

    Parameters
    ----------
    findings : Findings
    base : str
        What relative addresses are relative to, "" if that isn't known.
    """

    def __init__(self, findings: Findings, base: str = "") -> None:
        self._findings = findings
        self.base = base
        self._urls: dict[str, str] = {}
        self._claims: dict[str, list[str]] = {}
        self._facts: dict[str, Facts] = {}

    def add(self, address: str, facts: Facts, place: object, variant: str | None = None) -> None:
        """Add a picture, or another address or claim of one that is there."""
        url = absolute(address, self.base)
        key = picture_key(url)
        if "://" not in url:
            self._findings.note("addresses of pictures are relative and name no shop", place)
        if key not in self._urls:
            self._urls[key], self._facts[key], self._claims[key] = url, facts, []
        elif is_thumbnail(self._urls[key]) and not is_thumbnail(url):
            self._urls[key] = url
        claims = self._claims[key]
        if variant is not None and variant not in claims:
            if not claims:
                self._facts[key] = facts
            claims.append(variant)

    def product(self, key: str, variants: Iterable[str | None], rows: int, facts: Facts) -> Product:
        """Return the product; thumbnails that nobody knows the picture of are noted."""
        for url in self._urls.values():
            if is_thumbnail(url):
                self._findings.note(
                    "addresses are thumbnails, where the shop has larger pictures", key
                )
        photos = tuple(
            Photo(url, tuple(self._claims[at]), self._facts[at]) for at, url in self._urls.items()
        )
        named = tuple(dict.fromkeys(name for name in variants if name))
        return Product(key, named, photos, rows, facts)


def places_but(columns: Sequence[str], taken: frozenset[str]) -> tuple[tuple[int, str], ...]:
    """Return place and name of the columns that are not in `taken` (folded names)."""
    return tuple((at, name) for at, name in enumerate(columns) if name and fold(name) not in taken)


def cells_at(places: Sequence[tuple[int, str]], cells: Sequence[str]) -> dict[str, str]:
    """Return the cells at some places that say something, by column."""
    return {name: cells[at] for at, name in places if cells[at]}


def sound_records(feed: Delimited, findings: Findings) -> Iterator[Record]:
    """Yield the rows whose cells can be told apart; the others are reported."""
    for record in feed.records():
        if record.ragged:
            findings.leave_out(
                "rows have more cells than the header or a quote that never closes",
                f"line {record.line}",
            )
            continue
        if record.short:
            findings.note(
                "rows have fewer cells than the header, read as empty", f"line {record.line}"
            )
        yield record
