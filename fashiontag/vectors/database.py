"""The store's SQLite database: its tables, its turns between writers, and what its errors say."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from fashiontag.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

DATABASE = "store.sqlite"
FORMAT = 1

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


class Database:
    """A workspace's database, which threads and processes use in turns.

    Statements belong inside `reading` or `writing`, which hold the thread lock and turn what the
    system says into `StoreError`.
    """

    def __init__(self, workspace: Path, connection: sqlite3.Connection) -> None:
        self.workspace = workspace
        self.folder = workspace / "vectors"
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, workspace: Path) -> Database:
        """Open a workspace's database; as `VectorStore.open`."""
        try:
            (workspace / "vectors").mkdir(parents=True, exist_ok=True)
            connection = _connect(workspace / DATABASE)
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
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != FORMAT:
            connection.close()
            raise StoreError(
                f"The workspace {workspace} has store format {version}, this fashiontag reads "
                f"{FORMAT}; update fashiontag or name another workspace with --workspace."
            )
        return cls(workspace, connection)

    def close(self) -> None:
        """Close the connection, when no other thread uses it."""
        with self._lock:
            self._connection.close()

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(statement, values)

    def executemany(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run one statement for each row of values."""
        self._connection.executemany(statement, rows)

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
        with self.turn("written"):
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has rolled back already on a full disk
                    self.execute("ROLLBACK")
                raise

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


def as_utf8(text: str) -> str:
    """Make a file name that isn't valid UTF-8 (a lone surrogate) one that SQLite takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


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


def _reason(error: OSError | sqlite3.Error) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
