"""What this program wrote into a table, so that a person's hand in it can be told.

Before a table takes its name, a copy of its cells is kept under the digest of its bytes: a table
of such bytes, or of the cells of such a copy, is the program's, whenever a run was killed. Every
other one was made or changed by somebody, and isn't written over.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from fashiontag.catalog.tagtables import REVIEW, TagTable, read_tag_table, tag_table
from fashiontag.errors import CatalogError, OutputError, StoreError, UsageError
from fashiontag.names import fold
from fashiontag.workspace.embed import content_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from fashiontag.datamodels import Item, Tagged
    from fashiontag.labels import LabelSpace
    from fashiontag.sinks.tables import Layout

FOLDER = "written"


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a table beside its cells.

    Attributes
    ----------
    out : str
        Its absolute path.
    root : str
        The source that was tagged, `Catalog.root`.
    at : str
        When, UTC.
    labels : Mapping of str to sequence of str
        By group, in the order of columns, what could be said.
    exclusive : sequence of str
        The groups of which a product has one label at most.
    above : Mapping of str to sequence of str
        Of each ``group=label`` with a parent, what it stands under.
    """

    out: str
    root: str
    at: str
    labels: Mapping[str, Sequence[str]]
    exclusive: Sequence[str]
    above: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, out: Path, root: str, space: LabelSpace) -> Self:
        """Describe a table that is about to be written."""
        return cls(
            os.path.realpath(out),
            root,
            datetime.now(UTC).isoformat(timespec="seconds"),
            {group.name: group.names for group in space.groups},
            tuple(group.name for group in space.groups if group.exclusive),
            space.tags_above,
        )


@dataclass(frozen=True)
class Copy:
    """The cells of a table as the program wrote it, or as an import took it over."""

    path: Path

    @cached_property
    def about(self) -> About:
        """What is known of it."""
        with gzip.open(self.path, "rt", encoding="utf-8", newline="") as file:
            return About(**json.loads(file.readline()))

    @cached_property
    def table(self) -> TagTable:
        """The cells."""
        with gzip.open(self.path, "rt", encoding="utf-8", newline="") as file:
            file.readline()  # `about`
            rows = csv.reader(file)
            columns = next(rows)
            return tag_table(self.about.out, columns, enumerate(rows, start=2), columns.index("id"))


class Written:
    """What is known of one table that `tag` writes.

    Parameters
    ----------
    workspace : Path
    out : Path
        The table; a link is followed.
    """

    def __init__(self, workspace: Path, out: Path) -> None:
        self.out = out
        self._target = Path(os.path.realpath(out))
        self._folder = workspace / FOLDER
        self._key = content_key(os.fsencode(self._target))

    def copies(self) -> tuple[Copy, ...]:
        """Return the copies, the newest first; two where a run was killed as it ended."""
        found = sorted(self._folder.glob(f"{self._key}-*.gz"), key=_age)
        return tuple(map(Copy, found))

    def refuse_if_changed(self, columns: Sequence[str], ids: Collection[str]) -> bool:
        """Raise if the table is somebody's, before a run that would write over it.

        Parameters
        ----------
        columns : sequence of str
            What the run would write.
        ids : collection of str

        Returns
        -------
        bool
            True if nobody here wrote the table but it may be equal to what the run makes of it:
            to be compared again at the end.

        Raises
        ------
        OutputError
            The sentence names the ways out.
        """
        if not self._target.is_file() or self._copy_of(file_digest(self._target)).is_file():
            return False
        copies = self.copies()
        try:
            table = read_tag_table(str(self._target), "id")
        except (CatalogError, UsageError):
            table = None
        if table is not None and any(copy.table.says_the_same(table) for copy in copies):
            return False
        if copies:
            raise OutputError(
                f"{self.out} was changed since fashiontag wrote it; take the corrections over with "
                f"`fashiontag decisions import {self.out}`, or give --overwrite to lose them."
            )
        if (
            table is not None
            and {*map(fold, table.columns)} | {REVIEW} == {*map(fold, columns)} | {REVIEW}
            and {row.id for row in table.rows} == set(ids)
        ):
            return True
        raise self._foreign()

    def _foreign(self) -> OutputError:
        return OutputError(
            f"{self.out} is there and no run of this workspace wrote it; name another --out, take "
            f"corrections in it over with `fashiontag decisions import {self.out} --of TABLE`, or "
            "give --overwrite to lose it."
        )

    def refuse_if_touched(self) -> None:
        """Raise unless a table without tags is as `mark` saw it, or isn't there; `OutputError`."""
        if self._target.is_file() and not self._mark_of(self._target).is_file():
            raise OutputError(
                f"{self.out} was filled in or changed since fashiontag wrote it, or isn't of this "
                "workspace; name another --out, or give --overwrite to lose it."
            )

    def mark(self, part: Path) -> None:
        """Remember the bytes of a table without tags, before it takes its name."""
        mark = self._mark_of(part)
        with _errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in self._folder.glob(f"{self._key}-*{mark.suffix}"):
                old.unlink(missing_ok=True)
            mark.touch()

    def _mark_of(self, file: Path) -> Path:
        return self._copy_of(file_digest(file)).with_suffix(".seen")

    def adopt(self, table: TagTable, digest: str, about: About) -> None:
        """Count a table that was imported as the program's: its bytes have this digest."""
        names = [fold(name) for name in table.columns]
        with self._copying(about, table.columns) as copy:
            for row in table.rows:
                copy.put([row.id if name == "id" else row.cells.get(name, "") for name in names])
            copy.save(self._copy_of(digest))
        self._keep_only(digest)

    @contextmanager
    def record(
        self,
        about: About,
        layout: Layout,
        ids: Collection[str],
        *,
        overwrite: bool = False,
    ) -> Iterator[Recorder]:
        """Keep a copy of what a run writes; the table has its name when the block has ended well.

        Parameters
        ----------
        about : About
        layout : Layout
            Of the rows as text.
        ids : collection of str
            Of the rows that will come.
        overwrite : bool
            Whether to write over what somebody else made or changed.

        Raises
        ------
        OutputError
            Before any row is taken, or once more before the table takes its name, if it is
            somebody's; or the copy can't be kept.
        """

        def check() -> bool:
            return not overwrite and self.refuse_if_changed(layout.columns, ids)

        check()
        with self._copying(about, layout.columns) as copy:
            recorder = Recorder(copy, layout, lambda part: self._keep(copy, part, check))
            yield recorder
        if recorder.digest:
            self._keep_only(recorder.digest)

    def _keep(self, copy: _CopyFile, part: Path, check: Callable[[], bool]) -> str:
        """Put the copy of a finished table in its place, before the table takes its own."""
        digest = file_digest(part)
        # Somebody may have changed it while the run ran.
        if check():
            copy.close()
            table = Copy(copy.path).table
            if not table.says_the_same(read_tag_table(str(self._target), "id")):
                raise self._foreign()
        copy.save(self._copy_of(digest))
        return digest

    @contextmanager
    def _copying(self, about: About, columns: Sequence[str]) -> Iterator[_CopyFile]:
        copy = _CopyFile(self._folder, about, columns)
        try:
            yield copy
        finally:
            copy.discard()

    def _copy_of(self, digest: str) -> Path:
        return self._folder / f"{self._key}-{digest}.gz"

    def _keep_only(self, digest: str) -> None:
        """Drop the copies of what the table was before; it has its name now."""
        for copy in self.copies():
            if copy.path != self._copy_of(digest):
                with suppress(OSError):
                    copy.path.unlink()


