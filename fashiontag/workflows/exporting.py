"""Tags → a copy of the shop's own file: empty cells filled, tags added, all else as it was."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fashiontag.catalog.feeds import Findings, open_dialect
from fashiontag.catalog.feeds.delimited import open_feed
from fashiontag.catalog.feeds.edits import CellEdits, ElementEdits
from fashiontag.catalog.feeds.google import canonical
from fashiontag.catalog.feeds.google_xml import GoogleXml
from fashiontag.catalog.feeds.woocommerce_csv import escaped_term, split_terms
from fashiontag.catalog.imported import CATALOG, is_imported, report_of, unescaped
from fashiontag.catalog.tables import read_table
from fashiontag.errors import CatalogError, UsageError
from fashiontag.names import fold
from fashiontag.sinks.feedcolumns import FORMATS, FeedColumn, feed_columns
from fashiontag.sinks.partfile import PartFile
from fashiontag.sinks.patch import write_patched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fashiontag.catalog.feeds.delimited import Delimited, Record
    from fashiontag.catalog.feeds.products import FeedRow
    from fashiontag.datamodels import Edit

    Labels = Mapping[str, Sequence[str]]

VARIANTS_OWN = frozenset(("color", "baseColour", "pattern"))
"""Groups that differ between a product's variants; the others are of the product."""

MEMORY = "exports.json"
"""What exports wrote, in the workspace: what --replace may overwrite."""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export did.

    Attributes
    ----------
    format : str
    into, out : Path
        The shop's file, and the copy that was made.
    filled : Mapping of str to int
        Per column, the rows that it was filled or added to in.
    kept : Mapping of str to int
        Per column, the rows where something else stands that stayed.
    warnings : tuple of str
    """

    format: str
    into: Path
    out: Path
    filled: Mapping[str, int]
    kept: Mapping[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How a file is patched.

    Attributes
    ----------
    add_columns : bool
        Whether columns that the file lacks are put at its end.
    replace : tuple of str
        Columns where what an earlier export wrote is overwritten.
    memory : Path or None
        The file that knows what earlier exports wrote; None keeps nothing.
    """

    add_columns: bool = False
    replace: tuple[str, ...] = ()
    memory: Path | None = None


USUAL = ExportOptions()


def export_feed(
    tags: Path | None,
    format: str,  # noqa: A002
    into: Path,
    out: Path | None = None,
    options: ExportOptions = USUAL,
) -> ExportSummary:
    """Fill tags into a copy of a shop's own file.

    Parameters
    ----------
    tags : Path or None
        A table of `fashiontag tag`, by photo, variant or product; None copies the file as it is.
    format : str
        One of `fashiontag.sinks.feedcolumns.FORMATS`.
    into : Path
        The shop's file, or an imported catalogue, whose original it is.
    out : Path or None
        The copy; None is named after the source, here.
    options : ExportOptions

    Raises
    ------
    UsageError
        There is no such file, format or column, or the copy would be written over the file.
    CatalogError
        A file is of another kind than was said, or damaged.
    OutputError
        The copy can't be written.
    """
    if format not in FORMATS:
        raise UsageError(f"--as {format}: give one of {', '.join(FORMATS)}.")
    source, shown = into, into.name
    claims: dict[str, list[str]] = {}
    if into.is_dir():
        if not is_imported(str(into)):
            raise UsageError(
                f"--into {into} is a folder and no imported catalogue; give the shop's file, or "
                "the folder of `fashiontag import`."
            )
        report = report_of(str(into))
        source, shown = into / report["original"], report["source"]
        claims = _claims(into)
    columns = feed_columns(format)
    _check_replaced(options.replace, columns)
    findings = Findings()
    patch = _patch_of(str(source), format, findings, columns if options.add_columns else ())
    target = out if out is not None else Path(_named_after(shown))
    if target.resolve() in {source.resolve(), tags.resolve() if tags else None}:
        raise UsageError(f"{target} is read by this export; give --out another file.")
    given = Given.read(tags, claims) if tags is not None else Given()
    filler = _Filler(patch, columns, given, _Memory(options.memory, format), options.replace)
    with open_feed(str(source)) as file:
        write_patched(target, file, filler.edits() if tags is not None else ())
    filler.memory.keep()
    return ExportSummary(
        format,
        source,
        target,
        dict(filler.filled),
        dict(filler.kept),
        (*findings.warnings(shown), *given.warnings(), *filler.warnings()),
    )


