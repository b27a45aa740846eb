"""A shop's address → its catalogue as files: ``products.json``, else the pages that it lists.

Which pages there are is said by the sitemap; where there is none, by links from the first page.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zlib
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from fashiontag.catalog.feeds.schema_org import ADDRESSES, MOST_BYTES, parsed
from fashiontag.catalog.web import without_password
from fashiontag.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fashiontag.catalog.downloads import Downloads
    from fashiontag.catalog.feeds import Findings

_MOST_SITEMAP = 52_428_800
"""Bytes, unpacked: as sitemaps.org has it."""
_MOST_SITEMAPS = 1000
_MOST_JSON = 100_000_000
_NO_PAGE = re.compile(r"\.(?:jpe?g|png|gif|webp|avif|svg|pdf|zip|css|js|mp4)$", re.IGNORECASE)


def save_products_json(
    shop: str, downloads: Downloads, into: Path, findings: Findings, advance: Callable[[int], None]
) -> bool:
    """Write all pages of a Shopify shop's ``/products.json`` as one; return whether there are any.

    Page after page, until one has no product that is new.
    """
    address = urljoin(shop, "/products.json")
    products: list[dict[str, Any]] = []
    known: set[str] = set()
    for number in count(1):
        got = downloads.fetch(f"{address}?limit=250&page={number}", _MOST_JSON)
        try:
            if got.file is None:
                raise ValueError(got.reason)  # noqa: TRY301 (one place says what a page lacks)
            listed = json.loads(downloads.path(got).read_bytes())["products"]
            new = [one for one in listed if str(one.get("id")) not in known]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if products:
                findings.note("pages of products.json can't be read, and end the list", error)
            break
        if not new:
            break
        products += new
        known |= {str(one.get("id")) for one in new}
        advance(1)
    if products:
        into.write_text(json.dumps({"products": products}, ensure_ascii=False), "utf-8")
    return bool(products)


def save_pages(
    start: str,
    downloads: Downloads,
    into: Path,
    findings: Findings,
    most: int,
    advance: Callable[[int], None],
) -> None:
    """Fill a folder with a shop's pages, and the file that says where each was.

    Only pages of the site that `start` leads to, only those that its robots.txt allows; whatever is
    left out is reported.

    Parameters
    ----------
    most : int
        Pages to ask for.

    Raises
    ------
    CatalogError
        The first page can't be had.
    """
    first = downloads.fetch(start, MOST_BYTES)
    if first.file is None:
        raise CatalogError(
            f"{without_password(start)} {first.reason}; give an address that a browser shows."
        )
    site = urlsplit(first.final).netloc
    listed = _from_sitemaps(first.final, downloads, findings)
    queue = deque(dict.fromkeys(listed or [start]))
    known, taken = set(queue), set[str]()
    addresses: dict[str, str] = {}
    into.mkdir(parents=True)
    for _ in range(most):
        if not queue:
            break
        url = queue.popleft()
        got = downloads.fetch(url, MOST_BYTES)
        advance(1)
        if got.file is None:
            findings.leave_out(f"pages {got.kind}", got.place)
            continue
        data = downloads.path(got).read_bytes()
        if urlsplit(got.final).netloc != site:
            findings.leave_out("pages lead to another site", url)
        elif got.final in taken:
            findings.leave_out("pages lead to one that was read already", url)
        elif not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            findings.leave_out("addresses hold no page", url)
        else:
            taken.add(got.final)
            name = _file_name(got.final)
            addresses[name] = got.final
            shutil.copyfile(downloads.path(got), into / name)
            if not listed:
                fresh = [one for one in _links(data, got.final, site) if one not in known]
                queue.extend(dict.fromkeys(fresh))
                known.update(fresh)
    if queue:
        findings.note(f"pages are beyond the first {most:,} and were not asked for", len(queue))
    text = json.dumps(addresses, ensure_ascii=False, indent=1)
    (into / ADDRESSES).write_text(f"{text}\n", "utf-8")


def _file_name(address: str) -> str:
    path = re.sub(r"[^\w.-]+", "-", unquote(urlsplit(address).path)).strip("-.") or "index"
    # Two addresses may differ in what a file name can't show.
    return f"{path[:80]}-{hashlib.sha256(address.encode()).hexdigest()[:8]}.html"


def _links(data: bytes, address: str, site: str) -> Iterator[str]:
    """Yield the pages of this site that a page links to.

    Those with a query are left aside: filters and sortings of the same products have no end.
    """
    try:
        found = parsed(data).xpath("//a[not(contains(@rel, 'nofollow'))]/@href")
    except ValueError:
        return
    for link in found:
        try:
            url = urldefrag(urljoin(address, str(link).strip())).url
            parts = urlsplit(url)
        except ValueError:
            continue
        if parts.netloc == site and not parts.query and not _NO_PAGE.search(parts.path):
            yield url


def _from_sitemaps(start: str, downloads: Downloads, findings: Findings) -> list[str]:
    """Return the pages of a site's sitemaps; of those for products alone, if it has such."""
    rules = downloads.robots(start)
    named = [] if isinstance(rules, str) else list(rules.sitemaps)
    queue = deque(urljoin(start, one) for one in named or ["/sitemap.xml"])
    site, known = urlsplit(start).netloc, set(queue)
    pages: dict[str, list[str]] = {}
    while queue and len(pages) < _MOST_SITEMAPS:
        address = queue.popleft()
        got = downloads.fetch(address, _MOST_SITEMAP)
        if got.file is None:
            if named or pages:  # nobody promised that there is a /sitemap.xml
                findings.note(f"sitemaps {got.kind}", got.place)
            continue
        try:
            further, listed = _sitemap(downloads.path(got).read_bytes())
        except ValueError:
            findings.note("sitemaps can't be read", address)
            continue
        own = [page for page in listed if urlsplit(page).netloc == site]
        if len(own) < len(listed):
            findings.note("sitemaps list pages of other sites, which were left out", address)
        pages[address] = own
        queue.extend(one for one in further if one not in known)
        known.update(further)
    products = {name: own for name, own in pages.items() if "product" in name and own}
    if products and len(products) < len(pages):
        left = sum(len(own) for name, own in pages.items() if name not in products)
        if left:
            findings.note("pages of sitemaps that aren't for products were not asked for", left)
    return [page for own in (products or pages).values() for page in own]


def _sitemap(data: bytes) -> tuple[list[str], list[str]]:
    """Return the sitemaps and the pages that a sitemap lists.

    Raises
    ------
    ValueError
        It is none.
    """
    from lxml import etree

    if data.startswith(b"\x1f\x8b"):
        unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            data = unpack.decompress(data, _MOST_SITEMAP)
        except zlib.error as error:
            raise ValueError(str(error)) from error
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(data, parser=parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error)) from error

    def places(element: str) -> list[str]:
        found = root.xpath(f"/*/*[local-name()='{element}']/*[local-name()='loc']/text()")
        return [str(one).strip() for one in found if "://" in one]

    return places("sitemap"), places("url")
