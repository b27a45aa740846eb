"""The files of a run on many machines: rows, what they rest on, and vectors, one Parquet a shard.

Any reader of Parquet finds the columns of a table of tags, then ``fields`` (JSON), ``locator``,
``stamp`` and ``picture`` (the photo, when it was seen, its content's hash), ``image`` and ``text``
(float16, null where there is none). The footer says what the file was made of (`Facts`).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.errors import CatalogError, OutputError
from fashiontag.objects import errors, is_address, located, upload
from fashiontag.sinks.partfile import PartFile
from fashiontag.sinks.tables import types as table_types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fashiontag.sinks.tables import Layout

_KEY = b"fashiontag"
RUN = "_run.json"
"""What a finished run ends with: of what each part was made. Readers of Parquet pass it over."""


def part_name(number: int, shards: int) -> str:
    """Return the name of a shard's file."""
    return f"part-{number:05d}-of-{shards:05d}.parquet"


class Folder:
    """A folder on this disk or at an address, of files that are put in place whole.

    Parameters
    ----------
    place : str
        A path or an address; it need not be there yet.
    """

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/") or "/"
        where = self.place if is_address(place) else f"file://{Path(place).absolute()}"
        self.store, self.path = located(where)

    def names(self) -> list[str]:
        """Return the names of the files in it, in code-point order; those with a dot are none."""
        from pyarrow.fs import FileSelector, FileType

        with errors(self.place):
            found = self.store.get_file_info(FileSelector(self.path, allow_not_found=True))
        names = [info.base_name for info in found if info.type == FileType.File]
        return sorted(name for name in names if not name.startswith("."))

    def of(self, name: str) -> str:
        """Return where the store has a file of this name."""
        return f"{self.path.rstrip('/')}/{name}"

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        with errors(f"{self.place}/{name}"), self.store.open_input_stream(self.of(name)) as stream:
            return bytes(stream.readall())

    def put(self, name: str, source: Path) -> None:
        """Put a file of this disk in place under a name, over what is there.

        Raises
        ------
        OutputError
            It can't be written.
        """
        if is_address(self.place):
            upload(source, f"{self.place}/{name}")
            return
        target = Path(self.of(name))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"can't write {self.place}: {error.strerror}; name a place that can be written"
            ) from error
        with source.open("rb") as read, PartFile(target) as part, part.errors():
            shutil.copyfileobj(read, part.file)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a shard's file was made of.

    Attributes
    ----------
    made_of : str
        Digest of the shard's items, the model, and all that decides on its rows.
    model, fingerprint : str
        The encoder.
    dim : int
    labels : str
        The label space's name, "" where nothing was tagged.
    groups : Mapping of str to sequence of str
        Its labels by group.
    above : Mapping of str to sequence of str
        Of each ``group=label`` with a parent, what it stands under.
    rows : int
    """

    made_of: str
    model: str
    fingerprint: str
    dim: int
    labels: str = ""
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    above: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Vectored:
    """The vectors of one kind of n rows: which rows have one, and those, shape (m, d), float16."""

    there: NDArray[np.bool_]
    vectors: NDArray[np.float16]


def write_shard(
    path: Path,
    cells: Layout,
    rows: Sequence[Mapping[str, Any]],
    vectors: Mapping[str, Vectored],
    facts: Facts,
) -> None:
    """Write a shard's file: ``rows`` with all columns but the ``vectors``."""
    import pyarrow as pa
    from pyarrow import parquet

    more = dict.fromkeys(("fields", "locator", "stamp", "picture"), pa.string())
    types = table_types(cells) | more
    table = pa.Table.from_pylist(list(rows), schema=pa.schema(types))
    for name, column in vectors.items():
        flat = pa.array(column.vectors.reshape(-1))
        listed = pa.FixedSizeListArray.from_arrays(flat, facts.dim)
        places = np.cumsum(column.there) - 1
        index = pa.array(places, mask=~column.there)
        table = table.append_column(name, listed.take(index))
    said = json.dumps(asdict(facts), sort_keys=True)
    table = table.replace_schema_metadata({_KEY: said.encode()})
    parquet.write_table(table, path, compression="zstd", row_group_size=8192)


def read_facts(folder: Folder, name: str) -> Facts:
    """Return what the footer of a shard's file says; `CatalogError` if it is none."""
    from pyarrow import ArrowException, parquet

    try:
        with folder.store.open_input_file(folder.of(name)) as file:
            found = parquet.read_schema(file).metadata or {}
        return Facts(**json.loads(found[_KEY]))
    except (OSError, ArrowException, KeyError, TypeError, ValueError) as error:
        raise CatalogError(
            f"{folder.place}/{name} is no file of a run on many machines ({error}); remove it, or "
            "name another folder."
        ) from error


def first_facts(place: str) -> Facts:
    """Return what a run was made with, and its rows in all; `CatalogError` where there is none."""
    folder = Folder(place)
    names = [name for name in folder.names() if name.startswith("part-")]
    if not names:
        raise CatalogError(
            f"{place} holds no run; make one with fashiontag tag SOURCE --engine ray --out {place}."
        )
    facts = [read_facts(folder, name) for name in names]
    return replace(facts[0], rows=sum(one.rows for one in facts))


def read_rows(
    folder: Folder, name: str, columns: Sequence[str] | None = None, *, at_once: int = 4096
) -> Iterator[list[dict[str, Any]]]:
    """Yield rows by the thousand, vectors as float32 arrays of shape (d,), or None."""
    from pyarrow import parquet

    with folder.store.open_input_file(folder.of(name)) as file:
        source = parquet.ParquetFile(file)
        for batch in source.iter_batches(at_once, columns=columns):
            kept = [at for at in batch.schema.names if at not in {"image", "text"}]
            rows = batch.select(kept).to_pylist()
            for kind in {"image", "text"} & {*batch.schema.names}:
                column = batch.column(kind)
                flat = column.flatten().to_numpy(zero_copy_only=False)
                vectors = iter(flat.astype(np.float16).reshape(-1, column.type.list_size))
                for row, is_there in zip(rows, column.is_valid().to_pylist(), strict=True):
                    row[kind] = next(vectors) if is_there else None
            yield rows