def imported_into(roots: Iterable[str], format: str) -> Path:  # noqa: A002
    """Return the one imported catalogue of a format among what was tagged.

    Raises
    ------
    UsageError
        There is none, or there are several.
    """
    found = [
        root for root in roots if is_imported(root) and report_of(root).get("format") == format
    ]
    if len(found) == 1:
        return Path(found[0])
    several = f"several catalogues ({', '.join(found)})" if found else "no catalogue"
    raise UsageError(
        f"{several} imported from {format} in this workspace; give --into FILE, or the folder of "
        "`fashiontag import`."
    )


@dataclass
class Given:
    """What a table of tags gives: labels by product, and by variant.

    A label of several photos is given if more than half of those that say anything of its group
    agree; where none reaches that, the first photo's labels stand. Colours and patterns are the
    variants' own: a product has those of all of its variants.
    """

    products: dict[str, Labels] = field(default_factory=dict)
    variants: dict[tuple[str, str], Labels] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path, claims: Mapping[str, Sequence[str]]) -> Given:
        """Read a table; `claims` are the variants of each photo."""
        table = read_table(str(path), ("id", "tags", "status"))
        places = {fold(name): place for place, name in enumerate(table.columns)}
        if not {"id", "tags"} <= places.keys():
            raise CatalogError(
                f"{path} has no columns id and tags: {table.has()}; give a table of `fashiontag "
                "tag`."
            )
        products: dict[str, list[Labels]] = defaultdict(list)
        variants: dict[tuple[str, str], list[Labels]] = defaultdict(list)
        by_photo = "photos" not in places  # tables by product or variant count their photos
        for row in table.rows:
            if row.ragged or ("status" in places and row.cells[places["status"]] == "error"):
                continue
            labels = _labels(row.cells[places["tags"]])
            own = row.cells[places["id"]]
            product, _, rest = own.rpartition("/") if by_photo or "/" in own else (own, "", "")
            products[unescaped(product)].append(labels)
            for variant in claims.get(own, ()) if by_photo else filter(None, [unescaped(rest)]):
                variants[unescaped(product), variant].append(labels)
        agreed = {key: _agreed(rows) for key, rows in variants.items()}
        union: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for (product, _), labels in agreed.items():
            for group in VARIANTS_OWN & labels.keys():
                union[product][group] += labels[group]
        whole: dict[str, Labels] = {
            key: {**_agreed(rows), **union.get(key, {})} for key, rows in products.items()
        }
        return cls(whole, agreed)

    def of(self, product: str) -> Labels:
        """Return the labels of a product."""
        self.used.add(product)
        return self.products.get(product, {})

    def of_variant(self, product: str, variant: str | None, *, alone: bool) -> Labels:
        """Return the labels of a variant; its product's are its own only if it stands alone."""
        whole = self.of(product)
        if variant is None or alone:
            return whole
        return self.variants.get((product, variant), {})

    def warnings(self) -> tuple[str, ...]:
        """Say which products of the table the file doesn't have."""
        unknown = [key for key in self.products if key not in self.used]
        if not unknown:
            return ()
        shown = ", ".join(unknown[:5]) + (", …" if len(unknown) > 5 else "")
        return (f"{len(unknown):,} products of the tags are not in the file: {shown}.",)


def _labels(cell: str) -> Labels:
    """Return the labels that may be published, by group, of a cell ``group=label|…`` or a list."""
    if cell.startswith("["):
        tags = [
            (tag["group"], tag["label"])
            for tag in json.loads(cell)
            if tag.get("decision") in (None, "publish") or tag.get("method") == "person"
        ]
    else:
        cell = cell.removeprefix("'")
        tags = [(tag.partition("=")[0], tag.partition("=")[2]) for tag in cell.split("|") if tag]
    found: dict[str, list[str]] = defaultdict(list)
    for group, label in tags:
        found[group].append(label)
    return found


