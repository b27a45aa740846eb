"""A merchant's feed or shop → a catalogue folder: a line a photo, the feed, and what was odd.

The folder is made beside its place and put there whole. What is downloaded lies in a folder of its
own beside it, which outlives a run that is stopped.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fashiontag import __version__
from fashiontag.catalog.downloads import Downloads
from fashiontag.catalog.feeds import Findings, Photo, Product, open_dialect
from fashiontag.catalog.feeds.pictures import Pictures
from fashiontag.catalog.feeds.schema_org import ADDRESSES
from fashiontag.catalog.feeds.schema_org import SUFFIXES as PAGE_SUFFIXES
from fashiontag.catalog.imported import CATALOG, ORIGINAL, REPORT, is_imported, photo_id
from fashiontag.catalog.proposals import Shown, propose
from fashiontag.catalog.read import walk_pictures
from fashiontag.catalog.shop import save_pages, save_products_json
from fashiontag.catalog.web import without_password
from fashiontag.errors import CatalogError, UsageError
from fashiontag.sinks.partfile import is_empty, part_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import TextIO

    from fashiontag.catalog.web import Web

_MOST_FEED = 2_000_000_000
_MOST_PICTURE = 30_000_000
"""Bytes; Google takes pictures of 16 MB at most, Shopify of 20."""


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import found.

    Attributes
    ----------
    source, out : str, Path
        As typed, without a password; the catalogue folder.
    format : str
    counts : Mapping of str to int
        ``rows`` of the feed = those ``used`` + those ``reported``; ``products``, ``variants``,
        ``photos``, and of these those ``missing`` here.
    warnings : tuple of str
        One sentence for each kind of thing that is odd or was left out.
    proposed : tuple of tuples of str
        Products that may be one in several colours or sizes; none was joined.
    seconds : float
    """

    source: str
    out: Path
    format: str
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    proposed: tuple[tuple[str, ...], ...]
    seconds: float


