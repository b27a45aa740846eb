"""FAISS, where comparing every vector takes too long: it proposes rows, `nearest` compares them.

What FAISS knows of one kind of vectors lies in a folder of its own: an inverted file (lists of
8-bit codes, read through the memory map), the rows in it, and a manifest that names them and says
what recall was measured. Files are never changed once written, and a new manifest is renamed over
the old one, so a reader sees one state or the next; what a killed writer left is swept by the
next. Rows that came after are compared exactly; rows that no item uses any more are passed over:
adding and deleting need nothing from here to be true at once.

Adding 1 % to a million vectors of 256 numbers reads, extends and writes the file in 1.3 s on two
busy cores, of 512 numbers in 2.1 s.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from fashiontag.errors import StoreError
from fashiontag.index.nearest import FETCHED, centred

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Did = Literal["", "added", "built"]
    Rows = NDArray[np.int64]
    Floats = NDArray[np.float32]

MANIFEST = "manifest.json"
FORMAT = 2
WORTH = 2**26
"""Numbers (rows times length) from which FAISS is worth it: comparing them takes 0.2 s, as long as
its import."""

TAIL = 4096
"""Rows up to which those that came after are left out of the file: they are compared in 5 ms."""

WANTED_RECALL = 0.97
"""Of the ten nearest, what `InvertedFile.search` must find with the queries it is tuned on."""

_SAMPLE = 40  # training vectors per list; FAISS warns below 39
_CHUNK = 2**16  # rows centred at once: 134 MB at 512 numbers


@dataclass(frozen=True, slots=True)
class Manifest:
    """What made an inverted file, and how well it answers.

    Attributes
    ----------
    made_of : str
        Digest of what must not change: the store's file, the length of a vector, the mean.
    lists, probes : int
        Inverted lists, and how many of them a search opens.
    built_for, trained_on, queries : int
        Rows when the lists were learnt, how many of them were looked at, and the queries that
        recall was measured with.
    recall : float
        Recall@10 against comparing everything, measured when the lists were learnt.
    faiss : str
        The version that wrote it.
    file : str
        The inverted file; its rows are in the file of this name with ``.npy`` after it.
    rows : int
        How many there are.
    format : int
    """

    made_of: str
    lists: int
    probes: int
    built_for: int
    trained_on: int
    queries: int
    recall: float
    faiss: str
    file: str
    rows: int
    format: int = FORMAT

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read a folder's manifest; None where there is none that this version understands."""
        try:
            manifest = cls(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return manifest if manifest.format == FORMAT else None


class InvertedFile:
    """What FAISS knows of one kind of vectors, opened for the rows that items have now.

    Attributes
    ----------
    manifest : Manifest
    path : Path
    rows : ndarray of int64
        Those in the file.
    tail : ndarray of int64
        Those that came after.
    """

    def __init__(self, folder: Path, manifest: Manifest, rows: Rows) -> None:
        self.manifest = manifest
        self.path = folder / manifest.file
        self.rows: Rows = np.load(folder / (manifest.file + ".npy"))
        size = max(int(rows.max(initial=-1)), int(self.rows.max(initial=-1))) + 1
        self._wanted = np.zeros(size, dtype=np.bool_)
        self._wanted[rows[rows >= 0]] = True
        self._dead = not self._wanted[self.rows].all()
        tail = self._wanted.copy()
        tail[self.rows] = False
        self.tail: Rows = np.flatnonzero(tail)

    @classmethod
    def open(cls, folder: Path, made_of: str, rows: Rows) -> Self | None:
        """Open a folder, None where it holds nothing or was made of something else.

        Parameters
        ----------
        folder : Path
        made_of : str
            From `made_of`.
        rows : ndarray of shape (n,), int64
            The rows that items have; -1 for none.
        """
        for _ in range(3):
            manifest = Manifest.read(folder)
            if manifest is None or manifest.made_of != made_of:
                return None
            # A writer may have swept the files since the manifest was read.
            with suppress(FileNotFoundError):
                return cls(folder, manifest, rows)
        return None

    def outgrown(self, wanted: int) -> bool:
        """Whether the lists were made for half as many rows, or hold mostly dead ones."""
        alive = wanted - len(self.tail)
        return wanted > 2 * self.manifest.built_for or 2 * alive < self.manifest.rows

    def search(
        self,
        query: Floats,
        count: int,
        *,
        among: Rows | None = None,
        probes: int | None = None,
    ) -> Rows:
        """Return about ``count`` rows that are near a query, and all rows that came after.

        Parameters
        ----------
        query : ndarray of shape (d,), float32
            Of unit length, centred.
        count : int
        among : ndarray of int64, optional
            The only rows wanted.
        probes : int, optional
            Instead of the manifest's.
        """
        import faiss

        faiss.omp_set_num_threads(1)  # one query is done before a second thread is awake
        wanted, tail = self._wanted, self.tail
        if among is not None:
            wanted = np.zeros_like(self._wanted)
            wanted[among] = True
            tail = tail[wanted[tail]]
        given: dict[str, Any] = {"nprobe": probes or self.manifest.probes}
        if self._dead or among is not None:
            chosen: Any = faiss.IDSelectorBitmap  # its types hide that it takes an array
            given["sel"] = chosen(np.packbits(wanted, bitorder="little"))
        how = faiss.SearchParametersIVF(**given)
        try:
            _, found = self._mapped.search(query[None], count, params=how)
        except RuntimeError:  # a writer swept the file since it was named: everything is compared
            return np.flatnonzero(wanted)
        return np.concatenate([found[0][found[0] >= 0], tail])

    @cached_property
    def _mapped(self) -> Any:  # noqa: ANN401 (FAISS has no types)
        import faiss

        return faiss.read_index(str(self.path), faiss.IO_FLAG_MMAP)


def made_of(revision: int, dim: int, mean: Floats | None) -> str:
    """Return a digest of what the lists are bound to: the store's file and the mean taken off."""
    digest = hashlib.blake2b(f"{revision} {dim} ".encode(), digest_size=12)
    digest.update(b"" if mean is None else np.ascontiguousarray(mean, "<f4").tobytes())
    return digest.hexdigest()


def refresh(
    folder: Path,
    bound_to: str,
    matrix: NDArray[np.float16],
    mean: Floats | None,
    rows: Rows,
    queries: Floats,
    *,
    worth: int = WORTH,
    tail: int = TAIL,
) -> Did:
    """Make a folder's file cover the rows that items have; only one process does it at a time.

    Few new rows: nothing. More: they are added. Twice as many rows as the lists were made for, or
    mostly dead ones: all anew.

    Parameters
    ----------
    folder : Path
    bound_to : str
        From `made_of`.
    matrix : ndarray of shape (m, d), float16
        The store's vectors.
    mean : ndarray of shape (d,), float32, or None
        As in `Part`.
    rows : ndarray of shape (n,), int64
        The rows that items have; -1 for none.
    queries : ndarray of shape (q, d), float32
        Of unit length, centred: what recall is measured with.
    worth, tail : int
        See `WORTH` and `TAIL`.

    Returns
    -------
    {"", "added", "built"}
        What was done.

    Raises
    ------
    StoreError
        If the disk is full or not writable.
    """
    held = np.zeros(rows.max(initial=-1) + 1, dtype=np.bool_)
    held[rows[rows >= 0]] = True
    wanted = np.flatnonzero(held)  # sorting a million takes a tenth of what adding 1 % does
    if not len(wanted) or len(wanted) * matrix.shape[1] < worth:
        return ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder) as first:
            if not first:
                return ""
            work = _Work(folder, bound_to, matrix, mean, wanted, queries)
            opened = InvertedFile.open(folder, bound_to, wanted)
            did: Did = "built"
            if opened is None or opened.outgrown(len(wanted)):
                manifest = work.build()
            elif len(opened.tail) > tail:
                did, manifest = "added", work.extend(opened)
            else:
                return ""
            text = json.dumps(asdict(manifest), indent=1)
            _write(folder / MANIFEST, lambda part: part.write_text(text, encoding="utf-8"))
            _sweep(folder, manifest)
    except OSError as error:
        raise StoreError(
            f"The neighbours in {folder} can't be written ({error}); make room, searches compare "
            "everything meanwhile."
        ) from error
    return did