def _agreed(rows: list[Labels]) -> Labels:
    if len(rows) == 1:
        return rows[0]
    found: dict[str, list[str]] = {}
    for group in dict.fromkeys(group for row in rows for group in row):
        voters = [row[group] for row in rows if row.get(group)]
        votes = Counter(label for labels in voters for label in labels)
        most = [label for label, count in votes.most_common() if 2 * count > len(voters)]
        found[group] = most or list(voters[0])
    return found


class _Patch(Protocol):
    """A file that can be patched: where its columns are, and edits that fill them."""

    def rows(self) -> Iterator[FeedRow]:
        """Yield its rows in order."""

    def alone(self, row: FeedRow) -> bool:
        """Return whether a row's product has no other variant."""

    def opening(self) -> list[Edit]:
        """Return the edits above all rows."""

    def cells(self, row: FeedRow) -> _Cells:
        """Return the cells of a row."""


class _Cells(Protocol):
    """What can be filled in one row."""

    def text(self, column: FeedColumn) -> str | None:
        """Return what a column says; None where there is none."""

    def put(self, column: FeedColumn, text: str) -> list[Edit] | None:
        """Put text in the place of what is there; None where that can't be."""

    def add(self, column: FeedColumn, text: str) -> list[Edit] | None:
        """Put text after what is there; None where that can't be."""

    def closing(self) -> list[Edit]:
        """Return the edits at the row's end."""


class _Filler:
    """Decides what is filled, and counts it."""

    def __init__(
        self,
        patch: _Patch,
        columns: Sequence[FeedColumn],
        given: Given,
        memory: _Memory,
        replace: Sequence[str],
    ) -> None:
        self.memory = memory
        self.filled: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self._patch = patch
        self._columns = columns
        self._given = given
        self._replace = frozenset(map(fold, replace))
        self._unsaid: Counter[str] = Counter()

    def edits(self) -> Iterator[Edit]:
        """Yield the edits of the file in the order of their places."""
        yield from self._patch.opening()
        for row in self._patch.rows():
            cells = self._patch.cells(row)
            found = [
                edit
                for column in self._columns
                if row.head
                for edit in self._edits(cells, row, column)
            ]
            yield from sorted([*found, *cells.closing()], key=lambda edit: edit.start)

    def warnings(self) -> tuple[str, ...]:
        """Say what couldn't be written."""
        return tuple(f"{count:,} {what}." for what, count in self._unsaid.items())

    def _edits(self, cells: _Cells, row: FeedRow, column: FeedColumn) -> list[Edit]:
        there = cells.text(column)
        if there is None:
            return []
        key = row.product
        labels = self._given.of(row.product)
        if column.variant:
            alone = self._patch.alone(row)
            labels = self._given.of_variant(row.product, row.variant, alone=alone)
            key = f"{row.product}/{row.variant}"
        found = column.labels(labels)
        replaced = fold(column.name) in self._replace
        if column.adds:
            return self._added(cells, column, key, found, replaced=replaced)
        text = column.join.join(self.memory.terms.written(label) for label in found)
        if not text or text == there.strip():
            return []
        if there.strip() and not (replaced and there.strip() == self.memory.get(column, key)):
            self.kept[column.name] += 1
            return []
        edits = cells.put(column, text)
        return self._counted(edits, column, key, text)

    def _added(
        self, cells: _Cells, column: FeedColumn, key: str, found: list[str], *, replaced: bool
    ) -> list[Edit]:
        terms = self.memory.terms
        there = cells.text(column) or ""
        stand = terms.split(there)
        own = self.memory.get(column, key) or []
        sayable = [label for label in found if terms.sayable(label)]
        self._unsaid["labels with a comma can be no tag there"] += len(found) - len(sayable)
        self._unsaid = +self._unsaid
        gone = {fold(label) for label in own} - {fold(label) for label in sayable}
        kept = [term for term in stand if not (replaced and fold(term) in gone)]
        known = {fold(term) for term in kept}
        new = [label for label in sayable if fold(label) not in known]
        if not new and len(kept) == len(stand):
            return []
        written = column.join.join(map(terms.written, new))
        if len(kept) < len(stand):
            edits = cells.put(column, column.join.join(map(terms.written, [*kept, *new])))
        elif there.strip():
            edits = cells.add(column, column.join + written)
        else:
            edits = cells.put(column, written)
        still = [label for label in own if fold(label) not in gone]
        return self._counted(edits, column, key, [*still, *new])

    def _counted(
        self, edits: list[Edit] | None, column: FeedColumn, key: str, value: str | list[str]
    ) -> list[Edit]:
        if edits is not None:
            self.filled[column.name] += 1
            self.memory.put(column, key, value)
        else:
            self._unsaid[f"rows can't take {column.name} in their cells or encoding"] += 1
        return edits or []


