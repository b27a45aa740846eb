"""Tags → a copy of the shop's own file: empty cells filled, tags added, all else as it was."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashiontag.catalog.delimited import open_feed
from fashiontag.catalog.feeds import Findings
from fashiontag.catalog.feeds.edits import FeedPatch, Item, Line
from fashiontag.catalog.feeds.woocommerce_csv import escaped_term, split_terms
from fashiontag.catalog.imported import is_imported, list_imported, report_of, unescaped
from fashiontag.catalog.tagtables import read_tag_table
from fashiontag.catalog.titles import first_few
from fashiontag.catalog.units import VARIANTS_OWN
from fashiontag.errors import CatalogError, UsageError
from fashiontag.labels import load_labels
from fashiontag.names import fold
from fashiontag.sinks.feedcolumns import FORMATS, Entries, FeedColumn, feed_columns
from fashiontag.sinks.partfile import PartFile
from fashiontag.sinks.patch import write_patched
from fashiontag.taxonomy import Taxonomy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fashiontag.catalog.feeds.products import FeedRow
    from fashiontag.datamodels import Edit

    Labels = Mapping[str, Sequence[str]]

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
    labels : str or None
        The label file that says what labels are in taxonomies; None is the default one.
    taxonomy : Path or None
        The taxonomy that ids are checked against; with Shopify's, its metafields are filled, too.
    """

    add_columns: bool = False
    replace: tuple[str, ...] = ()
    memory: Path | None = None
    labels: str | None = None
    taxonomy: Path | None = None


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
    claims: dict[str, tuple[str, ...]] = {}
    if into.is_dir():
        if not is_imported(str(into)):
            raise UsageError(
                f"--into {into} is a folder and no imported catalogue; give the shop's file, or "
                "the folder of `fashiontag import`."
            )
        report = report_of(str(into))
        source, shown = into / report["original"], report["source"]
        if tags is not None:
            claims = {item.id: item.variants for item in list_imported(str(into)).items}
    taxonomy = Taxonomy.load(options.taxonomy) if options.taxonomy is not None else None
    entries = Entries(load_labels(options.labels), taxonomy)
    columns = feed_columns(format)
    if format == "shopify-csv":
        columns = (*columns, *entries.columns())
    _check_replaced(options.replace, columns)
    findings = Findings()
    target = out if out is not None else Path(_named_after(shown))
    if target.resolve() in {source.resolve(), tags.resolve() if tags else None}:
        raise UsageError(f"{target} is read by this export; give --out another file.")
    given = Given.read(tags, claims) if tags is not None else Given()
    products = given.products.values()
    added = [column for column in columns if entries.is_filled(column, products)]
    patch = FeedPatch(str(source), format, findings, added if options.add_columns else ())
    memory = _Memory(options.memory, format)
    filler = _Filler(columns, given, entries, memory, options.replace)
    with open_feed(str(source)) as file:
        write_patched(target, file, filler.edits(patch) if tags is not None else ())
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
    agree; where none reaches that, the first photo's labels stand. A row of a product or a variant
    has seen all photos already. Colours and patterns are the
    variants' own: a product has those of all of its variants.
    """

    products: dict[str, Labels] = field(default_factory=dict)
    variants: dict[tuple[str, str], Labels] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path, claims: Mapping[str, Sequence[str]]) -> Given:
        """Read a table; `claims` are the variants of each photo."""
        table = read_tag_table(str(path), needed=("id", "tags"))
        products: dict[str, list[Labels]] = defaultdict(list)
        variants: dict[tuple[str, str], list[Labels]] = defaultdict(list)
        by_photo = "photos" not in map(fold, table.columns)  # other tables count their photos
        for row in table.rows:
            if row.cells.get("status") == "error":
                continue
            head, _, rest = row.id.rpartition("/") if "/" in row.id else (row.id, "", "")
            product, own = unescaped(head), [unescaped(rest)] if rest else []
            products[product].append(row.tags())
            for variant in claims.get(row.id, ()) if by_photo else own:
                variants[product, variant].append(row.tags())
        agreed = {key: _agreed(rows) for key, rows in variants.items()}
        union: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for (product, _), labels in agreed.items():
            for group in VARIANTS_OWN & labels.keys():
                union[product][group] += labels[group]
        whole: dict[str, Labels] = {
            key: {**_agreed(rows), **union.get(key, {})} for key, rows in products.items()
        }
        return cls(whole, agreed)

    def of(self, row: FeedRow, *, variant: bool) -> Labels:
        """Return the labels of a row's product, or of its variant."""
        self.used.add(row.product)
        of_product = self.products.get(row.product, {})
        if not variant or row.variant is None:
            return of_product
        if self.variants:
            return self.variants.get((row.product, row.variant), {})
        # Rows of products: several colours are those of all variants together, and no one's.
        return {
            group: labels
            for group, labels in of_product.items()
            if group not in VARIANTS_OWN or len(labels) == 1
        }

    def warnings(self) -> tuple[str, ...]:
        """Say which products of the table the file doesn't have."""
        unknown = [key for key in self.products if key not in self.used]
        if not unknown:
            return ()
        return (
            f"{len(unknown):,} products of the tags are not in the file: {first_few(unknown)}.",
        )


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


