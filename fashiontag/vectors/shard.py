"""The vectors of one kind and model: an append-only file, and the rows that the database counts."""

from __future__ import annotations

import json
import mmap
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from fashiontag.database import as_utf8
from fashiontag.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import BufferedReader, FileIO
    from pathlib import Path

    from numpy.typing import NDArray

    from fashiontag.database import Database

    Rows = NDArray[np.int64] | Sequence[int]

Kind = Literal["image", "text", "colour"]
FOLDER = "vectors"
"""Where the vector files are in a workspace."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the database says of a vector file."""

    id: int
    dim: int
    rows: int

    @property
    def bytes(self) -> int:
        """What the rows that count take, as float16; behind them is what a killed writer left."""
        return 2 * self.rows * self.dim


class Shard:
    """The vectors of one kind and model, as `VectorStore.shard` gives them.

    It is cheap to hold, and asks the database at each call: it sees what others have added since,
    and there need not be a vector yet. Methods may be called from several threads.
    """

    def __init__(self, database: Database, kind: Kind, fingerprint: str) -> None:
        self.kind = kind
        self.fingerprint = fingerprint
        self._database = database
        self._mapping: tuple[int, mmap.mmap] | None = None  # of which entry, as it was then

    def __repr__(self) -> str:
        return f"Shard({self.kind!r}, {self.fingerprint!r})"

    def find(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each key, shape (n,), int64; -1 where there is none."""
        with self._database.turn():
            return self._rows(self._entry(), keys)

    def read(self, rows: Rows) -> NDArray[np.float16]:
        """Return a copy of the vectors at these rows, shape (n, d), float16.

        Raises
        ------
        IndexError
            If a row isn't one that `find` or `add` returned.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        with self._database.turn():
            matrix = self._mapped(at_least=int(wanted.max(initial=-1)) + 1)
            if wanted.size and (wanted.min() < 0 or wanted.max() >= len(matrix)):
                raise IndexError(
                    f"rows {wanted.min()} to {wanted.max()} were asked of {len(matrix)} stored "
                    f"{self.kind} vectors"
                )
            vectors = matrix[wanted]
            if self._mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
                # The pages stay in the system's cache, but not in our own size: else a run over
                # the whole store would seem to need all of it as memory.
                self._mapping[1].madvise(mmap.MADV_DONTNEED)
            return vectors

    @property
    def fixed(self) -> bool:
        """Whether no vector can be added: the workspace can only be read."""
        return self._database.fixed

    def padded(self, rows: NDArray[np.int64], dim: int) -> NDArray[np.float32]:
        """Return the vectors at these rows as float32 of shape (n, dim); zeros where a row is -1.

        What is read is what was rounded to float16 on the way in, also in the run that encoded
        it: a first and a repeated run decide on the same numbers.
        """
        vectors = np.zeros((len(rows), dim), np.float32)
        there = rows >= 0
        if there.any():
            vectors[there] = self.read(rows[there])
        return vectors

    def matrix(self) -> NDArray[np.float16]:
        """Return all vectors as a read-only view of the memory map, shape (rows, d), float16.

        Rows that are added later aren't in it; call again for them. Shape (0, 0) if there is no
        vector yet.
        """
        with self._database.turn():
            return self._mapped()

    def revision(self) -> int:
        """Return a number that stands for the vector file; rows keep their vectors as long as it.

        -1 if there is no such file; a file that was pruned and written again has another number.
        """
        with self._database.turn():
            return self._entry().id

    def add(
        self,
        keys: Sequence[str],
        vectors: NDArray[np.float32] | NDArray[np.float16],
        windows: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Store vectors in one step that is durable when this returns, and else didn't happen.

        A key that is present keeps its row and vector; the first of equal keys wins.

        Parameters
        ----------
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
        with self._database.turn("written", "IMMEDIATE"):
            self._database.execute(
                "INSERT INTO shards (kind, fingerprint, dim, rows) VALUES (?, ?, ?, 0)"
                " ON CONFLICT DO NOTHING",
                (self.kind, self.fingerprint, vectors.shape[1]),
            )
            entry = self._entry()
            if entry.dim != vectors.shape[1]:
                raise StoreError(
                    f"{self.kind} vectors of {vectors.shape[1]} numbers were given for model "
                    f"{self.fingerprint[:12]}, whose stored ones have {entry.dim}; give the model "
                    "its own fingerprint."
                )
            rows = self._rows(entry, keys)
            missing = np.flatnonzero(rows < 0).tolist()
            first = {keys[place]: place for place in reversed(missing)}
            new = sorted(first.values())
            if new:
                self._append(entry, np.ascontiguousarray(vectors[new], dtype="<f2"))
                row_of = {keys[place]: entry.rows + n for n, place in enumerate(new)}
                self._database.executemany(
                    "INSERT INTO keys VALUES (?, ?, ?)",
                    [(entry.id, as_utf8(key), row) for key, row in row_of.items()],
                )
                counts = [1] * len(keys) if windows is None else windows.tolist()
                self._database.executemany(
                    "INSERT INTO windows VALUES (?, ?, ?)",
                    [(entry.id, row_of[keys[n]], counts[n]) for n in new if counts[n] != 1],
                )
                self._database.execute(
                    "UPDATE shards SET rows = ? WHERE id = ?", (entry.rows + len(new), entry.id)
                )
                rows[missing] = [row_of[keys[place]] for place in missing]
        return rows

    def windows(self, rows: Rows) -> NDArray[np.int64]:
        """Return into how many windows each row's text was cut, shape (n,), int64."""
        with self._database.turn():
            long = dict(
                self._database.execute(
                    "SELECT row, windows FROM windows WHERE shard = ?", (self._entry().id,)
                )
            )
        return np.array([long.get(int(row), 1) for row in rows], dtype=np.int64)

    def unmap(self) -> None:
        """Let the vector file go; arrays that `matrix` returned stay valid."""
        self._mapping = None

    def _entry(self) -> _Entry:
        row = self._database.execute(
            "SELECT id, dim, rows FROM shards WHERE kind = ? AND fingerprint = ?",
            (self.kind, self.fingerprint),
        ).fetchone()
        return _Entry(*row or (-1, 0, 0))

    def _rows(self, entry: _Entry, keys: Sequence[str]) -> NDArray[np.int64]:
        # One statement for all keys: a statement each takes five times as long. CROSS JOIN keeps
        # SQLite from reading the whole table and looking each of its keys up in ours.
        rows = np.full(len(keys), -1, dtype=np.int64)
        for place, row in self._database.execute(
            "SELECT j.key, k.row FROM json_each(?) AS j CROSS JOIN keys AS k"
            " ON k.shard = ? AND k.key = j.value",
            (json.dumps([as_utf8(key) for key in keys]), entry.id),
        ):
            rows[place] = row
        return rows

    def _append(self, entry: _Entry, block: NDArray[np.float16]) -> None:
        path = vector_file(self._database, entry.id)
        new = not path.exists()
        path.parent.mkdir(exist_ok=True)
        path.touch(0o644)
        with path.open("r+b", buffering=0) as file:
            self._check_length(file, entry)
            file.seek(entry.bytes)
            left = block.data.cast("B")
            while left:  # a write may stop short on a disk that is nearly full
                left = left[file.write(left) :]
            os.fsync(file)  # before the commit that makes these rows count
        if new:
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _mapped(self, at_least: int | None = None) -> NDArray[np.float16]:
        """Return all rows, or those of the map there is, if they are as many as asked for."""
        entry = self._entry()
        if not entry.rows:
            return np.empty((0, 0), dtype=np.float16)
        wanted = entry.rows if at_least is None else min(at_least, entry.rows)
        mapping = self._mapping
        if mapping is None or mapping[0] != entry.id or len(mapping[1]) < 2 * wanted * entry.dim:
            with vector_file(self._database, entry.id).open("rb") as file:
                self._check_length(file, entry)
                pages = mmap.mmap(file.fileno(), entry.bytes, access=mmap.ACCESS_READ)
            mapping = self._mapping = entry.id, pages
        return np.frombuffer(mapping[1], dtype="<f2").reshape(-1, entry.dim)

    def _check_length(self, file: BufferedReader | FileIO, entry: _Entry) -> None:
        if os.fstat(file.fileno()).st_size < entry.bytes:
            raise StoreError(
                f"{file.name} is shorter than the database says; delete the workspace "
                f"{self._database.path.parent} and run again."
            )


def vector_file(database: Database, shard: int) -> Path:
    """Return where the vectors of the shard with this id lie."""
    return database.path.parent / FOLDER / f"{shard:04d}.f16"
