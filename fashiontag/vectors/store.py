"""Vectors on disk, kept by content: one append-only file per model and kind, one SQLite database.

A vector's key is the hash of what was encoded, so a picture that is moved, renamed or listed twice
is encoded once. The database alone says how many rows of a vector file count: bytes behind them
are what a killed writer left, and the next writer puts its own over them. So there is no state to
repair after ``kill -9``, and writers take turns by SQLite's lock, for milliseconds.
"""

from __future__ import annotations

import json
import mmap
import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from fashiontag.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

Kind = Literal["image", "text"]

DATABASE = "store.sqlite"
FORMAT = 1
RACY_SECONDS = 2.0
"""The coarsest file time in use, FAT's; below it a second write may leave the time as it was."""

_WIDTH = 2  # bytes of a float16
# The id names the vector file: AUTOINCREMENT, so that a pruned one never comes back. Windows are
# kept for rows of more than one: few titles are that long, pictures never.
_SCHEMA = """
CREATE TABLE shards (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, fingerprint TEXT NOT NULL,
    dim INTEGER NOT NULL, rows INTEGER NOT NULL, UNIQUE (kind, fingerprint));
CREATE TABLE keys (
    shard INTEGER NOT NULL, key TEXT NOT NULL, row INTEGER NOT NULL,
    PRIMARY KEY (shard, key)) WITHOUT ROWID;
CREATE TABLE windows (
    shard INTEGER NOT NULL, row INTEGER NOT NULL, windows INTEGER NOT NULL,
    PRIMARY KEY (shard, row)) WITHOUT ROWID;
CREATE TABLE models (fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
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
    """One vector file: what made it and what it takes on disk."""

    kind: str
    fingerprint: str
    model: str
    dim: int
    rows: int
    bytes: int


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

    def __init__(self, workspace: Path, database: sqlite3.Connection) -> None:
        self._workspace = workspace
        self._vectors = workspace / "vectors"
        self._database = database
        self._lock = threading.RLock()
        self._maps: dict[int, tuple[mmap.mmap, NDArray[np.float16]]] = {}
        self._opened = time.time()

    @classmethod
    def open(cls, workspace: Path) -> VectorStore:
        """Open the store of a workspace, creating both if need be.

        Raises
        ------
        StoreError
            If the folder can't be written, the file is no store, or a newer version made it.
        """
        try:
            (workspace / "vectors").mkdir(parents=True, exist_ok=True)
            database = _connect(workspace / DATABASE)
        except (OSError, sqlite3.Error) as error:
            way = "make it writable"
            if (
                type(error) is sqlite3.DatabaseError
            ):  # not one of its heirs: no database, or a damaged one
                way = f"delete {DATABASE} there, and pictures are encoded again"
            raise StoreError(
                f"The workspace {workspace} can't be opened for writing ({_reason(error)}); "
                f"{way}, or name another one with --workspace."
            ) from error
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version != FORMAT:
            database.close()
            raise StoreError(
                f"The workspace {workspace} has store format {version}, this fashiontag reads "
                f"{FORMAT}; update fashiontag or name another workspace with --workspace."
            )
        return cls(workspace, database)

    def close(self) -> None:
        """Release the files; arrays that `matrix` returned stay valid."""
        with self._lock:
            self._maps.clear()
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- vectors ------------------------------------------------------------------------------

    def find(self, kind: Kind, fingerprint: str, keys: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each key, shape (n,), int64; -1 where there is none."""
        with self._reading():
            shard = self._shard(kind, fingerprint)
            if shard is None:
                return np.full(len(keys), -1, dtype=np.int64)
            return self._rows(shard.id, keys)

    def read(
        self, kind: Kind, fingerprint: str, rows: NDArray[np.int64] | Sequence[int]
    ) -> NDArray[np.float16]:
        """Return a copy of the vectors at these rows, shape (n, d), float16.

        Raises
        ------
        IndexError
            If a row isn't one that `find` or `add` returned.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        with self._reading():
            matrix = self._mapped(kind, fingerprint, int(wanted.max(initial=-1)) + 1)
            if wanted.size and (wanted.min() < 0 or wanted.max() >= len(matrix)):
                raise IndexError(
                    f"rows {wanted.min()} to {wanted.max()} were asked of {len(matrix)} stored "
                    f"{kind} vectors"
                )
            vectors = matrix[wanted]
            self._let_go(kind, fingerprint)
            return vectors

    def matrix(self, kind: Kind, fingerprint: str) -> NDArray[np.float16]:
        """Return all vectors as a read-only view of the memory map, shape (rows, d), float16.

        Rows that are added later aren't in it; call again for them. Shape (0, 0) if there is no
        vector of that kind and model.
        """
        with self._reading():
            shard = self._shard(kind, fingerprint)
            return self._mapped(kind, fingerprint, shard.rows if shard else 0)

    def revision(self, kind: Kind, fingerprint: str) -> int:
        """Return a number that stands for the vector file; rows keep their vectors as long as it.

        -1 if there is no such file; a file that was pruned and written again has another number.
        """
        with self._reading():
            shard = self._shard(kind, fingerprint)
            return shard.id if shard else -1

    def add(
        self,
        kind: Kind,
        fingerprint: str,
        keys: Sequence[str],
        vectors: NDArray[np.float32] | NDArray[np.float16],
        windows: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Store vectors in one step that is durable when this returns, and else didn't happen.

        A key that is present keeps its row and vector; the first of equal keys wins.

        Parameters
        ----------
        kind, fingerprint
            Which vectors these are, and which model made them.
        keys : sequence of n str
            What identifies each content.
        vectors : ndarray of shape (n, d)
            Kept as float16.
        windows : ndarray of shape (n,), int64, optional
            As `EncodedTexts.windows`; 1 each if left out.

        Returns
        -------
        ndarray of shape (n,), int64
            The row of each key.

        Raises
        ------
        StoreError
            If the disk is full or not writable, or d isn't that of the vectors already there.
        """
        if vectors.ndim != 2 or len(vectors) != len(keys):
            raise ValueError(
                f"vectors of shape {vectors.shape} were given for {len(keys)} keys; "
                "one row per key is wanted"
            )
        if not len(keys):
            return np.empty(0, dtype=np.int64)
        dim = vectors.shape[1]
        with self._writing():
            shard = self._shard(kind, fingerprint)
            if shard is None:
                cursor = self._database.execute(
                    "INSERT INTO shards (kind, fingerprint, dim, rows) VALUES (?, ?, ?, 0)",
                    (kind, fingerprint, dim),
                )
                shard = _Shard(int(cursor.lastrowid or 0), dim, 0)
            if shard.dim != dim:
                raise StoreError(
                    f"{kind} vectors of {dim} numbers were given for model {fingerprint[:12]}, "
                    f"whose stored ones have {shard.dim}; give the model its own fingerprint."
                )
            rows = self._rows(shard.id, keys)
            first = {keys[i]: i for i in np.flatnonzero(rows < 0)[::-1].tolist()}
            new = sorted(first.values())
            if new:
                block = np.ascontiguousarray(vectors[new], dtype="<f2")
                self._append(shard, block)
                numbered = [(shard.id, _text(keys[i]), shard.rows + k) for k, i in enumerate(new)]
                self._database.executemany("INSERT INTO keys VALUES (?, ?, ?)", numbered)
                if windows is not None:
                    self._database.executemany(
                        "INSERT INTO windows VALUES (?, ?, ?)",
                        [
                            (shard.id, shard.rows + k, int(windows[i]))
                            for k, i in enumerate(new)
                            if windows[i] != 1
                        ],
                    )
                self._database.execute(
                    "UPDATE shards SET rows = ? WHERE id = ?", (shard.rows + len(new), shard.id)
                )
                given = {keys[i]: shard.rows + k for k, i in enumerate(new)}
                for i in np.flatnonzero(rows < 0).tolist():
                    rows[i] = given[keys[i]]
        return rows

    def windows(
        self, kind: Kind, fingerprint: str, rows: NDArray[np.int64] | Sequence[int]
    ) -> NDArray[np.int64]:
        """Return into how many windows each row's text was cut, shape (n,), int64."""
        wanted = np.asarray(rows, dtype=np.int64)
        counts = np.ones(len(wanted), dtype=np.int64)
        with self._reading():
            shard = self._shard(kind, fingerprint)
            if shard is not None:
                long = dict(
                    self._database.execute(
                        "SELECT row, windows FROM windows WHERE shard = ?", (shard.id,)
                    )
                )
                if long:
                    counts[:] = [long.get(row, 1) for row in wanted.tolist()]
        return counts

    def name_model(self, fingerprint: str, name: str) -> None:
        """Remember what a user calls the model, for `status` and for messages."""
        with self._writing():
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
        sent = json.dumps([_text(locator) for locator, _ in refs])
        decoders = _decoders()
        known: list[Known | None] = [None] * len(refs)
        with self._reading():
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
            (_text(locator), stamp, known.hash, known.error, decoders if known.error else None)
            for locator, stamp, known in rows
            if known.hash is not None and not self._racy(locator)
        ]
        if not trusted:
            return
        with self._writing():
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

    def status(self) -> StoreStatus:
        """Return what is stored, by kind and model, and what it takes on disk."""
        with self._reading():
            shards = tuple(
                ShardStatus(kind, fingerprint, model or "", dim, rows, self._size(shard))
                for shard, kind, fingerprint, dim, rows, model in self._database.execute(
                    "SELECT id, kind, s.fingerprint, dim, rows, name FROM shards AS s"
                    " LEFT JOIN models AS m ON m.fingerprint = s.fingerprint"
                    " ORDER BY name, s.fingerprint, kind"
                )
            )
            files = self._database.execute("SELECT count(*) FROM files").fetchone()[0]
        own = (self._workspace / (DATABASE + suffix) for suffix in ("", "-wal"))
        database = sum(path.stat().st_size for path in own if path.exists())
        return StoreStatus(shards, files, sum(shard.bytes for shard in shards) + database)

    def prune(self, keep: Collection[str]) -> Pruned:
        """Drop all vectors of models whose fingerprint isn't in ``keep``, and files that are gone.

        What another process has mapped stays readable to it until it lets go.
        """
        before = self.status().bytes
        with self._writing():
            dropped = [
                (shard, rows)
                for shard, fingerprint, rows in self._database.execute(
                    "SELECT id, fingerprint, rows FROM shards"
                )
                if fingerprint not in keep
            ]
            for shard, _ in dropped:
                for table, column in (("keys", "shard"), ("windows", "shard"), ("shards", "id")):
                    self._database.execute(f"DELETE FROM {table} WHERE {column} = ?", (shard,))  # noqa: S608
            gone = [
                (locator,)
                for (locator,) in self._database.execute("SELECT locator FROM files")
                if Path(locator).is_absolute() and not Path(locator).exists()
            ]
            self._database.executemany("DELETE FROM files WHERE locator = ?", gone)
        # Only now: a crash in between leaves a file that the next prune takes, never a hole.
        with self._lock, self._saying("tidied up"):
            alive = {shard for (shard,) in self._database.execute("SELECT id FROM shards")}
            for path in self._vectors.glob("*.f16"):
                if path.stem.isdigit() and int(path.stem) not in alive:
                    self._maps.pop(int(path.stem), None)
                    path.unlink(missing_ok=True)
            self._database.execute("VACUUM")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        vectors = sum(rows for _, rows in dropped)
        return Pruned(vectors, len(gone), before - self.status().bytes)

    # -- inside -------------------------------------------------------------------------------

    def _shard(self, kind: str, fingerprint: str) -> _Shard | None:
        row = self._database.execute(
            "SELECT id, dim, rows FROM shards WHERE kind = ? AND fingerprint = ?",
            (kind, fingerprint),
        ).fetchone()
        return _Shard(*row) if row else None

    def _rows(self, shard: int, keys: Sequence[str]) -> NDArray[np.int64]:
        # One statement for all keys: a statement each takes five times as long. CROSS JOIN keeps
        # SQLite from reading the whole table and looking each of its keys up in ours.
        rows = np.full(len(keys), -1, dtype=np.int64)
        for place, row in self._database.execute(
            "SELECT j.key, k.row FROM json_each(?) AS j CROSS JOIN keys AS k"
            " ON k.shard = ? AND k.key = j.value",
            (json.dumps([_text(key) for key in keys]), shard),
        ):
            rows[place] = row
        return rows

    def _path(self, shard: int) -> Path:
        return self._vectors / f"{shard:04d}.f16"

    def _size(self, shard: int) -> int:
        try:
            return self._path(shard).stat().st_size
        except OSError:
            return 0

    def _append(self, shard: _Shard, block: NDArray[np.float16]) -> None:
        path = self._path(shard.id)
        new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            at = shard.rows * shard.dim * _WIDTH
            if os.fstat(descriptor).st_size < at:
                raise StoreError(
                    f"{path} is shorter than the database says; delete the workspace "
                    f"{self._workspace} and run again."
                )
            left = block.data.cast("B")
            while left:  # a write may stop short on a disk that is nearly full
                done = os.pwrite(descriptor, left, at)
                left, at = left[done:], at + done
            os.fsync(descriptor)  # before the commit that makes these rows count
        finally:
            os.close(descriptor)
        if new:
            folder = os.open(self._vectors, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _mapped(self, kind: str, fingerprint: str, rows: int) -> NDArray[np.float16]:
        """Return the map of a shard, made anew where the one there is has fewer than ``rows``."""
        shard = self._shard(kind, fingerprint)
        if shard is None or shard.rows == 0:
            return np.empty((0, 0), dtype=np.float16)
        mapped = self._maps.get(shard.id)
        if mapped is None or len(mapped[1]) < min(rows, shard.rows):
            length = shard.rows * shard.dim * _WIDTH
            path = self._path(shard.id)
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < length:
                    raise StoreError(
                        f"{path} is shorter than the database says; delete the workspace "
                        f"{self._workspace} and run again."
                    )
                view = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ)
            array = np.frombuffer(view, dtype="<f2").reshape(shard.rows, shard.dim)
            mapped = self._maps[shard.id] = (view, array)
        return mapped[1]

    def _let_go(self, kind: str, fingerprint: str) -> None:
        """Give the mapped pages back: they stay in the system's cache, but not in our own size.

        Else a run over the whole store would seem to need all of it as memory.
        """
        shard = self._shard(kind, fingerprint)
        if shard is not None and shard.id in self._maps and hasattr(mmap, "MADV_DONTNEED"):
            self._maps[shard.id][0].madvise(mmap.MADV_DONTNEED)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, self._saying("read"):
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, self._saying("written"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has rolled back already on a full disk
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _saying(self, done: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The workspace {self._workspace} can't be {done} ({_reason(error)}); make room "
                "or name another one with --workspace, what is stored stays."
            ) from error


@dataclass(frozen=True, slots=True)
class _Shard:
    id: int
    dim: int
    rows: int


def _connect(path: Path) -> sqlite3.Connection:
    # Another process may hold the lock for as long as its disk takes; 60 s is a broken disk.
    database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    try:
        _into_wal(database)
        # FULL: what `add` has acknowledged outlives a power cut too. NORMAL would save one fsync
        # of a few milliseconds per batch, against seconds of encoding.
        database.execute("PRAGMA synchronous = FULL")
        if database.execute("PRAGMA user_version").fetchone()[0] == 0:
            database.execute("BEGIN IMMEDIATE")
            if database.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {FORMAT}")
            database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


def _into_wal(database: sqlite3.Connection) -> None:
    """Let readers go on while one writes; where the file system can't, SQLite stays as it is."""
    for _ in range(200):
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # The switch doesn't wait its turn as other statements do: two runs that create one
            # workspace at the same moment meet here.
            if "locked" not in str(error):
                raise
            time.sleep(0.02)
        else:
            return
    database.execute("PRAGMA journal_mode = WAL")


@cache
def _decoders() -> str:
    found = []
    for package in ("pillow", "pillow-heif"):
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package)}")
    return ", ".join(found)


def _text(text: str) -> str:
    """Make a file name that isn't valid UTF-8 (a lone surrogate) one that SQLite takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _reason(error: OSError | sqlite3.Error) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
