"""Saved product pages: JSON-LD, else microdata, else Open Graph, all by schema.org's names.

lxml takes pages apart as browsers do. What it finds, in whichever of the three forms, becomes a
mapping as JSON-LD has it, and that becomes a product. JSON-LD is read as it stands: unescaping it
first breaks every string that holds ``&quot;``.
"""

from __future__ import annotations

import html
import json
import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashiontag.catalog.feeds.products import Album, Facts, Findings, Product
from fashiontag.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.html import HtmlElement

SUFFIXES = (".html", ".htm", ".xhtml")
MOST_BYTES = 20_000_000
"""Of one page."""
ADDRESSES = "addresses.json"
"""Beside crawled pages: where each was, by its file's name."""
# A string is left alone; comments go, and so does a comma before a closing bracket.
_SLIPS = re.compile(r'("(?:[^"\\]|\\.)*")|/\*.*?\*/|(?<!:)//[^\n]*|,(?=\s*[}\]])', re.DOTALL)
_WRAPPED = re.compile(r"^\s*(?://)?\s*<!\[CDATA\[|(?://)?\s*\]\]>\s*$|^\s*<!--|-->\s*$|;\s*$")
_NOT_FIELDS = frozenset(("name", "description", "image", "@type", "@id", "@context", "url"))
_OPEN_GRAPH = {
    "product:retailer_item_id": "sku",
    "product:item_group_id": "productGroupID",
    "product:price:amount": "price",
    "og:title": "name",
    "og:description": "description",
    "og:url": "url",
}


