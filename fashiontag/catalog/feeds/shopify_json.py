"""Shopify's ``products.json``: variants point to pictures by id, or carry their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fashiontag.catalog.delimited import open_feed
from fashiontag.catalog.feeds.products import Album, Facts, Findings, Product
from fashiontag.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS = ("vendor", "product_type", "published_at", "handle", "tags")


class ShopifyJson:
    """The products of one file.

    Raises
    ------
    CatalogError
        It is no JSON, or holds no list of products.
    """

    name = "shopify-json"

    def __init__(self, path: str, findings: Findings) -> None:
        self.findings = findings
        with open_feed(path) as file:
            try:
                whole = json.loads(file.read())
            except (ValueError, RecursionError) as error:
                raise CatalogError(
                    f"{path} is no whole JSON ({error}); save /products.json of the shop again."
                ) from error
        products = whole.get("products") if isinstance(whole, dict) else whole
        if not isinstance(products, list) or not all(isinstance(one, dict) for one in products):
            raise CatalogError(
                f'{path} holds no list "products"; save /products.json of the shop again.'
            )
        self._products: list[dict[str, Any]] = products

    def products(self) -> Iterator[Product]:
        """Yield the products; those without a handle, or with one again, are reported."""
        seen: set[str] = set()
        for number, product in enumerate(self._products, start=1):
            key = _text(product.get("handle")) or _text(product.get("id"))
            if not key:
                self.findings.leave_out("products have no handle", f"number {number}")
            elif key in seen:
                self.findings.leave_out("products repeat the handle of an earlier one", key)
            else:
                seen.add(key)
                yield self._product(key, product, f"product {key}")

    def _product(self, key: str, product: dict[str, Any], place: str) -> Product:
        title, body = _text(product.get("title")), _text(product.get("body_html"))
        common = {name: _text(product[name]) for name in _WORDS if product.get(name)}
        variants = {_text(one.get("id")): one for one in _dicts(product.get("variants"))}
        names = {number: _variant_name(one) for number, one in variants.items()}
        album = Album(self.findings)
        claims: dict[str, list[str]] = {}  # picture's id → variants' ids
        for number, variant in variants.items():
            picture = variant.get("image_id") or (variant.get("featured_image") or {}).get("id")
            if picture:
                claims.setdefault(_text(picture), []).append(number)

        def add(picture: dict[str, Any], numbers: list[str]) -> None:
            url = _text(picture.get("src"))
            if url:
                album.add(url, Facts(title, body, common), place)
                for number in numbers:
                    own = Facts(title, body, common | _cells(variants[number]))
                    album.add(url, own, place, names[number])

        for picture in _dicts(product.get("images")):
            listed = [_text(number) for number in picture.get("variant_ids") or ()]
            numbers = [*listed, *claims.get(_text(picture.get("id")), ())]
            add(picture, [number for number in dict.fromkeys(numbers) if number in variants])
        for number, variant in variants.items():
            add(variant.get("featured_image") or {}, [number])
        return album.product(key, names.values(), 1, Facts(title, body, common))


def _variant_name(variant: dict[str, Any]) -> str | None:
    options = [_text(variant.get(f"option{number}")) for number in (1, 2, 3)]
    named = "" if options[0] == "Default Title" else " / ".join(filter(None, options))
    return _text(variant.get("sku")) or _text(variant.get("id")) or named or None


def _cells(variant: dict[str, Any]) -> dict[str, str]:
    return {
        name: _text(value)
        for name, value in variant.items()
        if value not in (None, "") and not isinstance(value, dict | list | bool)
    }


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).strip()