@dataclass(frozen=True, slots=True)
class _Work:
    """What a refresh works on; parameters as there."""

    folder: Path
    bound_to: str
    matrix: NDArray[np.float16]
    mean: Floats | None
    wanted: Rows
    queries: Floats

    def build(self) -> Manifest:
        import faiss

        faiss.omp_set_num_threads(os.cpu_count() or 1)
        dim = self.matrix.shape[1]
        # 2 √n lists: choosing among them then costs about what reading the chosen ones does.
        lists = min(len(self.wanted), 2 * math.isqrt(len(self.wanted)))
        random = np.random.default_rng(0)
        some = min(len(self.wanted), _SAMPLE * lists)
        sample = self.wanted[np.sort(random.choice(len(self.wanted), some, replace=False))]
        index: Any = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dim), dim, lists,
            faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT,
        )  # fmt: skip
        index.cp.niter = 8
        index.cp.min_points_per_centroid = 1
        if getattr(faiss, "get_num_gpus", int)():
            index.clustering_index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(dim))
        index.train(centred(self.matrix[sample], self.mean))
        del sample
        index.clustering_index = None
        manifest = Manifest(
            made_of=self.bound_to, lists=lists, probes=lists, built_for=len(self.wanted),
            trained_on=some, queries=len(self.queries), recall=1.0, faiss=faiss.__version__,
            file=self._written(index, self.wanted, self.wanted), rows=len(self.wanted),
        )  # fmt: skip
        return self._tuned(manifest)

    def extend(self, opened: InvertedFile) -> Manifest:
        import faiss

        faiss.omp_set_num_threads(os.cpu_count() or 1)
        rows = np.concatenate([opened.rows, opened.tail])
        file = self._written(faiss.read_index(str(opened.path)), opened.tail, rows)
        return replace(opened.manifest, file=file, rows=len(rows))

    def _written(self, index: Any, new: Rows, rows: Rows) -> str:  # noqa: ANN401
        """Add new rows to the index and write it and all its rows; return the file's name."""
        import faiss

        for start in range(0, len(new), _CHUNK):
            some = new[start : start + _CHUNK]
            index.add_with_ids(centred(self.matrix[some], self.mean), some)
        name = secrets.token_hex(8) + ".faiss"
        _write(self.folder / (name + ".npy"), lambda part: np.save(part, rows))
        _write(self.folder / name, lambda part: faiss.write_index(index, str(part)))
        return name

    def _tuned(self, manifest: Manifest) -> Manifest:
        """Choose the fewest lists to open that give the recall wanted, and say what it is."""
        if not len(self.queries):
            return manifest
        kept = min(10, len(self.wanted))
        best = np.full((len(self.queries), kept), -np.inf, dtype=np.float32)
        for start in range(0, len(self.wanted), _CHUNK):
            block = centred(self.matrix[self.wanted[start : start + _CHUNK]], self.mean)
            both = np.concatenate([best, self.queries @ block.T], axis=1)
            best = -np.partition(-both, kept - 1, axis=1)[:, :kept]
        worst = best.min(axis=1)
        opened = InvertedFile(self.folder, manifest, self.wanted)
        for probes in [2**power for power in range(2, 20)]:
            manifest = replace(manifest, probes=min(probes, manifest.lists))
            hits = 0
            for query, bar in zip(self.queries, worst, strict=True):
                rows = opened.search(query, FETCHED, probes=manifest.probes)
                scores = centred(self.matrix[rows], self.mean) @ query
                hits += min(int((scores >= bar - 1e-5).sum()), kept)
            manifest = replace(manifest, recall=round(hits / best.size, 4))
            if manifest.recall >= WANTED_RECALL or probes >= manifest.lists:
                break
        return manifest


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Say whether no other process is refreshing; the lock goes with the process that holds it."""
    with (folder / "lock").open("a") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows: names are random, so the last manifest wins
            yield True
        except BlockingIOError:
            yield False
        else:
            yield True


def _write(path: Path, save: Callable[[Path], object]) -> None:
    part = path.with_name("part-" + path.name)  # numpy adds .npy to a name that ends otherwise
    save(part)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _sweep(folder: Path, manifest: Manifest) -> None:
    """Delete what the manifest doesn't name; who has it mapped can read on."""
    named = {MANIFEST, "lock", manifest.file, manifest.file + ".npy"}
    for path in folder.iterdir():
        if path.name not in named:
            path.unlink(missing_ok=True)


def engine() -> dict[str, str]:
    """Return FAISS's version, what it runs on and how it was compiled; imports faiss."""
    import faiss

    cards = int(getattr(faiss, "get_num_gpus", int)())  # a wheel without GPUs may lack the function
    return {
        "version": str(faiss.__version__),
        "active": f"{cards} GPUs" if cards > 1 else "1 GPU" if cards else "CPU",
        "compiled for": str(faiss.get_compile_options()).strip(),
    }
