"""The items that can be searched, and per tag and field value the items that have it, in SQLite."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import threading
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from fashiontag.errors import StoreError
from fashiontag.index.words import Titles
from fashiontag.words import split, style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Finder = Callable[[Literal["image", "text"], Sequence[str]], NDArray[np.int64]]

Operator = Literal["=", "<", "<=", ">", ">="]

DATABASE = "index.sqlite"
FORMAT = 4
PATIENCE = 60
"""Seconds that a writer waits for another."""

FIELD = "table."
"""What stands before a field's name where columns are named; tag groups stand alone."""

_SCHEMA = """
CREATE TABLE sources (
    source INTEGER PRIMARY KEY AUTOINCREMENT, root TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL,
    model TEXT NOT NULL, labels TEXT NOT NULL, updated REAL NOT NULL);
CREATE TABLE items (
    number INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL, id TEXT NOT NULL,
    path TEXT NOT NULL, title TEXT NOT NULL, tags TEXT NOT NULL, fields TEXT NOT NULL,
    image_key TEXT, text_key TEXT, family INTEGER NOT NULL, UNIQUE (source, id));
CREATE TABLE vals (
    val INTEGER PRIMARY KEY, name TEXT NOT NULL, value TEXT NOT NULL, numeric REAL,
    UNIQUE (name, value));
CREATE TABLE facets (
    val INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (val, number)) WITHOUT ROWID;
CREATE TABLE state (generation INTEGER NOT NULL);
INSERT INTO state VALUES (0);
CREATE TABLE vocabulary (word INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE words (number INTEGER PRIMARY KEY, said BLOB NOT NULL);
CREATE TABLE kept (name TEXT PRIMARY KEY, generation INTEGER NOT NULL, data BLOB NOT NULL)
"""  # kept has row ids: in a table without, looking for a name reads whole blobs on the way
_STAGED = """
CREATE TEMP TABLE staged (
    id TEXT PRIMARY KEY, path TEXT, title TEXT, tags TEXT, fields TEXT, image_key TEXT,
    text_key TEXT, family INTEGER, words TEXT) WITHOUT ROWID
"""
_STAGE = 1000  # entries per statement while staging


@dataclass(frozen=True, slots=True)
class Entry:
    """One item as a source has it now.

    Attributes
    ----------
    id, path, title : str
        As in `Item`.
    text : str
        The title without markup.
    tags : tuple of str or None
        ``group=label`` each; None where nobody judged: what is known stays as long as picture and
        title are the same.
    fields : Mapping of str to str
    image_key, text_key : str or None
        Where the vectors are in the store; None where there is none.
    """

    id: str
    path: str
    title: str
    text: str
    tags: tuple[str, ...] | None
    fields: Mapping[str, str]
    image_key: str | None
    text_key: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What `Index.replace_source` did, in items."""

    new: int
    changed: int
    renamed: int
    gone: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One indexed source; ``updated`` is seconds since 1970."""

    root: str
    items: int
    model: str
    fingerprint: str
    labels: str
    updated: float


@dataclass(frozen=True, slots=True)
class KnownTitle:
    """What the index knows an item's seller to have written."""

    title: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class IndexedItem:
    """One item as the output shows it, and the index's own name of it."""

    number: int
    id: str
    path: str
    title: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """The searchable items of one model, as five columns of length n, int64.

    Attributes
    ----------
    numbers : ndarray
        The index's own names of items, ascending.
    families, pictures : ndarray
        Equal where items show one product in several colours, or the very same picture.
    images, texts : ndarray
        Rows of the vectors in the store, -1 where there is none.
    kin : ndarray of shape (2, n), int64, optional
        ``argsort`` of families and of pictures, for finding what folds without looking at all.
    """

    numbers: NDArray[np.int64]
    families: NDArray[np.int64]
    pictures: NDArray[np.int64]
    images: NDArray[np.int64]
    texts: NDArray[np.int64]
    kin: NDArray[np.int64] | None = None

    def orders(self) -> NDArray[np.int64]:
        """Return argsort of families, pictures, images and texts, shape (4, n), int64."""
        columns = (self.families, self.pictures, self.images, self.texts)
        return np.stack([np.argsort(column, kind="stable") for column in columns])


