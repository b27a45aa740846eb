"""Catalogue reading: sources and titles in, items out; bytes in, upright RGB on white out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fashiontag.catalog.clean import clean_title, title_text
from fashiontag.catalog.items import Catalog, FileRef, brand_of
from fashiontag.catalog.memory import MemoryRef, item_of
from fashiontag.catalog.read import read_catalog
from fashiontag.catalog.tables import Columns

if TYPE_CHECKING:
    from fashiontag.catalog.images import load_image

__all__ = [
    "Catalog",
    "Columns",
    "FileRef",
    "MemoryRef",
    "brand_of",
    "clean_title",
    "item_of",
    "load_image",
    "read_catalog",
    "title_text",
]


def __getattr__(name: str) -> object:
    # Pillow and its plugins take 0.2 s to import: `--help` must not pay for them.
    if name == "load_image":
        from fashiontag.catalog.images import load_image

        return load_image
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