class SchemaOrg:
    """The products of a folder of saved pages, or of one page.

    Raises
    ------
    CatalogError
        The folder holds no page.
    """

    name = "schema-org"

    def __init__(self, path: str, findings: Findings) -> None:
        self.findings = findings
        self._top = Path(path)
        if self._top.is_file():
            self._pages = [self._top]
        else:
            found = (page for page in self._top.rglob("*") if page.suffix.lower() in SUFFIXES)
            self._pages = sorted(
                page for page in found if page.is_file() and not page.name.startswith(".")
            )
        if not self._pages:
            raise CatalogError(
                f"{path} holds no page; files ending in {' '.join(SUFFIXES)} were expected."
            )
        self._addresses = _crawled(self._top)

    def products(self) -> Iterator[Product]:
        """Yield the products of the pages in their order; pages without one are reported."""
        found = ((key, node, page) for page in self._pages for key, node in self._of(page))
        for key, parts in groupby(found, lambda part: part[0]):
            yield self._product(key, [(node, page) for _, node, page in parts])

    def _of(self, page: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        name = page.name if page == self._top else page.relative_to(self._top).as_posix()
        try:
            if page.stat().st_size > MOST_BYTES:
                self.findings.leave_out(f"pages have more than {MOST_BYTES // 10**6} MB", name)
                return
            root = parsed(page.read_bytes())
        except OSError as error:
            self.findings.leave_out(f"pages can't be read ({error.strerror})", name)
            return
        except ValueError:
            self.findings.leave_out("pages are empty", name)
            return
        address = _address(root) or self._addresses.get(name, "")
        nodes = self._json_ld(root, name) or _microdata(root) or _open_graph(root)
        if not nodes:
            self.findings.leave_out("pages show no product", name)
            return
        for place, node in enumerate(nodes):
            node["page"], node["rows"] = address, int(place == 0)
            group = _first(node.get("isVariantOf"))
            of_group = group.get("productGroupID") if isinstance(group, dict) else None
            key = (
                _text(node.get("productGroupID"))
                or _text(of_group)
                or _text(node.get("sku"))
                or _text(node.get("url"))
                or address
                or name
            )
            yield key, node

    def _json_ld(self, root: HtmlElement, name: str) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = []
        for script in root.iter("script"):
            if "ld+json" not in (script.get("type") or "").lower():
                continue
            try:
                nodes += _products_in(_loads(script.text or ""))
            except (ValueError, RecursionError):
                self.findings.note("pages hold JSON-LD that can't be read", name)
        return nodes

    def _product(self, key: str, parts: list[tuple[dict[str, Any], Path]]) -> Product:
        album = Album(self.findings)
        variants: list[str] = []
        first = _facts(parts[0][0])
        for node, page in parts:
            base = _text(node.get("url")) if "://" in _text(node.get("url")) else node["page"]
            album.base = base
            own = _facts(node)
            listed = [one for one in _list(node.get("hasVariant")) if isinstance(one, dict)]
            claim = _text(node.get("sku")) if node.get("isVariantOf") else ""
            variants += [claim] if claim else []
            for url in _pictures(node.get("image")):
                album.add(url, own, page.name, claim or None)
            for number, variant in enumerate(listed, start=1):
                name = _text(variant.get("sku")) or _text(variant.get("url")) or f"{number}"
                variants.append(name)
                facts = _facts(variant)
                facts = Facts(
                    facts.title or own.title,
                    facts.description or own.description,
                    {**own.fields, **facts.fields},
                )
                for url in _pictures(variant.get("image")):
                    album.add(url, facts, page.name, name)
        rows = sum(node["rows"] for node, _ in parts)
        return album.product(key, variants, rows, first)


def _crawled(folder: Path) -> dict[str, str]:
    """Return where the pages of a folder were, if a crawl left that there."""
    try:
        said = json.loads((folder / ADDRESSES).read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def parsed(data: bytes) -> HtmlElement:
    """Return a page as browsers see it.

    Raises
    ------
    ValueError
        It holds nothing.
    """
    from lxml import html as pages

    try:
        data.decode("utf-8")
        encoding = "utf-8"
    except UnicodeDecodeError:
        declared = re.search(rb"charset=[\"']?([\w-]+)", data[:4096])
        encoding = declared.group(1).decode() if declared else "cp1252"
    try:
        parser = pages.HTMLParser(encoding=encoding, no_network=True)
    except LookupError:  # an encoding that nobody knows
        parser = pages.HTMLParser(encoding="cp1252", no_network=True)
    from lxml.etree import ParserError

    try:
        return pages.document_fromstring(data, parser=parser)
    except ParserError as error:
        raise ValueError(str(error)) from error


def _address(root: HtmlElement) -> str:
    for path in ("//link[@rel='canonical']/@href", "//meta[@property='og:url']/@content"):
        for found in root.xpath(path):
            if "://" in found:
                return str(found).strip()
    return next((str(found) for found in root.xpath("//base/@href")), "")


def _loads(text: str) -> Any:  # noqa: ANN401
    """Read JSON, forgiving what browsers forgive: comments, a comma too many, line breaks."""
    tries = [text, _tidy(text)]
    if re.match(r"\s*[\[{]\s*&quot;", text):  # the whole script was escaped
        tries.append(_tidy(html.unescape(text)))
    for attempt in tries:
        try:
            return json.loads(attempt, strict=False)
        except ValueError as error:
            problem = error
    raise problem


def _tidy(text: str) -> str:
    for _ in range(2):  # a comma before a comment before a bracket
        text = _SLIPS.sub(lambda found: found.group(1) or "", text)
    return _WRAPPED.sub("", _WRAPPED.sub("", text))


def _products_in(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return the products and groups that a document is about, ``@id`` references followed."""
    graph: dict[str, dict[str, Any]] = {}
    found: list[dict[str, Any]] = []

    def collect(node: Any) -> None:  # noqa: ANN401
        for one in _list(node):
            if not isinstance(one, dict):
                continue
            if isinstance(one.get("@id"), str) and len(one) > 1:
                graph[one["@id"]] = one
            if {"Product", "ProductGroup", "IndividualProduct"} & _types(one):
                found.append(dict(one))
            for name in ("@graph", "mainEntity", "mainEntityOfPage", "itemListElement", "item"):
                if name in one and not isinstance(one[name], str):
                    collect(one[name])

    collect(value)

    def resolved(node: Any) -> Any:  # noqa: ANN401
        if isinstance(node, list):
            return [resolved(one) for one in node]
        if isinstance(node, dict) and list(node) == ["@id"]:
            return graph.get(node["@id"], node)
        return node

    for node in found:
        for name in ("image", "hasVariant", "isVariantOf", "brand", "offers"):
            if name in node:
                node[name] = resolved(node[name])
    listed = {
        id(one) for node in found for one in _list(node.get("hasVariant")) if isinstance(one, dict)
    }
    within = {graph[ref].get("@id") for ref in graph if id(graph[ref]) in listed}
    return [node for node in found if not node.get("@id") or node.get("@id") not in within]


def _types(node: dict[str, Any]) -> set[str]:
    names = (_text(one) for one in _list(node.get("@type")))
    return {re.split(r"[/:#]", name)[-1] for name in names}


def _microdata(root: HtmlElement) -> list[dict[str, Any]]:
    scopes = root.xpath("//*[@itemscope][contains(@itemtype, 'schema.org/Product')]")
    # a product inside another's property is its accessory, or one of "you may also like"
    outer = [scope for scope in scopes if not scope.xpath("ancestor::*[@itemscope][@itemprop]")]
    return [_scope(scope) for scope in outer if scope.get("itemprop") is None]


def _scope(scope: HtmlElement) -> dict[str, Any]:
    node: dict[str, Any] = {"@type": re.split(r"[/#]", scope.get("itemtype") or "")[-1]}

    def walk(element: HtmlElement) -> None:
        for child in element.iterchildren("*"):
            inner = child.get("itemscope") is not None
            for name in (child.get("itemprop") or "").split():
                node.setdefault(name, []).append(_scope(child) if inner else _value(child))
            if not inner:
                walk(child)

    walk(scope)
    return node


def _value(element: HtmlElement) -> str:
    for attribute in ("content", "src", "href", "data-src", "datetime", "value"):
        if element.get(attribute):
            return str(element.get(attribute))
    return " ".join(element.text_content().split())


def _open_graph(root: HtmlElement) -> list[dict[str, Any]]:
    node: dict[str, Any] = {}
    told = False
    for meta in root.iter("meta"):
        name = meta.get("property") or meta.get("name") or ""
        value = meta.get("content") or ""
        if (name == "og:type" and "product" in value) or name.startswith("product:"):
            told = True
        if name in ("og:image", "og:image:url"):
            node.setdefault("image", []).append(value)
        elif name in _OPEN_GRAPH or name.startswith("product:"):
            node.setdefault(_OPEN_GRAPH.get(name, name.removeprefix("product:")), value)
    return [node] if told and node.get("name") else []


def _pictures(value: Any) -> list[str]:  # noqa: ANN401
    """Return the addresses in an ``image``: a string, an ImageObject, or a list of either."""
    found = []
    for one in _list(value):
        if isinstance(one, dict):
            one = next((one[n] for n in ("contentUrl", "url", "@id") if one.get(n)), "")
        found += [_text(part) for part in _list(one) if _text(part)]
    return found


def _facts(node: dict[str, Any]) -> Facts:
    fields: dict[str, str] = {}
    for name, value in node.items():
        if name in _NOT_FIELDS or name in ("page", "rows"):
            continue
        one = _first(value)
        if isinstance(one, dict):
            inner = {"brand": "name", "offers": "price", "audience": "suggestedGender"}.get(name)
            text = _text(one.get(inner)) if inner else ""
        else:
            text = "|".join(_text(part) for part in _list(value) if not isinstance(part, dict))
        if text:
            fields["price" if name == "offers" else name] = text
    return Facts(_text(node.get("name")), _text(node.get("description")), fields)


def _list(value: Any) -> list[Any]:  # noqa: ANN401
    return value if isinstance(value, list) else [] if value is None else [value]


def _first(value: Any) -> Any:  # noqa: ANN401
    return next(iter(_list(value)), None)


def _text(value: Any) -> str:  # noqa: ANN401
    one = _first(value)
    if isinstance(one, dict):
        one = one.get("@value") or one.get("name")
    return "" if one is None or isinstance(one, dict | list) else str(one).strip()
