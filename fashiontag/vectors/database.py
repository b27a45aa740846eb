"""The store's SQLite database: its tables, its turns between writers, and what its errors say."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fashiontag.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATABASE = "store.sqlite"
FORMAT = 1

# The id names the vector file: AUTOINCREMENT, so that a pruned one never comes back. Windows are
# kept for rows of more than one: few titles are that long, pictures never.
_SCHEMA = f"""
BEGIN IMMEDIATE;
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
    ) WITHOUT ROWID;
PRAGMA user_version = {FORMAT};
COMMIT
"""


class Database(sqlite3.Connection):
    """A workspace's database, which threads and processes use in turns.

    Statements belong inside `reading` or `writing`, which hold the thread lock and turn what the
    system says into `StoreError`.
    """

    def __init__(self, workspace: Path) -> None:
        # Another process may hold the lock for as long as its disk takes; 60 s is a broken disk.
        super().__init__(
            workspace / DATABASE, timeout=60, isolation_level=None, check_same_thread=False
        )
        self.workspace = workspace
        self.folder = workspace / "vectors"
        self._lock = threading.RLock()
        try:
            self._into_wal()
            # FULL: what `add` has acknowledged outlives a power cut too. NORMAL would save one
            # fsync of a few milliseconds per batch, against seconds of encoding.
            self.execute("PRAGMA synchronous = FULL")
            if self.version() == 0:
                self.executescript(_SCHEMA)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, workspace: Path) -> Database:
        """Open a workspace's database; as `VectorStore.open`."""
        try:
            (workspace / "vectors").mkdir(parents=True, exist_ok=True)
            database = cls(workspace)
        except (OSError, sqlite3.Error) as error:
            way = "make it writable"
            # Not one of its heirs: then it is no database, or a damaged one.
            if type(error) is sqlite3.DatabaseError:
                way = f"delete {DATABASE} there, and pictures are encoded again"
            raise StoreError(
                f"The workspace {workspace} can't be opened for writing ({_reason(error)}); "
                f"{way}, or name another one with --workspace."
            ) from error
        version = database.version()
        if version != FORMAT:
            database.close()
            raise StoreError(
                f"The workspace {workspace} has store format {version}, this fashiontag reads "
                f"{FORMAT}; update fashiontag or name another workspace with --workspace."
            )
        return database

    def version(self) -> int:
        """Return the format that the tables have; 0 where there are none yet."""
        return int(self.execute("PRAGMA user_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection, when no other thread uses it."""
        with self._lock:
            super().close()

    def vector_file(self, shard: int) -> Path:
        """Return where the vectors of the shard with this id lie."""
        return self.folder / f"{shard:04d}.f16"

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the thread lock while something is read."""
        with self.turn("read"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold SQLite's write lock too; what is written counts at the end, or not at all."""
        with self.turn("written"), self:  # which commits, or rolls back
            self.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def turn(self, done: str) -> Iterator[None]:
        """Hold the thread lock; an error says that the workspace can't be ``done``."""
        with self._lock:
            try:
                yield
            except StoreError:
                raise
            except (OSError, sqlite3.Error) as error:
                raise StoreError(
                    f"The workspace {self.workspace} can't be {done} ({_reason(error)}); make room"
                    " or name another one with --workspace, what is stored stays."
                ) from error

    def _into_wal(self) -> None:
        """Let readers go on while one writes; SQLite stays as it is where the disk can't."""
        for attempts_left in range(200, -1, -1):
            try:
                self.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                # The switch doesn't wait its turn as other statements do: two runs that create one
                # workspace at the same moment meet here.
                if not attempts_left or "locked" not in str(error):
                    raise
                time.sleep(0.02)
            else:
                return


def as_utf8(text: str) -> str:
    """Make a file name that isn't valid UTF-8 (a lone surrogate) one that SQLite takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _reason(error: OSError | sqlite3.Error) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