class Index:
    """The items of a workspace. Open with `Index.open`; usable as a context manager."""

    def __init__(self, workspace: Path, database: sqlite3.Connection) -> None:
        self._workspace = workspace
        self._database = database
        self._lock = threading.RLock()
        self._columns: tuple[int, dict[str, _Column]] = (-1, {})

    @classmethod
    def open(cls, workspace: Path) -> Index:
        """Open the index of a workspace, creating both if need be.

        Raises
        ------
        StoreError
            If the folder can't be written, the file is no index, or a newer version made it.
        """
        try:
            workspace.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(
                workspace / DATABASE,
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
            # One short transaction creates and later ones replace: no need for a write-ahead log.
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                database.execute("BEGIN IMMEDIATE")
                version = database.execute("PRAGMA user_version").fetchone()[0]
                if version == 0:
                    for statement in _SCHEMA.split(";"):
                        database.execute(statement)
                    database.execute(f"PRAGMA user_version = {FORMAT}")
                database.execute("COMMIT")
                version = database.execute("PRAGMA user_version").fetchone()[0]
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The index in {workspace} can't be opened ({error}); {_way_out(error)}."
            ) from error
        if version != FORMAT:
            database.close()
            way = (
                f"delete {DATABASE} there and run fashiontag index again"
                if version < FORMAT
                else "update fashiontag"
            )
            raise StoreError(
                f"The index in {workspace} has format {version}, this fashiontag reads {FORMAT}; "
                f"{way} or name another workspace with --workspace."
            )
        return cls(workspace, database)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- keeping ------------------------------------------------------------------------------

    def replace_source(
        self,
        root: str,
        entries: Iterable[Entry],
        *,
        fingerprint: str,
        model: str,
        labels: str,
        complete: bool = True,
    ) -> Changes:
        """Make the index hold exactly these entries for one source, in one step.

        The entries are taken one by one and kept beside the index (in SQLite's temporary file)
        until the last has come: searches go on meanwhile, and if the iterable raises or the
        process dies, the index is as it was.

        Parameters
        ----------
        root : str
            Which source: an absolute path, or ``hf:NAME``. Other sources aren't touched.
        entries : iterable of Entry
            With different ids.
        fingerprint, model : str
            What made the vectors, and what a user calls it.
        labels : str
            The label file that the tags come from; "" leaves what is known.
        complete : bool
            False where the entries are a part of the source (one picture, a glob): nothing of it
            is then renamed or gone.

        Raises
        ------
        StoreError
            If the disk is full or not writable.
        """
        with self._lock, self._saying():
            self._database.execute("DROP TABLE IF EXISTS temp.staged")
            self._database.execute(_STAGED)
            stream = iter(entries)
        while block := list(islice(stream, _STAGE)):  # outside: what they raise is theirs
            with self._writing("DEFERRED"):  # locks nothing but the temporary file
                self._database.executemany(
                    "INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_as_row, block)
                )
        with self._writing():
            source = self._source(root, fingerprint, model, labels)
            renamed = self._rename(source) if complete else set()
            changes = self._apply(source, renamed, complete=complete)
            self._database.execute("UPDATE state SET generation = generation + 1")
            self._database.execute("DROP TABLE temp.staged")
        return changes

    def _source(self, root: str, fingerprint: str, model: str, labels: str) -> int:
        (source,) = self._database.execute(
            "INSERT INTO sources (root, fingerprint, model, labels, updated)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (root) DO UPDATE SET"
            " fingerprint = excluded.fingerprint, model = excluded.model,"
            " labels = coalesce(nullif(excluded.labels, ''), labels), updated = excluded.updated"
            " RETURNING source",
            (_text(root), fingerprint, model, labels, time.time()),
        ).fetchone()
        return int(source)

    def _rename(self, source: int) -> set[int]:
        """Give items whose id went the id that came with the same picture; return their numbers."""
        went = defaultdict(list)
        for number, key in self._database.execute(
            "SELECT number, image_key FROM items AS i WHERE source = ? AND image_key IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM staged AS s WHERE s.id = i.id)"
            " ORDER BY id DESC",
            (source,),
        ):
            went[key].append(number)
        if not went:
            return set()
        pairs = [
            (item, went[key].pop())
            for item, key in self._database.execute(
                "SELECT id, image_key FROM staged AS s WHERE NOT EXISTS"
                " (SELECT 1 FROM items AS i WHERE i.source = ? AND i.id = s.id) ORDER BY id",
                (source,),
            ).fetchall()
            if went.get(key)
        ]
        self._database.executemany("UPDATE items SET id = ? WHERE number = ?", pairs)
        return {number for _, number in pairs}

    def _apply(self, source: int, renamed: set[int], *, complete: bool) -> Changes:
        run = self._database.execute
        # What nobody judged keeps its tags while picture and title are the same.
        run(
            "UPDATE staged SET tags = coalesce((SELECT i.tags FROM items AS i WHERE i.source = ?"
            " AND i.id = staged.id AND i.image_key IS staged.image_key"
            " AND i.text_key IS staged.text_key), '[]') WHERE tags IS NULL",
            (source,),
        )
        gone = run(
            "SELECT number, tags, fields FROM items AS i WHERE source = ? AND ?"
            " AND NOT EXISTS (SELECT 1 FROM staged AS s WHERE s.id = i.id)",
            (source, complete),
        ).fetchall()
        changed = run(
            "SELECT i.number, i.tags, i.fields, s.tags, s.fields, i.text_key IS NOT s.text_key"
            " FROM items AS i JOIN staged AS s ON s.id = i.id WHERE i.source = ?"
            " AND (i.path, i.title, i.tags, i.fields, i.image_key, i.text_key)"
            " IS NOT (s.path, s.title, s.tags, s.fields, s.image_key, s.text_key)",
            (source,),
        ).fetchall()
        kept = run("SELECT count(*) FROM items WHERE source = ?", (source,)).fetchone()[0]
        kept -= len(gone)
        # New labels change the tags of a whole catalogue: only what differs is written.
        lost = [(number, pair) for number, *old in gone for pair in _pairs(*old)]
        won: list[tuple[int, tuple[str, str]]] = []
        for number, tags, fields, new_tags, new_fields, _ in changed:
            before, after = _pairs(tags, fields), _pairs(new_tags, new_fields)
            lost += [(number, pair) for pair in before - after]
            won += [(number, pair) for pair in after - before]
        self._database.executemany(
            "DELETE FROM facets WHERE number = ? AND val ="
            " (SELECT val FROM vals WHERE name = ? AND value = ?)",
            [(number, *pair) for number, pair in lost],
        )
        retitled = [number for number, *_, other in changed if other]
        self._database.executemany(
            "DELETE FROM words WHERE number = ?",
            [(number,) for number in (*(one for one, *_ in gone), *retitled)],
        )
        self._database.executemany(
            "DELETE FROM items WHERE number = ?", [(number,) for number, *_ in gone]
        )
        self._database.executemany(
            "UPDATE items SET (path, title, tags, fields, image_key, text_key, family) ="
            " (SELECT path, title, tags, fields, image_key, text_key, family"
            " FROM staged WHERE staged.id = items.id) WHERE number = ?",
            [(number,) for number, *_ in changed],
        )
        last = run("SELECT coalesce(max(number), 0) FROM items").fetchone()[0]
        new = run(
            "INSERT INTO items (source, id, path, title, tags, fields, image_key, text_key, family)"
            " SELECT ?, id, path, title, tags, fields, image_key, text_key, family"
            " FROM staged AS s WHERE NOT EXISTS"
            " (SELECT 1 FROM items AS i WHERE i.source = ? AND i.id = s.id)",
            (source, source),
        ).rowcount
        said = _Words(self._database)
        worded = (
            "SELECT number, s.words FROM items AS i JOIN staged AS s ON s.id = i.id"
            " WHERE s.words != '' AND i.source = ? AND i.number "
        )
        said.add(run(worded + "> ?", (source, last)))
        for number in retitled:
            said.add(run(worded + "= ?", (source, number)))
        facets = _Facets(self._database)
        for number, pair in won:
            facets.add(number, pair)
        for number, tags, fields in run(
            "SELECT number, tags, fields FROM items WHERE number > ?", (last,)
        ):
            for pair in _pairs(tags, fields):
                facets.add(number, pair)
        facets.flush()
        if lost:
            run("DELETE FROM vals WHERE NOT EXISTS (SELECT 1 FROM facets WHERE val = vals.val)")
        touched = {number for number, *_ in changed} | renamed
        return Changes(
            new=new,
            changed=len(touched - renamed),
            renamed=len(renamed),
            gone=len(gone),
            unchanged=kept - len(touched),
        )

    # -- what is there ------------------------------------------------------------------------

    def sources(self) -> tuple[SourceStatus, ...]:
        """Return what is indexed, the source updated last first."""
        with self._lock, self._saying():
            return tuple(
                SourceStatus(*row)
                for row in self._database.execute(
                    "SELECT root, (SELECT count(*) FROM items AS i WHERE i.source = s.source),"
                    " model, fingerprint, labels, updated FROM sources AS s ORDER BY updated DESC"
                )
            )

    def titles(self, root: str) -> dict[str, KnownTitle]:
        """Return what is known of each id of a source."""
        with self._lock, self._saying():
            return {
                item: KnownTitle(title, json.loads(fields))
                for item, title, fields in self._database.execute(
                    "SELECT id, title, fields FROM items JOIN sources USING (source)"
                    " WHERE root = ?",
                    (_text(root),),
                )
            }

    def names_of_pictures(self, root: str, keys: Sequence[str]) -> dict[str, list[str]]:
        """Return the ids under which a source has these pictures, in order."""
        found: dict[str, list[str]] = defaultdict(list)
        if keys:
            with self._lock, self._saying():
                for key, item in self._database.execute(
                    "SELECT image_key, id FROM items JOIN sources USING (source)"
                    " WHERE root = ? AND image_key IN (SELECT value FROM json_each(?)) ORDER BY id",
                    (_text(root), json.dumps(list(keys))),
                ):
                    found[key].append(item)
        return found

    def columns(self) -> tuple[str, ...]:
        """Return what `matching` can be asked for: tag groups, then ``table.NAME`` of fields."""
        with self._lock, self._saying():
            # one seek per name, where SELECT DISTINCT would read every value there is
            names = [
                name
                for (name,) in self._database.execute(
                    "WITH RECURSIVE names (name) AS (SELECT min(name) FROM vals UNION ALL"
                    " SELECT (SELECT min(v.name) FROM vals AS v WHERE v.name > names.name)"
                    " FROM names WHERE names.name IS NOT NULL)"
                    " SELECT name FROM names WHERE name IS NOT NULL"
                )
            ]
        return tuple(sorted(names, key=lambda name: (name.startswith(FIELD), name)))

    def matching(self, column: str, operator: Operator, value: str | float) -> NDArray[np.int64]:
        """Return the numbers of items that have a value so related to ``value``, any order.

        Numbers compare with numeric values only, text with the text as it is written, in any case;
        ``<`` and its like need a number, or text that both sides aren't a number in.

        Parameters
        ----------
        column : str
            One of `columns`.
        operator : {"=", "<", "<=", ">", ">="}
        value : str or float
        """
        known = self._column(column)
        if isinstance(value, float):
            first, last = 0, len(known.numerics)
            low = int(np.searchsorted(known.numerics, value, "left"))
            high = int(np.searchsorted(known.numerics, value, "right"))
        else:
            first, last = len(known.numerics), len(known.values)
            low, high = (self._place(known, column, sign, value) for sign in (">=", ">"))
            if operator == "=":
                low = self._place(known, column, "=", value)
                high = min(low + 1, last)
        low, high = {
            "=": (low, high),
            "<": (first, low),
            "<=": (first, high),
            ">": (high, last),
            ">=": (low, last),
        }[operator]
        return known.numbers[known.starts[low] : known.starts[high]]

    def _place(self, known: _Column, column: str, sign: str, value: str) -> int:
        """Return where a column's first value so related to a text stands, its end for none."""
        # '= "50"' means the very text, which stands with the numbers; order is that of texts only
        texts = "" if sign == "=" else "AND numeric IS NULL"
        with self._lock, self._saying():
            row = self._database.execute(
                f"SELECT val FROM vals WHERE name = ? {texts} AND value {sign} ?"  # noqa: S608
                " ORDER BY value LIMIT 1",
                (column, _fold(value)),
            ).fetchone()
        found = np.flatnonzero(known.values == row[0]) if row else None
        return int(found[0]) if found is not None and len(found) else len(known.values)

    def _column(self, column: str) -> _Column:
        """Return a column, kept until the index changes: row by row, 1 M items take a second."""
        with self._writing("DEFERRED"):  # writes nothing: all that is read is of one state
            generation = self._generation()
            if self._columns[0] != generation:
                self._columns = (generation, {})
            if column in self._columns[1]:
                return self._columns[1][column]
            kept = self._kept("column " + column, generation)
            known = self._read(column) if kept is None else _Column.unpack(kept)
        if kept is None:
            self._keep("column " + column, generation, known.pack())
        self._columns[1][column] = known
        return known

    def _read(self, column: str) -> _Column:
        values = self._database.execute(
            "SELECT val, numeric FROM vals WHERE name = ? ORDER BY numeric IS NULL, numeric, value",
            (column,),
        ).fetchall()
        facets = self._database.execute(
            "SELECT f.val, f.number FROM vals AS v CROSS JOIN facets AS f ON f.val = v.val"
            " WHERE v.name = ?",
            (column,),
        )
        return _Column.sort(
            np.array([row[0] for row in values], dtype=np.int64),
            np.array([row[1] for row in values if row[1] is not None], dtype=np.float64),
            np.fromiter(chain.from_iterable(facets), dtype=np.int64).reshape(-1, 2),
        )

    def words(self, text: str) -> list[int]:
        """Return the numbers of a text's words, each once; -1 for one that no title ever had."""
        with self._lock, self._saying():
            find = self._database.execute
            found = (
                find("SELECT word FROM vocabulary WHERE text = ?", (_text(word),)).fetchone()
                for word in dict.fromkeys(split(text))
            )
            return [row[0] if row else -1 for row in found]

    def said(self, fingerprint: str, numbers: NDArray[np.int64]) -> Titles:
        """Return the titles of these items of one model, `Placement.numbers`.

        They are kept until the index changes.
        """
        name = fingerprint + " words"
        with self._lock, self._saying():
            generation = self._generation()
            kept = self._kept(name, generation)
            whose = np.concatenate([[len(numbers)], numbers])
            if kept is not None and np.array_equal(kept[: len(whose)], whose):
                return Titles.unpack(kept[len(whose) :])
            rows = self._database.execute(
                "SELECT number, said FROM items JOIN sources USING (source)"
                " JOIN words USING (number) WHERE fingerprint = ? ORDER BY number",
                (fingerprint,),
            )
            titles = Titles.join(_aligned(rows, numbers.tolist()))
        self._keep(name, generation, np.concatenate([whose, titles.pack()]))
        return titles

    def items(self, numbers: Sequence[int]) -> list[IndexedItem]:
        """Return these items, in this order; what has gone meanwhile is left out."""
        with self._lock, self._saying():
            found = {
                number: IndexedItem(number, item, path, title, tuple(json.loads(tags)))
                for number, item, path, title, tags in self._database.execute(
                    "SELECT number, id, path, title, tags FROM items"
                    " WHERE number IN (SELECT value FROM json_each(?))",
                    (json.dumps([int(number) for number in numbers]),),
                )
            }
        return [found[number] for number in map(int, numbers) if number in found]

    def placement(self, fingerprint: str, find: Finder) -> Placement:
        """Return where the items of one model have their vectors; kept until the index changes.

        Parameters
        ----------
        fingerprint : str
        find : callable
            ``find(kind, keys)`` gives the store's rows of n keys, shape (n,), int64, -1 for none.
        """
        with self._lock, self._saying():
            generation = self._generation()
            kept = self._kept(fingerprint, generation)
            if kept is not None:
                return Placement(*kept.reshape(5, -1))
            found = self._database.execute(
                "SELECT number, family, image_key, text_key FROM items JOIN sources USING (source)"
                " WHERE fingerprint = ? ORDER BY number",
                (fingerprint,),
            )
            blocks = [np.empty((5, 0), dtype="<i8")]
            while rows := found.fetchmany(_STAGE):  # all at once would take 400 bytes an item
                block = np.empty((5, len(rows)), dtype="<i8")
                block[0] = [row[0] for row in rows]
                block[1] = [row[1] or -row[0] for row in rows]  # no style: a family of its own
                block[2] = [_short(row[2]) if row[2] else -row[0] for row in rows]
                block[3] = find("image", [row[2] or "" for row in rows])
                block[4] = find("text", [row[3] or "" for row in rows])
                blocks.append(block)
        data = np.concatenate(blocks, axis=1)
        self._keep(fingerprint, generation, data)
        return Placement(*data)

    def orders(self, fingerprint: str, placement: Placement) -> NDArray[np.int64]:
        """Return `Placement.orders`, kept until the index changes: sorting 1 M takes 0.4 s."""
        name = fingerprint + " orders"
        with self._lock, self._saying():
            generation = self._generation()
            kept = self._kept(name, generation)
        if kept is not None and kept.size == 4 * len(placement.numbers):
            return kept.reshape(4, -1)
        orders = placement.orders().astype("<i8")
        self._keep(name, generation, orders)
        return orders

    def _kept(self, name: str, generation: int) -> NDArray[np.int64] | None:
        row = self._database.execute(
            "SELECT data FROM kept WHERE name = ? AND generation = ?", (name, generation)
        ).fetchone()
        return np.frombuffer(row[0], dtype="<i8") if row else None

    def _keep(self, name: str, generation: int, data: NDArray[np.int64]) -> None:
        with self._lock, suppress(StoreError):  # it only spares the next search the work
            self._database.execute("PRAGMA busy_timeout = 0")  # nor does anybody wait for it
            try:
                with self._writing():
                    if self._generation() == generation:
                        run = self._database.execute
                        run("DELETE FROM kept WHERE generation != ?", (generation,))
                        run(
                            "INSERT OR REPLACE INTO kept VALUES (?, ?, ?)",
                            (name, generation, data.tobytes()),
                        )
            finally:
                self._database.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000}")

    def generation(self) -> int:
        """Return a number that grows whenever a source is replaced."""
        with self._lock, self._saying():
            return self._generation()

    def _generation(self) -> int:
        return int(self._database.execute("SELECT generation FROM state").fetchone()[0])

    @contextmanager
    def _writing(self, kind: Literal["IMMEDIATE", "DEFERRED"] = "IMMEDIATE") -> Iterator[None]:
        with self._lock, self._saying():
            self._database.execute(f"BEGIN {kind}")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _saying(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(
                f"The index in {self._workspace} can't be used ({error}); {_way_out(error)}."
            ) from error


def _way_out(error: OSError | sqlite3.Error) -> str:
    if type(error) is sqlite3.DatabaseError:  # its heirs are for other troubles
        return f"delete {DATABASE} there and run fashiontag index, or name another --workspace"
    return (
        "make room there and let it be written, or name another --workspace: the index is as it "
        "was before"
    )


def _aligned(rows: Iterator[tuple[int, bytes]], numbers: Iterable[int]) -> Iterator[bytes]:
    """Yield the words of each of these items, both in ascending order.

    The numbers can be of a state that the index has just left: what has gone says nothing.
    """
    row = next(rows, None)
    for number in numbers:
        while row is not None and row[0] < number:
            row = next(rows, None)
        yield row[1] if row is not None and row[0] == number else b""


@dataclass(frozen=True, slots=True)
class _Column:
    """Which items have which value: numbers by value, numeric values first, in their order.

    The items of value i are ``numbers[starts[i] : starts[i + 1]]``; ``values`` are its names in
    the database, of which the first ``len(numerics)`` are numbers.
    """

    values: NDArray[np.int64]
    numerics: NDArray[np.float64]
    starts: NDArray[np.int64]
    numbers: NDArray[np.int64]

    @classmethod
    def sort(
        cls, values: NDArray[np.int64], numerics: NDArray[np.float64], facets: NDArray[np.int64]
    ) -> Self:
        """Make one of rows (value, number), in any order."""
        order = np.argsort(values)
        places = order[np.searchsorted(values, facets[:, 0], sorter=order)]
        starts = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=len(values)))])
        return cls(values, numerics, starts, facets[np.argsort(places, kind="stable"), 1])

    def pack(self) -> NDArray[np.int64]:
        sizes = np.array([len(self.values), len(self.numerics)])
        numerics = self.numerics.astype("<f8").view("<i8")
        return np.concatenate([sizes, self.values, numerics, self.starts, self.numbers])

    @classmethod
    def unpack(cls, data: NDArray[np.int64]) -> Self:
        values, numbers = data[:2].tolist()
        ends = np.cumsum([2, values, numbers, values + 1])
        _, one, two, three, four = np.split(data, ends)
        return cls(one, two.view("<f8"), three, four)