class _TablePatch:
    """A feed of lines and cells."""

    def __init__(self, dialect: _Dialect, alone: Counter[str], added: Sequence[FeedColumn]) -> None:
        self.feed = dialect.feed
        self.rows = dialect.rows
        self._sizes = alone
        named = canonical if dialect.name == "google-tsv" else fold
        names = {named(name): at for at, name in reversed([*enumerate(self.feed.columns)])}
        self.names = names
        self.added = [
            column
            for column in added
            if not column.attribute and not any(named(name) in names for name in column.names)
        ]
        self.named = named
        self.width = len(self.feed.spans(self.feed.header) or ())

    def alone(self, row: FeedRow) -> bool:
        return self._sizes[row.product] < 2

    def opening(self) -> list[Edit]:
        if not self.added:
            return []
        names = [column.name for column in self.added]
        return CellEdits(self.feed, self.feed.header).append(names, self.width) or []

    def cells(self, row: FeedRow) -> _TableCells:
        return _TableCells(self, row.row)


class _TableCells:
    """The cells of one line."""

    def __init__(self, patch: _TablePatch, record: Record) -> None:
        self._patch = patch
        self._record = record
        self._edits = CellEdits(patch.feed, record)
        self._last = dict.fromkeys((column.name for column in patch.added), "")

    def text(self, column: FeedColumn) -> str | None:
        place = self._place(column)
        if place is None:
            return self._last.get(column.name) if column in self._patch.added else None
        return self._record.cells[place]

    def put(self, column: FeedColumn, text: str) -> list[Edit] | None:
        place = self._place(column)
        if place is not None:
            return self._edits.put(place, text)
        self._last[column.name] = text
        return [] if self.closing() else None  # written at the row's end

    def add(self, column: FeedColumn, text: str) -> list[Edit] | None:
        place = self._place(column)
        return None if place is None else self._edits.add(place, text)

    def closing(self) -> list[Edit]:
        if not self._last:
            return []
        return self._edits.append([*self._last.values()], self._patch.width) or []

    def _place(self, column: FeedColumn) -> int | None:
        named, names, cells = self._patch.named, self._patch.names, self._record.cells
        if not column.attribute:
            return next((names[named(name)] for name in column.names if named(name) in names), None)
        wanted = {fold(name) for name in column.names}
        for name, place in names.items():
            number = re.fullmatch(r"attribute (\d+) name", name)
            if number and fold(cells[place]) in wanted:
                return names.get(f"attribute {number.group(1)} value(s)")
        return None


class _XmlPatch:
    """A feed of elements."""

    def __init__(
        self, dialect: GoogleXml, alone: Counter[str], names: set[str], added: Sequence[FeedColumn]
    ) -> None:
        self.rows = dialect.rows
        self._sizes = alone
        # one that any item has is a column of the file, empty where an item lacks it
        self.names = names | {column.name for column in added}
        self.encoding = dialect.encoding
        with open_feed(dialect.path) as file:
            self.data = file.read()

    def alone(self, row: FeedRow) -> bool:
        return self._sizes[row.product] < 2

    def opening(self) -> list[Edit]:
        return []

    def cells(self, row: FeedRow) -> _XmlCells:
        return _XmlCells(self.names, ElementEdits(self.data, self.encoding, row.row))


