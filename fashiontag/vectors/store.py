"""Vectors on disk, kept by content: one append-only file per model and kind, one SQLite database.

A vector's key is the hash of what was encoded, so a picture that is moved, renamed or listed twice
is encoded once. The database alone says how many rows of a vector file count: bytes behind them
are what a killed writer left, and the next writer puts its own over them. So there is no state to
repair after ``kill -9``, and writers take turns by SQLite's lock, for milliseconds.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Self

from fashiontag.database import Database, as_utf8
from fashiontag.vectors.shard import FOLDER, Shard, vector_file

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    from fashiontag.vectors.shard import Kind

DATABASE = "store.sqlite"
FORMAT = 1

RACY_SECONDS = 2.0
"""The coarsest file time in use, FAT's; below it a second write may leave the time as it was."""

# The id names the vector file: AUTOINCREMENT, so that a pruned one never comes back. Windows are
# kept for rows of more than one: few titles are that long, pictures never.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS shards (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, fingerprint TEXT NOT NULL,
    dim INTEGER NOT NULL, rows INTEGER NOT NULL, UNIQUE (kind, fingerprint));
CREATE TABLE IF NOT EXISTS keys (
    shard INTEGER NOT NULL, key TEXT NOT NULL, row INTEGER NOT NULL,
    PRIMARY KEY (shard, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS windows (
    shard INTEGER NOT NULL, row INTEGER NOT NULL, windows INTEGER NOT NULL,
    PRIMARY KEY (shard, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS models (
    fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    locator TEXT PRIMARY KEY, stamp TEXT NOT NULL, hash TEXT, error TEXT, decoders TEXT
    ) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a file that hasn't changed since: its content's hash, and what is wrong.

    ``hash`` is None only where the bytes couldn't be had; `VectorStore.remember` skips those.
    """

    hash: str | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One vector file: what made it, what it takes on disk, and whether anything uses it."""

    kind: str
    fingerprint: str
    model: str
    dim: int
    rows: int
    bytes: int
    used: bool


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """What a store holds; ``bytes`` counts the vector files and the database."""

    shards: tuple[ShardStatus, ...]
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `VectorStore.prune` took out."""

    vectors: int
    files: int
    bytes: int


class VectorStore:
    """The vectors of a workspace. Open with `VectorStore.open`; usable as a context manager.

    Any number of processes may read and write one store at once. Within a process the methods may
    be called from several threads; they take turns.
    """

    def __init__(self, database: Database) -> None:
        self.workspace = database.path.parent
        self._database = database
        self._shards: dict[tuple[Kind, str], Shard] = {}
        self._opened = time.time()

    @classmethod
    def open(cls, workspace: Path) -> VectorStore:
        """Open the store of a workspace, creating both if need be.

        Raises
        ------
        StoreError
            If the folder can't be written, the file is no store, or a newer version made it.
        """
        database = Database(
            workspace / DATABASE,
            _SCHEMA,
            FORMAT,
            subject=f"The workspace {workspace}",
            remedy=f"delete {DATABASE} there and pictures are encoded again",
            wal=True,
        )
        return cls(database)

    def close(self) -> None:
        """Release the files; arrays that `Shard.matrix` returned stay valid."""
        self._database.close()
        for shard in self._shards.values():
            shard.unmap()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def shard(self, kind: Kind, fingerprint: str) -> Shard:
        """Return the vectors of one kind and model, whether or not there are any yet.

        Equal arguments give the same object, so that its file is mapped once.
        """
        return self._shards.setdefault(
            (kind, fingerprint), Shard(self._database, kind, fingerprint)
        )

    def step(self) -> AbstractContextManager[None]:
        """Have all that is added within be durable at the end of a block, or not at all."""
        return self._database.turn("written", "IMMEDIATE")

    def name_model(self, fingerprint: str, name: str) -> None:
        """Remember what a user calls the model, for `status` and for messages."""
        with self.step():
            self._database.execute(
                "INSERT INTO models VALUES (?, ?) ON CONFLICT DO UPDATE SET name = excluded.name",
                (fingerprint, name),
            )

    # -- files --------------------------------------------------------------------------------

    def contents(self, refs: Sequence[tuple[str, str]]) -> list[Known | None]:
        """Return what is known of each (locator, stamp), None where the file must be opened.

        An error is known only as long as the same decoders are installed: another Pillow may read
        what this one refuses.
        """
        sent = json.dumps([as_utf8(locator) for locator, _ in refs])
        decoders = _decoders()
        known: list[Known | None] = [None] * len(refs)
        with self._database.turn():
            for place, stamp, content, error, judged_by in self._database.execute(
                "SELECT j.key, f.stamp, f.hash, f.error, f.decoders FROM json_each(?) AS j"
                " CROSS JOIN files AS f ON f.locator = j.value",
                (sent,),
            ):
                if stamp == refs[place][1] and (error is None or judged_by == decoders):
                    known[place] = Known(content, error)
        return known

    def remember(self, rows: Sequence[tuple[str, str, Known]]) -> None:
        """Remember (locator, stamp, what was found), so that the next run needn't open the file.

        A file written less than 2 s before this store was opened, or since, isn't remembered: its
        time may be too coarse to tell a further write from the one that was read (git calls such
        an entry racily clean). It is read again next time, and its vector is found by content.
        Nor is an error without a hash: the bytes couldn't be had (no permission, a disk that is
        away), and that may end without any change to the file.
        """
        decoders = _decoders()
        trusted = [
            (as_utf8(locator), stamp, known.hash, known.error, decoders if known.error else None)
            for locator, stamp, known in rows
            if known.hash is not None and not self._racy(locator)
        ]
        if not trusted:
            return
        with self._database.turn("written", "IMMEDIATE"):
            self._database.executemany(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " stamp = excluded.stamp, hash = excluded.hash, error = excluded.error,"
                " decoders = excluded.decoders",
                trusted,
            )

    def _racy(self, locator: str) -> bool:
        try:
            # When the file is read lies between the opening of this store and now, so the
            # opening is the safe side to compare with.
            return Path(locator).stat().st_mtime > self._opened - RACY_SECONDS
        except (OSError, ValueError):
            return False  # no file of ours (a data set's row), or gone: the stamp decides

    # -- upkeep -------------------------------------------------------------------------------

    def status(self, used: Collection[str] = ()) -> StoreStatus:
        """Return what is stored, by kind and model, and what it takes on disk.

        Parameters
        ----------
        used : collection of str
            The fingerprints of models that something uses.
        """
        with self._database.turn():
            shards = tuple(
                ShardStatus(
                    kind, made_by, model or "", dim, rows, self._size(shard), made_by in used
                )
                for shard, kind, made_by, dim, rows, model in self._database.execute(
                    "SELECT id, kind, s.fingerprint, dim, rows, name FROM shards AS s"
                    " LEFT JOIN models AS m ON m.fingerprint = s.fingerprint"
                    " ORDER BY name, s.fingerprint, kind"
                )
            )
            files = self._database.execute("SELECT count(*) FROM files").fetchone()[0]
        own = (self.workspace / (DATABASE + suffix) for suffix in ("", "-wal"))
        database = sum(path.stat().st_size for path in own if path.exists())
        return StoreStatus(shards, files, sum(shard.bytes for shard in shards) + database)

    def _size(self, shard: int) -> int:
        try:
            return vector_file(self._database, shard).stat().st_size
        except OSError:
            return 0

    def prune(self, keep: Collection[str]) -> Pruned:
        """Drop all vectors of models whose fingerprint isn't in ``keep``, and files that are gone.

        What another process has mapped stays readable to it until it lets go.
        """
        before = self.status().bytes
        with self._database.turn("written", "IMMEDIATE"):
            others = "FROM shards WHERE fingerprint NOT IN (SELECT value FROM json_each(?))"
            kept = (json.dumps(list(keep)),)
            ((vectors,),) = self._database.execute(f"SELECT ifnull(sum(rows), 0) {others}", kept)
            self._database.execute(f"DELETE {others}", kept)
            for table in ("keys", "windows"):
                self._database.execute(
                    f"DELETE FROM {table} WHERE shard NOT IN (SELECT id FROM shards)"  # noqa: S608
                )
            gone = [
                (locator,)
                for (locator,) in self._database.execute("SELECT locator FROM files")
                if Path(locator).is_absolute() and not Path(locator).exists()
            ]
            self._database.executemany("DELETE FROM files WHERE locator = ?", gone)
        # Only now: a crash in between leaves a file that the next prune takes, never a hole.
        with self._database.lone("tidied up"):
            alive = {number for (number,) in self._database.execute("SELECT id FROM shards")}
            for path in (self.workspace / FOLDER).glob("*.f16"):
                if path.stem.isdigit() and int(path.stem) not in alive:
                    path.unlink(missing_ok=True)
            for shard in self._shards.values():
                if shard.fingerprint not in keep:
                    shard.unmap()
            self._database.execute("VACUUM")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Pruned(vectors, len(gone), before - self.status().bytes)


@cache
def _decoders() -> str:
    found = []
    for package in ("pillow", "pillow-heif"):
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package)}")
    return ", ".join(found)