class Recorder:
    """A sink that copies the rows of a table; made by `Written.record`.

    Attributes
    ----------
    digest : str
        Of the table's bytes, once they are known.
    """

    def __init__(self, copy: _CopyFile, layout: Layout, keep: Callable[[Path], str]) -> None:
        self.digest = ""
        self._copy = copy
        self._layout = layout
        self._keep = keep

    def write(self, tagged: Tagged, item: Item) -> None:
        """Add one row."""
        self._copy.put(self._layout.text_row(tagged, item))

    def before(self, part: Path) -> None:
        """Record the finished table before it takes its name; give this to `open_table`."""
        self.digest = self._keep(part)


class _CopyFile:
    """One copy while it is written: a line of JSON on the table, then its cells as CSV, gzipped."""

    def __init__(self, folder: Path, about: About, columns: Sequence[str]) -> None:
        self.path = folder / f"{secrets.token_hex(8)}.part"
        with _errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # level 1: a fifth of the table's size, at a tenth of the time that level 9 takes
            self._raw = self.path.open("wb")
            file = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=1)
        self._file = io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="")
        self._file.write(json.dumps(asdict(about), ensure_ascii=False) + "\n")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self.put(columns)

    def put(self, cells: Sequence[str]) -> None:
        with _errors(self.path.parent):
            self._writer.writerow(cells)

    def close(self) -> None:
        """Have it on disk."""
        if not self._raw.closed:
            with _errors(self.path.parent):
                self._file.close()
                self._raw.flush()
                os.fsync(self._raw.fileno())
                self._raw.close()

    def save(self, target: Path) -> None:
        """Give it its name, for good."""
        self.close()
        with _errors(self.path.parent):
            self.path.replace(target)
            _sync(self.path.parent)

    def discard(self) -> None:
        with suppress(OSError, ValueError):
            self._file.close()
        with suppress(OSError):
            self._raw.close()
            self.path.unlink()


def find_copies(workspace: Path) -> tuple[Copy, ...]:
    """Return the copies of all tables that were written, the newest first."""
    return tuple(map(Copy, sorted((workspace / FOLDER).glob("*-*.gz"), key=_age)))


def file_digest(path: Path) -> str:
    """Return the digest of a file's bytes."""
    return content_key(path.read_bytes())


def _age(path: Path) -> float:
    return -path.stat().st_mtime_ns


def _sync(folder: Path) -> None:
    """Make a new name outlive a power cut; Windows can't, and does by itself."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(
            f"What is written can't be recorded in {folder} ({reason}); make room there and let it "
            "be written, or name another one with --workspace."
        ) from error
