"""A merchant's feed → a catalogue folder: a line a photo, the feed itself, and what was odd.

The folder is made beside its place and put there whole.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fashiontag import __version__
from fashiontag.catalog.feeds import Findings, Photo, Product, open_dialect
from fashiontag.catalog.feeds.pictures import Pictures
from fashiontag.catalog.feeds.schema_org import SUFFIXES as PAGE_SUFFIXES
from fashiontag.catalog.imported import CATALOG, ORIGINAL, REPORT, is_imported, photo_id
from fashiontag.catalog.read import walk_pictures
from fashiontag.errors import CatalogError, OutputError, UsageError
from fashiontag.sinks.partfile import part_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import found.

    Attributes
    ----------
    source, out : str, Path
        As typed; the catalogue folder.
    format : str
    counts : Mapping of str to int
        ``rows`` of the feed = those ``used`` + those ``reported``; ``products``, ``variants``,
        ``photos``, and of these those ``missing`` here.
    warnings : tuple of str
        One sentence for each kind of thing that is odd or was left out.
    seconds : float
    """

    source: str
    out: Path
    format: str
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    seconds: float


def import_feed(
    source: str,
    *,
    images: str | None = None,
    out: Path | None = None,
    format: str | None = None,  # noqa: A002
) -> ImportSummary:
    """Make a catalogue folder of a feed.

    Parameters
    ----------
    source : str
        A feed, gzip or not, or a folder of saved pages.
    images : str or None
        A folder with the pictures; None for saved pages is their own folder.
    out : Path or None
        The folder to make, or an imported catalogue to replace; None is the source's stem, here.
    format : str or None
        One of `fashiontag.catalog.feeds.FORMATS`; None finds it out.

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
    if "://" in source:
        raise UsageError(
            f"{source} is an address, and feeds are read from files only so far; download it and "
            "give the file."
        )
    findings = Findings()
    dialect = open_dialect(source, format, findings)
    if images is None and Path(source).is_dir() and walk_pictures(source)[0]:
        images = source  # a browser saves a page's pictures beside it
    pictures = None if images is None else Pictures(images, findings)
    place = Path(_stem(source)) if out is None else out
    with _folder(place) as folder:
        original = _keep_original(Path(source), folder)
        with (folder / CATALOG).open("w", encoding="utf-8", newline="\n") as lines:
            counts = _write(dialect.products(), _Writer(lines, place, pictures, findings))
        counts |= {"rows": counts["used"] + findings.reported, "reported": findings.reported}
        warnings = findings.warnings(source)
        if not counts["products"]:
            raise CatalogError(
                f"{source} gives no product" + (f": {warnings[0]}" if warnings else ".")
            )
        report = {
            "format": dialect.name,
            "source": Path(source).name,
            "original": original,
            "counts": counts,
            "warnings": warnings,
            "fashiontag": __version__,
        }
        text = json.dumps(report, ensure_ascii=False, indent=2)
        (folder / REPORT).write_text(f"{text}\n", "utf-8")
    return ImportSummary(source, place, dialect.name, counts, warnings, time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Where photos go, and where their pictures are looked for."""

    lines: TextIO
    place: Path
    pictures: Pictures | None
    findings: Findings

    def write(self, product: Product, position: int, photo: Photo, path: str | None) -> None:
        line: dict[str, object] = {
            "id": photo_id(product.key, position),
            "product": product.key,
            "variant": photo.variants[0] if photo.variants else None,
            "position": position,
            "path": path and os.path.relpath(path, self.place),
            "url": photo.url,
            "title": photo.facts.title,
            "description": photo.facts.description,
            "fields": photo.facts.fields,
        }
        if len(photo.variants) > 1:
            line["variants"] = photo.variants
        # A lone surrogate, from bytes that are no text, has no UTF-8.
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
        self.lines.write(text.encode("utf-8", "backslashreplace").decode() + "\n")


def _write(products: Iterator[Product], writer: _Writer) -> dict[str, int]:
    counts = Counter(used=0, products=0, variants=0, photos=0, missing=0)
    # By hash: a million names would take 100 MB. Parts of one product go on counting.
    positions: dict[int, int] = {}
    bare: dict[int, str] = {}
    for product in products:
        key = hash(product.key)
        position = positions.get(key, 0)
        counts["used"] += product.rows
        counts["variants"] += len(product.variants)
        for photo, path in _with_pictures(product, writer.pictures):
            position += 1
            counts["photos"] += 1
            counts["missing"] += path is None
            writer.write(product, position, photo, path)
        positions[key] = position
        if position:
            bare.pop(key, None)
        else:
            bare.setdefault(key, product.key)
    for name in bare.values():
        writer.findings.note("products have no photo", name)
    counts["products"] = len(positions)
    return dict(counts)


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
    path = Path(source.rstrip("/"))
    if path.is_dir():
        return path.resolve().name
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def _keep_original(source: Path, folder: Path) -> str:
    """Copy the feed byte for byte, and return the copy's name."""
    if source.is_dir():
        for page in source.rglob("*"):
            if page.suffix.lower() in PAGE_SUFFIXES and page.is_file():
                copy = folder / ORIGINAL / page.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(page, copy)
        return ORIGINAL
    packed = ".gz" if source.suffix.lower() == ".gz" else ""
    ending = Path(source.name.removesuffix(source.suffix) if packed else source.name).suffix
    name = f"{ORIGINAL}{ending.lower()}{packed}"
    shutil.copyfile(source, folder / name)
    return name


@contextmanager
def _folder(place: Path) -> Iterator[Path]:
    """Yield a new folder that takes `place` when the block has ended well, and goes otherwise."""
    if (
        place.exists()
        and not is_imported(str(place))
        and (not place.is_dir() or any(place.iterdir()))
    ):
        raise UsageError(
            f"{place} is there and is no imported catalogue; give --out another folder."
        )
    try:
        with part_folder(place) as part:
            yield part
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"can't write {str(place)!r}: {error.strerror or error}; name a folder that can be "
            "written"
        ) from error