class _XmlCells:
    """The elements of one item."""

    def __init__(self, names: set[str], edits: ElementEdits) -> None:
        self._names = names
        self._edits = edits

    def text(self, column: FeedColumn) -> str | None:
        found = self._edits.text(column.name)
        return "" if found is None and column.name in self._names else found

    def put(self, column: FeedColumn, text: str) -> list[Edit] | None:
        return self._edits.put(column.name, text)

    def add(self, column: FeedColumn, text: str) -> list[Edit] | None:
        del column, text
        return None  # no column of Google's is added to

    def closing(self) -> list[Edit]:
        return []


class _Dialect(Protocol):
    """A dialect of lines and cells."""

    name: str
    feed: Delimited

    def rows(self) -> Iterator[FeedRow]:
        """Yield the rows that belong to a product."""


def _patch_of(
    source: str,
    format: str,  # noqa: A002
    findings: Findings,
    added: Sequence[FeedColumn],
) -> _Patch:
    """Open a file, and read it once for how many variants its products have."""
    before: Any = open_dialect(source, format, Findings())
    dialect: Any = open_dialect(source, format, findings)
    sizes: Counter[str] = Counter()
    names: set[str] = set()
    is_xml = isinstance(before, GoogleXml)
    if format.startswith("google"):
        for row in before.rows():
            sizes[row.product] += 1
            names.update(canonical(e.name) for e in row.row.elements) if is_xml else None
    if is_xml:
        dialect.encoding = before.encoding
        return _XmlPatch(dialect, sizes, names, added)
    return _TablePatch(dialect, sizes, added)


class _Terms:
    """How a format joins terms in one cell."""

    def __init__(self, format: str) -> None:  # noqa: A002
        self._escapes = format == "woocommerce-csv"

    def split(self, cell: str) -> list[str]:
        if self._escapes:
            return split_terms(cell)
        return [term.strip() for term in cell.split(",") if term.strip()]

    def written(self, label: str) -> str:
        return escaped_term(label) if self._escapes else label

    def sayable(self, label: str) -> bool:
        return self._escapes or "," not in label


class _Memory:
    """What exports wrote into a format's columns, by product or variant."""

    def __init__(self, path: Path | None, format: str) -> None:  # noqa: A002
        self.terms = _Terms(format)
        self._path = path
        self._all: dict[str, Any] = {}
        if path is not None and path.is_file():
            try:
                self._all = dict(json.loads(path.read_text("utf-8")))
            except (OSError, ValueError) as error:
                raise CatalogError(
                    f"{path} is damaged ({error}); remove it: then --replace overwrites nothing."
                ) from error
        self._columns: dict[str, dict[str, Any]] = self._all.setdefault(format, {})

    def get(self, column: FeedColumn, key: str) -> Any:  # noqa: ANN401
        """Return the text, or the list of tags, that was written last; None if nothing was."""
        return self._columns.get(column.name, {}).get(key)

    def put(self, column: FeedColumn, key: str, value: str | list[str]) -> None:
        self._columns.setdefault(column.name, {})[key] = value

    def keep(self) -> None:
        if self._path is not None and any(self._columns.values()):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with PartFile(self._path) as part:
                part.write(json.dumps(self._all, ensure_ascii=False))


def _check_replaced(replace: Sequence[str], columns: Sequence[FeedColumn]) -> None:
    known = {fold(column.name) for column in columns}
    for name in replace:
        if fold(name) not in known:
            raise UsageError(
                f"--replace {name}: that is no column that tags fill; give one of "
                f"{', '.join(column.name for column in columns)}."
            )


def _claims(folder: Path) -> dict[str, list[str]]:
    """Return the variants of each photo that one claims, by the photo's id."""
    found: dict[str, list[str]] = {}
    try:
        with (folder / CATALOG).open(encoding="utf-8") as lines:
            for line in lines:
                photo = json.loads(line)
                if photo["variant"] is not None:
                    found[photo["id"]] = photo.get("variants") or [photo["variant"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CatalogError(
            f"{folder / CATALOG} is damaged ({error}); import the feed again."
        ) from error
    return found


def _named_after(name: str) -> str:
    stem, _, ending = name.removesuffix(".gz").rpartition(".")
    return f"{stem}-tagged.{ending}" if stem else f"{ending}-tagged"