def _unseen(what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:  # noqa: ARG001
    return nullcontext(lambda _: None)


@dataclass(frozen=True, slots=True)
class Fetching:
    """What may be asked of the network, and how.

    Attributes
    ----------
    web : Web
        The one import that it is for closes it.
    pictures : bool
        Whether pictures that aren't here are downloaded.
    most_pages : int
        Pages of a shop that has no feed.
    progress : callable
        Takes what is done and how many there are (0: not known), gives a context whose value is
        called with the number just done.
    """

    web: Web
    pictures: bool = True
    most_pages: int = 50_000
    progress: Callable[[str, int], AbstractContextManager[Callable[[int], None]]] = _unseen


def import_feed(
    source: str,
    *,
    images: str | None = None,
    out: Path | None = None,
    format: str | None = None,  # noqa: A002
    fetching: Fetching | None = None,
) -> ImportSummary:
    """Make a catalogue folder of a feed.

    Parameters
    ----------
    source : str
        A feed, gzip or not, a folder of saved pages, or the address of a feed or a shop.
    images : str or None
        A folder with the pictures; None for saved pages is their own folder.
    out : Path or None
        The folder to make, or an imported catalogue to replace; None is the source's stem, here.
    format : str or None
        One of `fashiontag.catalog.feeds.FORMATS`; None finds it out.
    fetching : Fetching or None
        None asks the network for nothing.

    Raises
    ------
    UsageError
        There is no such source, format or folder of pictures; or `out` is something else.
    CatalogError
        The feed can't be read, or gives no product.
    OutputError
        The folder can't be written.
    """
    began = time.monotonic()
    remote = "://" in source
    shown = without_password(source) if remote else source
    if remote and fetching is None:
        raise UsageError(f"{source} is an address, and nothing may be fetched; give a file.")
    findings = Findings()
    place = Path(_stem(source)) if out is None else out
    if place.exists() and not is_empty(place) and not is_imported(str(place)):
        raise UsageError(
            f"{place} is there and is no imported catalogue; give --out another folder."
        )
    with ExitStack() as stack:
        folder = stack.enter_context(part_folder(place))
        net = _Net(place, stack, fetching, findings)
        given = net.original(source, format, folder) if remote else Path(source)
        try:
            dialect = open_dialect(str(given), format, findings)
        except CatalogError as error:  # what a person typed, not where it lies while it is read
            raise CatalogError(str(error).replace(str(given), shown)) from error
        if images is None and not remote and given.is_dir() and walk_pictures(source).names:
            images = source  # a browser saves a page's pictures beside it
        pictures = None if images is None else Pictures(images, findings)
        original = given.name if remote else _keep_original(given, folder)
        with (folder / CATALOG).open("w", encoding="utf-8", newline="\n") as lines:
            counts = _write(lines, dialect.products(), place, pictures, findings)
        counts |= {"rows": counts["used"] + findings.reported, "reported": findings.reported}
        if not counts["products"]:
            said = findings.warnings(shown)
            raise CatalogError(f"{shown} gives no product" + (f": {said[0]}" if said else "."))
        if fetching is not None and fetching.pictures and counts["missing"]:
            counts["missing"] -= net.pictures(folder / CATALOG)
        warnings = findings.warnings(shown)
        proposed = tuple(propose(lambda: _shown(folder, place)))
        report = {
            "format": dialect.name,
            "source": shown if remote else Path(source).name,
            "original": original,
            "counts": counts,
            "warnings": warnings,
            "proposed_products": proposed,
            "fashiontag": __version__,
        }
        text = json.dumps(report, ensure_ascii=False, indent=2)
        (folder / REPORT).write_text(f"{text}\n", "utf-8")
    seconds = time.monotonic() - began
    return ImportSummary(shown, place, dialect.name, counts, warnings, proposed, seconds)


def _shown(folder: Path, place: Path) -> Iterator[Shown]:
    """Yield each product by its first photo, if that is here."""
    with (folder / CATALOG).open(encoding="utf-8") as lines:
        for photo in map(json.loads, lines):
            if photo["position"] == 1 and photo["path"]:
                # the place need not be there yet, so nothing can lead through it
                path = os.path.normpath(place / photo["path"])
                yield Shown(photo["product"], photo["title"], Path(path))


class _Net:
    """What one import gets from the network; the folder for it is made when there is something."""

    def __init__(
        self, place: Path, stack: ExitStack, fetching: Fetching | None, findings: Findings
    ) -> None:
        self._place, self._stack, self._findings = place, stack, findings
        self._fetching = fetching
        self._opened: Downloads | None = None

    def original(self, source: str, wanted: str | None, folder: Path) -> Path:
        """Return what an address holds, as it stands in the new folder."""
        fetching, downloads = self._open()
        path = urlsplit(source).path
        if path.strip("/") and not path.endswith("/products.json") and wanted != "schema-org":
            got = downloads.fetch(source, _MOST_FEED, robots=False)
            if got.file is None:
                raise CatalogError(f"{without_password(source)} {got.reason}.")
            original = folder / f"{ORIGINAL}{_ending(path)}"
            shutil.copyfile(downloads.path(got), original)
            return original
        with fetching.progress("Reading pages", 0) as advance:
            original = folder / f"{ORIGINAL}.json"
            if wanted in (None, "shopify-json") and save_products_json(
                source, downloads, original, self._findings, advance
            ):
                return original
            if wanted == "shopify-json" or path.endswith("/products.json"):
                raise CatalogError(
                    f"{without_password(source)} shows no products.json; leave --format out and "
                    "give the shop's first page to read its pages."
                )
            original = folder / ORIGINAL
            most = fetching.most_pages
            save_pages(source, downloads, original, self._findings, most, advance)
        return original

    def pictures(self, catalog: Path) -> int:
        """Download what a catalogue's lines lack, write the paths into them, and count them."""
        fetching, downloads = self._open()
        with catalog.open(encoding="utf-8") as lines:
            photos = (json.loads(line) for line in lines)
            urls = [photo["url"] for photo in photos if not photo["path"] and photo["url"]]
        wanted = dict.fromkeys(url for url in urls if "://" in url)
        with fetching.progress("Downloading", len(wanted)) as advance:
            found = downloads.fetch_pictures(wanted, _MOST_PICTURE, advance)
        for url in wanted:  # in the feed's order, whichever host was quicker
            if found[url].file is None:
                self._findings.note(f"pictures {found[url].kind}", found[url].place)
        home = os.path.relpath(downloads.folder, self._place)
        filled = catalog.with_suffix(".part")
        count = 0
        with (
            catalog.open(encoding="utf-8") as lines,
            filled.open("w", encoding="utf-8", newline="\n") as new,
        ):
            for line in lines:
                photo = json.loads(line)
                got = found.get(photo["url"])
                if photo["path"] is None and got is not None and got.file is not None:
                    photo["path"] = f"{home}/{got.file}"
                    count += 1
                    line = _as_line(photo)
                new.write(line)
        filled.replace(catalog)
        return count

    def _open(self) -> tuple[Fetching, Downloads]:
        assert self._fetching is not None
        if self._opened is None:
            home = self._place.with_name(f"{self._place.name}.downloads")
            self._opened = self._stack.enter_context(Downloads(home, self._fetching.web))
        return self._fetching, self._opened


def _write(
    lines: TextIO,
    products: Iterator[Product],
    place: Path,
    pictures: Pictures | None,
    findings: Findings,
) -> dict[str, int]:
    """Write a line a photo, with its picture if that is found, and count."""
    counts = Counter(used=0, products=0, variants=0, photos=0, missing=0)
    # By hash: a million names would take 100 MB. Parts of one product go on counting.
    positions: dict[int, int] = {}
    bare: dict[int, str] = {}
    for product in products:
        key = hash(product.key)
        position = positions.get(key, 0)
        counts["used"] += product.rows
        counts["variants"] += len(product.variants)
        for photo, path in _with_pictures(product, pictures):
            position += 1
            counts["photos"] += 1
            counts["missing"] += path is None
            facts, claims = photo.facts, photo.variants
            line: dict[str, object] = {
                "id": photo_id(product.key, position),
                "product": product.key,
                "variant": claims[0] if claims else None,
                "position": position,
                "path": path and os.path.relpath(path, place),
                "url": photo.url,
                "title": facts.title,
                "description": facts.description,
                "fields": facts.fields,
            }
            lines.write(_as_line(line | {"variants": claims} if len(claims) > 1 else line))
        positions[key] = position
        if position:
            bare.pop(key, None)
        else:
            bare.setdefault(key, product.key)
    for name in bare.values():
        findings.note("products have no photo", name)
    counts["products"] = len(positions)
    return dict(counts)


def _as_line(photo: Mapping[str, object]) -> str:
    # A lone surrogate, from bytes that are no text, has no UTF-8.
    text = json.dumps(photo, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def _with_pictures(
    product: Product, pictures: Pictures | None
) -> Iterator[tuple[Photo, str | None]]:
    """Yield the photos of a product, each with its file if there is one."""
    if pictures is None:
        yield from ((photo, None) for photo in product.photos)
        return
    numbers: Counter[str] = Counter()
    for photo in product.photos:
        path = pictures.at(photo.url)
        for name in (*photo.variants[:1], product.key):
            numbers[name] += 1
            path = path or pictures.of(name, numbers[name])
        yield photo, path
    if not product.photos:
        for path in pictures.all_of(product.key):
            yield Photo("", (), product.facts), path
        for variant in product.variants:
            for path in pictures.all_of(variant):
                yield Photo("", (variant,), product.facts), path


def _stem(source: str) -> str:
    if "://" in source:
        parts = urlsplit(source)
        source = parts.path.rstrip("/").rpartition("/")[2]
        if not source or source == "products.json":
            return parts.hostname or "shop"
    path = Path(source.rstrip("/"))
    if path.is_dir():
        return path.resolve().name
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def _ending(name: str) -> str:
    """Return the ending of a feed's name in lower case, with that of its packing."""
    path = Path(name.lower())
    return "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix


def _keep_original(source: Path, folder: Path) -> str:
    """Copy the feed byte for byte, and return the copy's name."""
    if source.is_dir():
        for page in source.rglob("*"):
            wanted = page.suffix.lower() in PAGE_SUFFIXES or page.name == ADDRESSES
            if wanted and page.is_file():
                copy = folder / ORIGINAL / page.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(page, copy)
        return ORIGINAL
    name = f"{ORIGINAL}{_ending(source.name)}"
    shutil.copyfile(source, folder / name)
    return name
