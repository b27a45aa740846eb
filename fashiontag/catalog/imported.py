"""The catalogue folder that `fashiontag import` makes: its files, and its photos as items."""

# ids and paths are strings, as in `read`
# ruff: noqa: PTH100, PTH113, PTH118, PTH123

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fashiontag.catalog.items import Catalog, FileRef, NoPicture, Words, make_item
from fashiontag.errors import CatalogError

if TYPE_CHECKING:
    from fashiontag.datamodels import Item

CATALOG, REPORT, ORIGINAL = "catalog.jsonl", "import.json", "original"
"""Its files: a line a photo, what was found, and (with the feed's own ending) the feed."""
_ABSENT = "not among the imported pictures; import again with --images DIR"


def is_imported(folder: str) -> bool:
    """Return whether a folder is one that `fashiontag import` made."""
    return all(os.path.isfile(os.path.join(folder, name)) for name in (CATALOG, REPORT))


def report_of(folder: str) -> dict[str, Any]:
    """Return what an import found: its format, counts and warnings.

    Raises
    ------
    CatalogError
        The report is damaged.
    """
    path = os.path.join(folder, REPORT)
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError, TypeError) as error:
        raise CatalogError(f"{path} is damaged ({error}); import the feed again.") from error


def photo_id(product: str, position: int) -> str:
    """Return a photo's id; a ``/`` inside a product's name is percent-encoded."""
    return f"{escaped(product)}/{position}"


def escaped(name: str) -> str:
    """Return a product's or variant's name as it stands in ids."""
    return name.replace("%", "%25").replace("/", "%2F")


def unescaped(name: str) -> str:
    """Return the product or variant that stands in an id."""
    return name.replace("%2F", "/").replace("%25", "%")


def list_imported(source: str) -> Catalog:
    """Return the photos of an imported catalogue, in the feed's order, unread.

    Raises
    ------
    CatalogError
        The catalogue is damaged, or holds no photo.
    """
    path = os.path.join(source, CATALOG)
    items: list[Item] = []
    try:
        with open(path, encoding="utf-8") as lines:
            items += (_item(source, json.loads(line)) for line in lines)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CatalogError(
            f"{path}, line {len(items) + 1}, is damaged ({error}); import the feed again."
        ) from error
    if not items:
        raise CatalogError(
            f"{source} is an imported catalogue without a photo; import the feed again with "
            "--images DIR."
        )
    return Catalog(source, os.path.abspath(source), tuple(items), by="product")


def _item(source: str, photo: dict[str, Any]) -> Item:
    fields = {
        **photo["fields"],
        "product": photo["product"],
        "variant": photo["variant"] or "",
        "position": str(photo["position"]),
    }
    words = Words(photo["title"], fields)
    if photo["path"] is None:
        item = make_item(photo["id"], photo["url"], NoPicture(photo["url"], _ABSENT), words)
    else:
        shown = os.path.normpath(os.path.join(source, photo["path"]))
        item = make_item(photo["id"], shown, FileRef(os.path.abspath(shown)), words)
    variants = photo.get("variants") or filter(None, [photo["variant"]])
    return replace(item, product=photo["product"], variants=tuple(variants))