# -- entries --------------------------------------------------------------------------------------


def _family(text: str) -> int:
    """Return a number that a style's colourways have in common; 0 for a title without a style."""
    words = style(text)
    return _short(" ".join(words)) if words else 0


def _short(text: str) -> int:
    """Return 62 bits of a text's hash, never negative and never 0."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 2) | 1


def _as_row(entry: Entry) -> tuple[str | int | None, ...]:
    return (
        _text(entry.id),
        _text(entry.path),
        _text(entry.title),
        None if entry.tags is None else _json(list(entry.tags)),
        _json(dict(entry.fields)),
        entry.image_key,
        entry.text_key,
        _family(entry.text),
        _text(" ".join(split(entry.text))),
    )


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


def _json(value: object) -> str:
    return _text(_encode(value))


def _text(text: str) -> str:
    """Make a text that isn't valid Unicode (a lone surrogate) one that SQLite takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _pairs(tags: str, fields: str) -> set[tuple[str, str]]:
    """Return an item's (column, value) pairs, values as they are compared."""
    named = [tag.split("=", 1) for tag in json.loads(tags)]
    pairs = {(group, _fold(label)) for group, label in named}
    return pairs | {(FIELD + name, _fold(value)) for name, value in json.loads(fields).items()}


def _fold(value: str) -> str:
    return value.strip().casefold()


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?")


