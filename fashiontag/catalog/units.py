"""Photos → the products, or the variants, that they are of: by what the source says of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast, get_args

from fashiontag.catalog.imported import escaped
from fashiontag.catalog.items import By
from fashiontag.errors import UsageError
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashiontag.catalog.items import Catalog
    from fashiontag.datamodels import Item

Places = tuple[int, ...]

VARIANTS_OWN = frozenset(("color", "colour", "basecolour", "pattern"))
"""Groups, folded, that differ between a product's variants; the others are of the product."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A product, or one of its variants.

    Attributes
    ----------
    id : str
        ``product``, or ``product/variant``; ``/`` and ``%`` inside either are percent-encoded.
    photos : tuple of int
        The places of its photos among the items of the catalogue, in their order.
    shared : tuple of int
        Those of the whole product, which tell what its variants have in common.
    looks : tuple of tuples of int
        Of a product, each variant's photos, of a variant its own: they tell `VARIANTS_OWN`.
    """

    id: str
    photos: Places
    shared: Places
    looks: tuple[Places, ...]


def by_units(
    catalog: Catalog, by: str | None = None, product: str | None = None, variant: str | None = None
) -> Catalog:
    """Return a catalogue that knows whose its photos are, and what a row of tags is of.

    Parameters
    ----------
    catalog : Catalog
    by : {"photo", "variant", "product"} or None
        None is a product where a column of them is named, else as the catalogue has it.
    product, variant : str or None
        Names of columns of the source or of the titles; None leaves what is known already.

    Raises
    ------
    UsageError
        There is no such column, or nothing says whose the photos are.
    """
    if by is not None and by not in get_args(By):
        raise UsageError(f"--by {by}: give one of {', '.join(get_args(By))}.")
    items, warnings = catalog.items, catalog.warnings
    if product is not None:
        cells = _cells(items, product, "--product-column")
        items = [replace(item, product=cells[item.id]) for item in items]
        lone = sum(not item.product for item in items)
        if lone:
            said = f"{lone:,} photos name no product in {product!r}: each is one of its own."
            warnings = (*warnings, said)
    if variant is not None:
        cells = _cells(items, variant, "--variant-column")
        items = [replace(item, variants=tuple(filter(None, [cells[item.id]]))) for item in items]
    rows_of = cast("By", by) if by else catalog.by if product is None else "product"
    if (rows_of != "photo" or variant) and not any(item.product for item in items):
        raise UsageError(
            f"nothing says which product a photo of {catalog.source} is of; name a column with "
            "--product-column, or tag a folder of `fashiontag import`."
        )
    if rows_of == "variant" and not any(item.variants for item in items):
        raise UsageError(
            f"--by variant: no photo of {catalog.source} is of a variant; name a column with "
            "--variant-column, or tag --by product."
        )
    return replace(catalog, items=items, warnings=warnings, by=rows_of)


def units_of(catalog: Catalog) -> tuple[Unit, ...]:
    """Return a catalogue's products or variants, in the order of their first photos.

    A photo that no variant claims is of all of them; it tells colour and pattern only of those
    that have no photo of their own. A photo that names no product is one of its own.
    """
    products: dict[tuple[str, str], list[int]] = {}
    for place, item in enumerate(catalog.items):
        key = (item.product, "" if item.product else item.id)
        products.setdefault(key, []).append(place)
    found: list[Unit] = []
    for (product, lone), places in products.items():
        name, photos = escaped(product or lone), tuple(places)
        claims: dict[str, list[int]] = {}
        for place in places:
            for variant in catalog.items[place].variants:
                claims.setdefault(variant, []).append(place)
        if catalog.by == "product" or not claims:
            looks = tuple(dict.fromkeys(map(tuple, claims.values()))) or (photos,)
            found.append(Unit(name, photos, photos, looks))
            continue
        common = [place for place in places if not catalog.items[place].variants]
        found += (
            Unit(f"{name}/{escaped(variant)}", (*own, *common), photos, (tuple(own),))
            for variant, own in claims.items()
        )
    return tuple(found)


def _cells(items: Sequence[Item], column: str, option: str) -> dict[str, str]:
    """Return each item's cell of a column, by id, blanks around it off."""
    wanted = fold(column)
    names = dict.fromkeys(name for item in items for name in item.fields)
    spelled = [name for name in names if fold(name) == wanted]
    if not spelled:
        there = f"there are {', '.join(names)}" if names else "there are no columns"
        raise UsageError(f"{option} {column}: no such column beside path and title; {there}.")
    return {
        item.id: next((text.strip() for name in spelled if (text := item.fields.get(name))), "")
        for item in items
    }
