"""Tags → a data set of another tool, pictures included; a table of tags says which products."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fashiontag.catalog import read_catalog
from fashiontag.catalog.items import FileRef
from fashiontag.catalog.kinds import ending_of
from fashiontag.catalog.tagtables import REVIEW, TAGS, read_tag_table
from fashiontag.catalog.titles import first_few
from fashiontag.errors import CatalogError, ImageError, UsageError
from fashiontag.names import fold
from fashiontag.sinks.partfile import new_folder
from fashiontag.sinks.tools import ANSWERED, TOOLS, Sample, Schema, write
from fashiontag.workflows.corrections import written_as
from fashiontag.workspace.decisions import current

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fashiontag.catalog.tagtables import TagRow, TagTable
    from fashiontag.datamodels import ImageRef
    from fashiontag.workspace.decisions import Event
    from fashiontag.workspace.written import Copy


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """What was written for another tool.

    Attributes
    ----------
    format : str
    out : Path
        The folder.
    products, decided : int
        Products in it, and decisions of people among what they have.
    warnings : tuple of str
    """

    format: str
    out: Path
    products: int
    decided: int
    warnings: tuple[str, ...]


def export_dataset(
    workspace: Path,
    tags: Path,
    format: str,  # noqa: A002
    out: Path | None = None,
) -> DatasetSummary:
    """Write a table's products for another tool: pictures, titles, tags, decisions of people.

    Parameters
    ----------
    workspace : Path
        That of the run which wrote the table.
    tags : Path
    format : str
        One of `fashiontag.sinks.tools.TOOLS`.
    out : Path or None
        A new folder; None is named after table and format, here.

    Raises
    ------
    UsageError
        There is no such format or table, the folder is there already, or a library is missing.
    CatalogError
        No run of the workspace wrote the table.
    OutputError
        The folder can't be written.
    """
    if format not in TOOLS:
        raise UsageError(f"--as {format}: give one of {', '.join(TOOLS)}.")
    target = out if out is not None else Path(f"{tags.stem}-{format}")
    table = read_tag_table(str(tags), needed=("id", "tags"))
    copy = written_as(workspace, tags, None, table)
    decided: dict[str, list[Event]] = {}
    for event in current(workspace):
        if event.source == copy.about.root and table.find(event.item) is not None:
            decided.setdefault(event.item, []).append(event)
    products = _Products(table, copy, decided, (TAGS, REVIEW) if format in ANSWERED else (TAGS,))
    with new_folder(target) as folder:
        write(format, products.samples(), products.schema(tags.stem), folder, target)
    return DatasetSummary(
        format, target, products.written, sum(map(len, decided.values())), products.warnings()
    )


class _Products:
    """The products of a table, with their pictures as they are asked for."""

    def __init__(
        self,
        table: TagTable,
        copy: Copy,
        decided: Mapping[str, list[Event]],
        columns: Sequence[str],
    ) -> None:
        self.written = 0
        # a spreadsheet may have spelled an id in another way than it was written
        found = ((copy.table.find(row.id), row) for row in table.rows)
        self._rows = {was.id if was is not None else row.id: row for was, row in found}
        self._columns = columns
        self._about = about = copy.about
        self._decided = decided
        self._names = {fold(name): name for name in about.labels}
        self._pictures = _pictures(about.root)
        self._without: list[str] = []

    def schema(self, name: str) -> Schema:
        """Return all that can be said, and what else is said here; one label means one here."""
        groups = {group: dict.fromkeys(labels) for group, labels in self._about.labels.items()}
        exclusive = set(self._about.exclusive)
        said = [self._given(row) for row in self._rows.values()]
        said += [
            {event.group: event.labels or ()}
            for events in self._decided.values()
            for event in events
        ]
        for labels_of in said:
            for group, labels in labels_of.items():
                groups.setdefault(group, {}).update(dict.fromkeys(labels))
                if len(labels) > 1:  # a product has its variants' colours
                    exclusive.discard(group)
        filled = {group: tuple(found) for group, found in groups.items() if found}
        return Schema(name, filled, frozenset(exclusive))

    def samples(self) -> Iterator[Sample]:
        """Yield the products whose pictures can be read."""
        for item, row in self._rows.items():
            path = row.cells.get("path", "")
            picture: ImageRef = self._pictures.get(item) or FileRef(str(Path(path).absolute()))
            try:
                content = picture.read() if row.cells.get("status") != "error" else b""
            except ImageError:
                content = b""
            if not content:
                self._without.append(item)
                continue
            self.written += 1
            events = self._decided.get(item, ())
            yield Sample(
                item,
                self._about.root,
                row.cells.get("title", ""),
                content,
                _ending(path, content),
                self._given(row),
                {event.group: event.labels or () for event in events},
                {event.group: event.was for event in events},
            )

    def warnings(self) -> tuple[str, ...]:
        """Say what was left out."""
        if not self._without:
            return ()
        shown = first_few(self._without)
        return (f"{len(self._without):,} products have no picture and are left out: {shown}.",)

    def _given(self, row: TagRow) -> dict[str, tuple[str, ...]]:
        """Return what the table gives; where people answer, what they are to look at, too."""
        found: dict[str, tuple[str, ...]] = {}
        for column in self._columns:
            for group, labels in row.tags(column).items():
                name = self._names.get(group, group)
                found[name] = tuple(dict.fromkeys((*found.get(name, ()), *labels)))
        return found


def _pictures(root: str) -> Mapping[str, ImageRef]:
    """Return the pictures of a source by id; {} if it can't be read as it was tagged."""
    try:
        return {item.id: item.image for item in read_catalog(root).items}
    except (CatalogError, UsageError):
        return {}


def _ending(path: str, content: bytes) -> str:
    """Return the ending of a picture's file, from its bytes where its name has none."""
    ending = Path(path).suffix.lower()
    return ending if ending[1:].isalnum() else ending_of(content[:64]) or ".jpg"