def number(text: str) -> float | None:
    """Return the number that a text is, None for anything else (``nan`` and ``1,5`` are text)."""
    return float(text) if _NUMBER.fullmatch(text.strip().lower()) else None


class _Facets:
    """Writes which item has which value, a few thousand rows at a time."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._vals: dict[tuple[str, str], int] = {}
        self._rows: list[tuple[int, int]] = []

    def add(self, item: int, pair: tuple[str, str]) -> None:
        self._rows.append((self._val(*pair), item))
        if len(self._rows) > 20_000:
            self.flush()

    def flush(self) -> None:
        # sorted: the key begins with the value, and neighbours on disk are cheap
        self._database.executemany("INSERT OR IGNORE INTO facets VALUES (?, ?)", sorted(self._rows))
        self._rows.clear()
        if len(self._vals) > 200_000:  # a column of ids has as many values as items
            self._vals.clear()

    def _val(self, name: str, value: str) -> int:
        known = self._vals.get((name, value))
        if known is None:
            row = self._database.execute(
                "INSERT INTO vals (name, value, numeric) VALUES (?, ?, ?)"
                " ON CONFLICT (name, value) DO UPDATE SET name = name RETURNING val",
                (name, value, number(value)),
            ).fetchone()
            known = self._vals[name, value] = int(row[0])
        return known


class _Words:
    """Writes what titles say, giving each word a number."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._numbers: dict[str, int] = {}

    def add(self, titles: Iterable[tuple[int, str]]) -> None:
        """Take items' numbers and their words with a space between; without words nothing is."""
        stream = iter(titles)
        while block := list(islice(stream, _STAGE)):
            rows = [
                (number, np.array([self._number(word) for word in text.split()], dtype="<i4"))
                for number, text in block
                if text
            ]
            self._database.executemany("INSERT INTO words VALUES (?, ?)", rows)

    def _number(self, word: str) -> int:
        known = self._numbers.get(word)
        if known is None:
            row = self._database.execute(
                "INSERT INTO vocabulary (text) VALUES (?)"
                " ON CONFLICT (text) DO UPDATE SET text = text RETURNING word",
                (word,),
            ).fetchone()
            known = self._numbers[word] = int(row[0])
        return known
