"""Merchants' own files → products with their photos: one module a dialect, recognised by itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fashiontag.catalog.delimited import Delimited, head_of
from fashiontag.catalog.feeds import (
    google_tsv,
    google_xml,
    schema_org,
    shopify_csv,
    shopify_json,
    woocommerce_csv,
)
from fashiontag.catalog.feeds.products import Findings, Photo, Product
from fashiontag.errors import CatalogError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    _Opens = Callable[[Delimited, Findings], "ReadsProducts"]

__all__ = ["FORMATS", "Findings", "Photo", "Product", "ReadsProducts", "open_dialect"]


class ReadsProducts(Protocol):
    """What a dialect is: one file's products, and what it found odd."""

    @property
    def name(self) -> str:
        """The format's name, as after ``--format``."""

    def products(self) -> Iterator[Product]:
        """Yield the products in the feed's order, once."""


_DELIMITED: dict[str, tuple[_Opens, tuple[tuple[str, ...], ...]]] = {
    "shopify-csv": (shopify_csv.ShopifyCsv, shopify_csv.ANCHORS),
    "woocommerce-csv": (woocommerce_csv.WooCommerceCsv, woocommerce_csv.ANCHORS),
    "google-tsv": (google_tsv.GoogleTsv, google_tsv.ANCHORS),
}
FORMATS = (*_DELIMITED, "google-xml", "shopify-json", "schema-org")
_ALL_ANCHORS = sorted({name for _, sets in _DELIMITED.values() for names in sets for name in names})


def open_dialect(path: str, wanted: str | None, findings: Findings) -> ReadsProducts:
    """Find out what a feed is, or take the format that the user named.

    Raises
    ------
    UsageError
        There is no such file or format.
    CatalogError
        It is none of the formats, or not the one that was named; or it is damaged.
    """
    if wanted is not None and wanted not in FORMATS:
        raise UsageError(f"There is no format {wanted!r}; give one of {', '.join(FORMATS)}.")
    source = Path(path)
    if not source.exists():
        raise UsageError(f"There is no {path}; give a feed or a folder of saved pages.")
    if source.is_dir() or source.suffix.lower() in schema_org.SUFFIXES:
        _expect(path, "schema-org", wanted)
        return schema_org.SchemaOrg(path, findings)
    head = head_of(path)
    # UTF-16's zeros and marks aside, the first sign tells markup and JSON from a table
    start = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if not start:
        raise CatalogError(f"{path} is empty; a feed was expected.")
    if re.match(rb"<!doctype html|<html|<head|<body", start, re.IGNORECASE):
        raise CatalogError(
            f"{path} is a web page{_title(start)}, not a feed: the shop sent an error or a login "
            "instead; get the feed again, save product pages as .html, or have a shop's pages read "
            "by giving the address of one and --format schema-org."
        )
    if start.startswith(b"<"):
        if not google_xml.ANCHORS.search(head.replace(b"\0", b"")) and wanted is None:
            raise CatalogError(
                f"{path} is XML without an image_link in its first {len(head):,} bytes, so no "
                "Google feed; give --format google-xml if it is one all the same."
            )
        _expect(path, "google-xml", wanted)
        return google_xml.GoogleXml(path, findings)
    if start.startswith((b"{", b"[")):
        _expect(path, "shopify-json", wanted)
        return shopify_json.ShopifyJson(path, findings)
    return _delimited(path, wanted, findings)


def _delimited(path: str, wanted: str | None, findings: Findings) -> ReadsProducts:
    feed = Delimited(path, _ALL_ANCHORS)
    if feed.encoding.mixed:
        findings.note("lines are no UTF-8, as the others are, and were read as", "Windows-1252")
    for name, (dialect, anchors) in _DELIMITED.items():
        if any(feed.has(*names) for names in anchors) and wanted in (None, name):
            return dialect(feed, findings)
    if wanted is not None and wanted not in _DELIMITED:
        raise CatalogError(f"{path} is a table of {len(feed.columns)} columns, not {wanted}.")
    said = "; ".join(
        f"{name} by {' or '.join(' + '.join(names) for names in _DELIMITED[name][1])}"
        for name in ([wanted] if wanted in _DELIMITED else _DELIMITED)
    )
    shown = ", ".join(feed.columns[:12]) + (", …" if len(feed.columns) > 12 else "")
    raise CatalogError(f"{path} has the columns {shown}; recognised would be {said}.")


def _expect(path: str, found: str, wanted: str | None) -> None:
    if wanted not in (None, found):
        raise CatalogError(f"{path} is {found}, not {wanted}; leave --format out.")


def _title(start: bytes) -> str:
    found = re.search(rb"<title[^>]*>\s*([^<]{1,80})", start, re.IGNORECASE)
    return f" ({found.group(1).decode('utf-8', 'replace').strip()})" if found else ""
