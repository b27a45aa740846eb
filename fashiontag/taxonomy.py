"""A shop platform's taxonomy: its categories, their attributes, and the values of those.

Label files name its entries (`shopify`, `google`); only that table of ours ships, and a taxonomy
is read from a file that a user has. The shipped label file was written against Shopify's release
2025-01 and Google's of 2019-07-10; ids move between releases.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fashiontag.errors import CatalogError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

NONE = "none:"
"""Begins what a label file says in the place of ids that don't exist; the reason follows."""

CATEGORY = "category"
"""What a group names in the place of attributes if its labels are categories."""

_GOOGLE_LINE = re.compile(r"(\d+) - (.+)")


@dataclass(frozen=True, slots=True)
class Category:
    """A category: its path, Google's id of it ("" if unknown), and the attributes it may have."""

    id: str
    path: str
    google: str = ""
    attributes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """What can be said of a product in a platform's words; Shopify's attributes by their handles.

    Attributes
    ----------
    version : str
    categories : Mapping of str to Category
        By id; () in a file of Google's.
    values : Mapping of str to frozenset of str
        The values of each attribute, by their handles ("color" has "black").
    names : Mapping of str to str
        What each attribute is called.
    google : Mapping of str to str
        Google's paths by id; "" where the path isn't known.
    """

    version: str
    categories: Mapping[str, Category] = field(default_factory=dict)
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    google: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Taxonomy:
        """Read Shopify's ``taxonomy.json`` or an extract, or Google's ``taxonomy-with-ids.txt``.

        Raises
        ------
        UsageError
            There is no such file.
        CatalogError
            It is no taxonomy.
        """
        try:
            text = path.read_text("utf-8-sig")
        except FileNotFoundError as error:
            raise UsageError(f"There is no taxonomy {path}; give a file.") from error
        except (OSError, ValueError) as error:
            raise CatalogError(f"{path} can't be read as text ({error}).") from error
        try:
            found = _of_google(text) if path.suffix.lower() == ".txt" else _of_shopify(text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogError(f"{path} is no taxonomy ({error!r}).") from error
        if not found.categories and not found.google:
            raise CatalogError(
                f"{path} holds no categories; give Shopify's taxonomy.json or Google's "
                "taxonomy-with-ids.txt."
            )
        return found

    def find(self, text: str) -> Category | None:
        """Return the category that a cell names by id, global id or path."""
        wanted = text.strip()
        known = self.categories.get(wanted.rpartition("/")[2])
        return known or next((c for c in self.categories.values() if c.path == wanted), None)

    def attributes_of(self, value: str, among: Iterable[str]) -> tuple[str, ...]:
        """Return those of some attributes that have a value."""
        return tuple(name for name in among if value in self.values.get(name, ()))


def entries(text: str) -> tuple[str, ...]:
    """Return what a label file's ``shopify`` or ``google`` names; () for nothing, or none."""
    if text.startswith(NONE):
        return ()
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def _of_google(text: str) -> Taxonomy:
    lines = text.splitlines()
    version = lines[0].rpartition(": ")[2] if lines and lines[0].startswith("#") else ""
    found = map(_GOOGLE_LINE.fullmatch, lines)
    return Taxonomy(version, google={match[1]: match[2] for match in found if match})


def _of_shopify(text: str) -> Taxonomy:
    """Read Shopify's own layout (`verticals`) or an extract of it (`categories`)."""
    content = json.loads(text)
    attributes: Any = content["attributes"]
    handles: dict[str, str] = {}
    if isinstance(attributes, dict):  # the extract's categories name attributes by its keys
        handles = {key: one["handle"] for key, one in attributes.items()}
        attributes = list(attributes.values())
    categories = {}
    for vertical in content.get("verticals", [content]):
        for one in vertical["categories"]:
            key = str(one["id"]).rpartition("/")[2]
            own = (a["handle"] if isinstance(a, dict) else handles[a] for a in one["attributes"])
            google = str(one.get("google_id") or "")
            categories[key] = Category(key, one["full_name"], google, frozenset(own))
    return Taxonomy(
        str(content["version"]),
        categories,
        {
            one["handle"]: frozenset(v["handle"].rpartition("__")[2] for v in one["values"])
            for one in attributes
            if "values" in one
        },
        {one["handle"]: one["name"] for one in attributes},
        {category.google: "" for category in categories.values() if category.google},
    )
