"""The SQLite files of a workspace: their formats, turns between writers, what errors say."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from fashiontag.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 60
"""Seconds that a writer waits for another, as long as its disk takes; more is a broken disk."""


class Database(sqlite3.Connection):
    """One file, which threads and processes use in turns; created if need be, with its folder.

    Statements belong inside `turn`, which holds the thread lock and turns what the system says
    into `StoreError`.

    Parameters
    ----------
    path : Path
    schema : str
        Statements that make the tables, and leave alone what is there.
    form : int
        The format of these tables, from 1.
    subject, remedy : str
        What errors call the file, and what to do with one that can't be used.
    wal : bool
        Whether readers go on while one writes.

    Attributes
    ----------
    fixed : bool
        Whether its folder can only be read.

    Raises
    ------
    StoreError
        If the folder can't be written, the file is no database, or another version made it.
    """

    def __init__(
        self, path: Path, schema: str, form: int, *, subject: str, remedy: str, wal: bool = False
    ) -> None:
        self.path = path
        self.fixed = path.is_file() and not os.access(path.parent, os.W_OK)
        self._subject = subject
        self._remedy = remedy
        self._lock = threading.RLock()
        # What can't be written is still read; on a mount for reading nobody else writes either.
        fixed = self.fixed
        name = f"{path.absolute().as_uri()}?mode=ro" if fixed else str(path)
        if fixed and os.statvfs(path).f_flag & os.ST_RDONLY:
            name += "&immutable=1"
        with self._errors("opened for writing"):
            if not fixed:
                path.parent.mkdir(parents=True, exist_ok=True)
            super().__init__(
                name, PATIENCE, isolation_level=None, check_same_thread=False, uri=fixed
            )
            if wal and not fixed:
                self._into_wal()
                # FULL: what a writer was told is done outlives a power cut too. NORMAL would save
                # one fsync of a few milliseconds per batch, against seconds of encoding.
                self.execute("PRAGMA synchronous = FULL")
            if self._form() == 0:
                self.executescript(f"BEGIN IMMEDIATE;{schema};PRAGMA user_version = {form};COMMIT")
            found = self._form()
        if found != form:
            self.close()
            way = self._remedy if found < form else "update fashiontag"
            raise StoreError(
                f"{subject} has format {found}, this fashiontag reads {form}; {way} or name another"
                " workspace with --workspace."
            )

    def close(self) -> None:
        """Close the connection, when no other thread uses it."""
        with self._lock:
            super().close()

    @contextmanager
    def turn(
        self, done: str = "read", begin: Literal["DEFERRED", "IMMEDIATE"] = "DEFERRED"
    ) -> Iterator[None]:
        """Make statements one transaction: of one state, and counting at the end or not at all.

        A turn within a turn of the same thread is a part of it.

        Parameters
        ----------
        done : str
            What the file can't be if there is an error.
        begin : {"DEFERRED", "IMMEDIATE"}
            The latter holds SQLite's write lock from the start.
        """
        with self.lone(done):
            if self.in_transaction:
                yield
                return
            with self:  # which commits, or rolls back
                self.execute(f"BEGIN {begin}")
                yield

    @contextmanager
    def lone(self, done: str) -> Iterator[None]:
        """Hold the thread lock alone, for statements that stand in no transaction."""
        with self._lock, self._errors(done):
            yield

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            # Not one of its heirs: then it is no database, or a damaged one.
            damaged = type(error) is sqlite3.DatabaseError
            way = self._remedy if damaged else "make room there and let it be written"
            raise StoreError(
                f"{self._subject} can't be {done} ({reason}); {way}, or name another one with"
                " --workspace: what is stored stays."
            ) from error

    def _form(self) -> int:
        return int(self.execute("PRAGMA user_version").fetchone()[0])

    def _into_wal(self) -> None:
        """Write ahead; SQLite stays as it is where the disk can't."""
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
    """Make a text that isn't valid Unicode (a lone surrogate of a file name) one SQLite takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