class _Filler:
    """Decides what is filled, and counts it."""

    def __init__(
        self,
        columns: Sequence[FeedColumn],
        given: Given,
        entries: Entries,
        memory: _Memory,
        replace: Sequence[str],
    ) -> None:
        self.memory = memory
        self._entries = entries
        self._category = next((c for c in columns if c.entry == "shopify"), None)
        self.filled: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self._columns = columns
        self._given = given
        self._replace = frozenset(map(fold, replace))
        self._unsaid: Counter[str] = Counter()

    def edits(self, patch: FeedPatch) -> Iterator[Edit]:
        """Yield the edits of the file in the order of their places."""
        for row, cells in patch.rows():
            if row is not None and row.head:
                category = cells.text(self._category) if self._category else None
                for column in self._columns:
                    own = column.variant and not patch.alone(row)
                    given = self._given.of(row, variant=own)
                    key = f"{row.product}/{row.variant}" if column.variant else row.product
                    if column.entry:
                        if cells.text(column) is None:
                            continue
                        labels = self._entries.of(column, given, category)[: column.most]
                    else:
                        labels = column.labels(given)
                    self._fill(cells, column, key, labels)
            yield from cells.edits()

    def warnings(self) -> tuple[str, ...]:
        """Say what couldn't be written."""
        left = [f"{what} ({count:,})" for what, count in self._entries.left.most_common()]
        empty = (f"left empty: {first_few(left)}.",) if left else ()
        return (*(f"{count:,} {what}." for what, count in self._unsaid.items() if count), *empty)

    def _fill(self, cells: Line | Item, column: FeedColumn, key: str, labels: list[str]) -> None:
        there = cells.text(column)
        if there is None:
            return
        own = self.memory.get(column, key)
        replaced = fold(column.name) in self._replace
        written: str | list[str]
        if column.adds:
            text, written = self._added(column, there, labels, own or [], replaced=replaced)
        else:
            text = written = column.join.join(map(self.memory.written, labels))
            stands = there.strip()
            if not text or text == stands:
                return
            if stands and not (replaced and stands == own):
                self.kept[column.name] += 1
                return
        if text == there:
            return
        if cells.put(column, text):
            self.filled[column.name] += 1
            self.memory.put(column, key, written)
        else:
            self._unsaid[f"rows can't take {column.name} in their cells or encoding"] += 1

    def _added(
        self, column: FeedColumn, there: str, labels: list[str], own: list[str], *, replaced: bool
    ) -> tuple[str, list[str]]:
        """Return a cell with labels added, and those of them that are the tool's."""
        written = self.memory.written
        sayable = [label for label in labels if self.memory.sayable(label)]
        self._unsaid["labels with a comma can be no tag there"] += len(labels) - len(sayable)
        gone = {fold(label) for label in own} - {fold(label) for label in sayable}
        stand = self.memory.split(there)
        kept = [term for term in stand if not (replaced and fold(term) in gone)]
        known = {fold(term) for term in kept}
        new = [label for label in sayable if fold(label) not in known]
        still = [label for label in own if fold(label) not in gone]
        if len(kept) < len(stand):
            there = column.join.join(map(written, kept))
        if new:
            there = column.join.join(filter(str.strip, [there, *map(written, new)]))
        return there, [*still, *new]


class _Memory:
    """How a format joins terms, and what exports wrote into its columns, by product or variant."""

    def __init__(self, path: Path | None, format: str) -> None:  # noqa: A002
        self._escapes = format == "woocommerce-csv"
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

    def split(self, cell: str) -> list[str]:
        """Return the terms that commas join in a cell of the format."""
        if self._escapes:
            return split_terms(cell)
        return [term.strip() for term in cell.split(",") if term.strip()]

    def written(self, label: str) -> str:
        return escaped_term(label) if self._escapes else label

    def sayable(self, label: str) -> bool:
        return self._escapes or "," not in label

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


def _named_after(name: str) -> str:
    stem, _, ending = name.removesuffix(".gz").rpartition(".")
    return f"{stem}-tagged.{ending}" if stem else f"{ending}-tagged"
