"""Catalogue reading: sources and titles in, items out; bytes in, upright RGB on white out."""

from fashiontag.catalog.clean import clean_title
from fashiontag.catalog.items import Catalog, FileRef, brand_of
from fashiontag.catalog.memory import MemoryRef, item_of
from fashiontag.catalog.read import read_catalog
from fashiontag.catalog.tables import Columns

__all__ = [
    "Catalog",
    "Columns",
    "FileRef",
    "MemoryRef",
    "brand_of",
    "clean_title",
    "item_of",
    "read_catalog",
]
