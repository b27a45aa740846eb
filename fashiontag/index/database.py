"""The items that can be searched, as their sources have them, in SQLite."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from fashiontag.database import Database, as_utf8
from fashiontag.index import columns
from fashiontag.index.columns import Column
from fashiontag.index.derived import Derived
from fashiontag.index.nearest import members
from fashiontag.index.rows import BLOCK, blocks, numbering
from fashiontag.index.words import Titles
from fashiontag.words import split, style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fashiontag.datamodels import Item
    from fashiontag.index.columns import Operator
    from fashiontag.index.derived import Arrays

    Finder = Callable[[Literal["image", "text"], Sequence[str]], NDArray[np.int64]]

DATABASE = "index.sqlite"
DERIVED = "index"
"""The folder beside it, with what searches made of it."""

GUEST = "python:"
"""What roots of sources begin with that name single files from anywhere.

A file has one item: that of the folder or table it belongs to if that is indexed, else that of the
guest who named it last."""

FORMAT = 6

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (
    source INTEGER PRIMARY KEY AUTOINCREMENT, root TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL,
    model TEXT NOT NULL, labels TEXT NOT NULL, updated REAL NOT NULL);
CREATE TABLE IF NOT EXISTS items (
    number INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL, id TEXT NOT NULL,
    path TEXT NOT NULL, title TEXT NOT NULL, tags TEXT NOT NULL, fields TEXT NOT NULL,
    image_key TEXT, text_key TEXT, family INTEGER NOT NULL, UNIQUE (source, id));
CREATE TABLE IF NOT EXISTS vocabulary (word INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS words (number INTEGER PRIMARY KEY, words BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (generation INTEGER NOT NULL);
INSERT INTO state SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM state)
"""
"""``tags`` holds two lists: those given, and those above them."""

_STAGED = """
CREATE TEMP TABLE staged (
    id TEXT PRIMARY KEY, path TEXT, title TEXT, tags TEXT, fields TEXT, image_key TEXT,
    text_key TEXT, family INTEGER, words TEXT) WITHOUT ROWID
"""

_NO_MAINS = np.empty((2, 0), np.int64)

# One photo under two or three names is one product; under four it is "no picture yet".
_MOST_STYLES = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One item as a source has it now.

    Attributes
    ----------
    item : Item
        Its picture's locator is the path.
    tags : tuple of str or None
        ``group=label`` each; None where nobody judged: what is known stays as long as picture and
        title are the same.
    image_key, text_key : str or None
        Where the vectors are in the store; None where there is none.
    above : tuple of str
        Tags that those stand under: filters find the item by them, and nothing shows them.
    """

    item: Item
    tags: tuple[str, ...] | None
    image_key: str | None
    text_key: str | None
    above: tuple[str, ...] = ()


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
    """What the index knows an item's seller to have written, and where its picture's vector is."""

    title: str
    fields: Mapping[str, str]
    image_key: str | None


@dataclass(frozen=True, slots=True)
class IndexedItem:
    """One item as the output shows it, the index's own name of it, and where its vectors are."""

    number: int
    id: str
    path: str
    title: str
    tags: tuple[str, ...]
    source: str
    fields: Mapping[str, str]
    image_key: str | None
    text_key: str | None


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

    def __init__(self, workspace: Path, database: Database) -> None:
        self._database = database
        self._derived = Derived(workspace / DERIVED)

    @classmethod
    def open(cls, workspace: Path) -> Index:
        """Open the index of a workspace, creating both if need be.

        Raises
        ------
        StoreError
            If the folder can't be written, the file is no index, or another version made it.
        """
        # One short transaction creates and later ones replace: no need for a write-ahead log.
        database = Database(
            workspace / DATABASE,
            f"{_SCHEMA};{columns.SCHEMA}",
            FORMAT,
            subject=f"The index in {workspace}",
            remedy=f"delete {DATABASE} there and run fashiontag index again",
        )
        return cls(workspace, database)

    def close(self) -> None:
        """Release the file."""
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
            Which source: an absolute path, ``hf:NAME``, or a `GUEST`. Other sources aren't touched,
            but for guests' items of the same files.
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
        with self._database.turn():
            self._database.execute("DROP TABLE IF EXISTS temp.staged")
            self._database.execute(_STAGED)
        for block in blocks(entries):  # outside of a transaction: what they raise is theirs
            with self._database.turn():  # locks nothing but the temporary file
                self._database.executemany(
                    "INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_as_row, block)
                )
        with self._database.turn("written", "IMMEDIATE"):
            source = self._source(root, fingerprint, model, labels)
            left = self._drop_guests(source, root)
            renamed = self._rename(source) if complete else set()
            changes = self._apply(source, renamed, left, complete=complete)
            self._database.execute("UPDATE state SET generation = ?", (secrets.randbits(62),))
            self._database.execute("DROP TABLE temp.staged")
        return changes

    def _source(self, root: str, fingerprint: str, model: str, labels: str) -> int:
        (source,) = self._database.execute(
            "INSERT INTO sources (root, fingerprint, model, labels, updated)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (root) DO UPDATE SET"
            " fingerprint = excluded.fingerprint, model = excluded.model,"
            " labels = coalesce(nullif(excluded.labels, ''), labels), updated = excluded.updated"
            " RETURNING source",
            (as_utf8(root), fingerprint, model, labels, time.time()),
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

    def _drop_guests(self, source: int, root: str) -> list[tuple[Any, ...]]:
        """Leave one item of each file; return what other guests had, as `_apply` does what went."""
        if root.startswith(GUEST):
            self._database.execute(
                "DELETE FROM staged WHERE path IN (SELECT path FROM items JOIN sources"
                " USING (source) WHERE root NOT GLOB ?)",
                (f"{GUEST}*",),
            )
        return self._database.execute(
            "SELECT number, tags, fields, '[[]]', '{}' FROM items JOIN sources USING (source)"
            " WHERE source != ? AND root GLOB ? AND path IN (SELECT path FROM staged)",
            (source, f"{GUEST}*"),
        ).fetchall()

    def _apply(
        self, source: int, renamed: set[int], left: list[tuple[Any, ...]], *, complete: bool
    ) -> Changes:
        run = self._database.execute
        # What nobody judged keeps its tags while picture and title are the same.
        run(
            "UPDATE staged SET tags = coalesce((SELECT i.tags FROM items AS i WHERE i.source = ?"
            " AND i.id = staged.id AND i.image_key IS staged.image_key"
            " AND i.text_key IS staged.text_key), '[[]]') WHERE tags IS NULL",
            (source,),
        )
        gone = run(
            "SELECT number, tags, fields, '[[]]', '{}' FROM items AS i WHERE source = ? AND ?"
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
        last = run("SELECT coalesce(max(number), 0) FROM items").fetchone()[0]
        self._database.executemany(
            "DELETE FROM items WHERE number = ?", [(row[0],) for row in (*left, *gone)]
        )
        self._database.executemany(
            "UPDATE items SET (path, title, tags, fields, image_key, text_key, family) ="
            " (SELECT path, title, tags, fields, image_key, text_key, family"
            " FROM staged WHERE staged.id = items.id) WHERE number = ?",
            [(row[0],) for row in changed],
        )
        new = run(
            "INSERT INTO items (source, id, path, title, tags, fields, image_key, text_key, family)"
            " SELECT ?, id, path, title, tags, fields, image_key, text_key, family"
            " FROM staged AS s WHERE NOT EXISTS"
            " (SELECT 1 FROM items AS i WHERE i.source = ? AND i.id = s.id)",
            (source, source),
        ).rowcount
        retitled = [row for row in changed if row[5]]
        self._database.executemany(
            "DELETE FROM words WHERE number = ?", [(row[0],) for row in (*left, *gone, *retitled)]
        )
        self._write_words(source)
        added = run(
            "SELECT number, '[[]]', '{}', tags, fields FROM items WHERE number > ?", (last,)
        )
        columns.write(self._database, chain(left, gone, (row[:5] for row in changed), added))
        touched = {row[0] for row in changed} | renamed
        return Changes(
            new=new,
            changed=len(touched - renamed),
            renamed=len(renamed),
            gone=len(gone),
            unchanged=kept - len(gone) - len(touched),
        )

    def _write_words(self, source: int) -> None:
        """Give the items that have none the words of their titles, as numbers."""
        word = numbering(
            self._database,
            "INSERT INTO vocabulary (text) VALUES (?)"
            " ON CONFLICT (text) DO UPDATE SET text = text RETURNING word",
        )
        rows = self._database.execute(
            "SELECT i.number, s.words FROM items AS i JOIN staged AS s ON s.id = i.id"
            " WHERE i.source = ? AND s.words != ''"
            " AND NOT EXISTS (SELECT 1 FROM words AS w WHERE w.number = i.number)",
            (source,),
        )
        for block in blocks(rows):
            self._database.executemany(
                "INSERT INTO words VALUES (?, ?)",
                [(n, np.array([word(w) for w in text.split()], "<i4")) for n, text in block],
            )

    # -- what is there ------------------------------------------------------------------------

    def sources(self) -> tuple[SourceStatus, ...]:
        """Return what is indexed, the source updated last first."""
        with self._database.turn():
            return tuple(
                SourceStatus(*row)
                for row in self._database.execute(
                    "SELECT root, (SELECT count(*) FROM items AS i WHERE i.source = s.source),"
                    " model, fingerprint, labels, updated FROM sources AS s ORDER BY updated DESC"
                )
            )

    def titles(self, root: str) -> dict[str, KnownTitle]:
        """Return what is known of each id of a source, in order."""
        with self._database.turn():
            return {
                item: KnownTitle(title, json.loads(fields), image_key)
                for item, title, fields, image_key in self._database.execute(
                    "SELECT id, title, fields, image_key FROM items JOIN sources USING (source)"
                    " WHERE root = ? ORDER BY id",
                    (as_utf8(root),),
                )
            }

    def rename(self, root: str, new: str) -> None:
        """Call a source otherwise, as a folder that was moved."""
        with self._database.turn("written", "IMMEDIATE"):
            self._database.execute(
                "UPDATE sources SET root = ? WHERE root = ?", (as_utf8(new), as_utf8(root))
            )

    def columns(self) -> tuple[str, ...]:
        """Return what `matching` can be asked for: tag groups, then ``table.NAME`` of fields."""
        with self._database.turn():
            return columns.names(self._database)

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
        kept = self._column(column)
        with self._database.turn():
            return kept.matching(self._database, column, operator, value)

    def facet(self, column: str) -> list[tuple[str, float | None, NDArray[np.int64]]]:
        """Return each value of one of `columns`, as a number if it is one, and its items."""
        kept = self._column(column)
        with self._database.turn():
            texts = dict(
                self._database.execute("SELECT val, value FROM vals WHERE name = ?", (column,))
            )
        numerics = [*kept.numerics.tolist(), *[None] * (len(kept.values) - len(kept.numerics))]
        parts = np.split(kept.numbers, kept.starts[1:-1])
        return [
            (texts[val], numeric, part)
            for val, numeric, part in zip(kept.values.tolist(), numerics, parts, strict=True)
        ]

    def _column(self, name: str) -> Column:
        return Column(*self._kept("column " + name, 4, lambda: Column.read(self._database, name)))

    def lacking(self, texts: Sequence[str], numbers: Sequence[int]) -> list[str]:
        """Return the tags ``group=label`` that texts name, and that none of these items has.

        A text that is a label in several groups is lacking only where none of these is found.
        """
        with self._database.turn():
            return columns.lacking(self._database, texts, numbers)

    def words(self, text: str) -> list[int]:
        """Return the numbers of a text's words, each once; -1 for one that no title ever had."""
        with self._database.turn():
            find = self._database.execute
            found = (
                find("SELECT word FROM vocabulary WHERE text = ?", (as_utf8(word),)).fetchone()
                for word in dict.fromkeys(split(text))
            )
            return [row[0] if row else -1 for row in found]

    def said(self, fingerprint: str, numbers: NDArray[np.int64]) -> Titles:
        """Return the titles of these items of one model, `Placement.numbers`."""

        def read() -> Arrays:
            rows = self._database.execute(
                "SELECT number, words FROM items JOIN sources USING (source)"
                " JOIN words USING (number) WHERE fingerprint = ? ORDER BY number",
                (fingerprint,),
            )
            titles = Titles.join(_aligned(rows, numbers.tolist()))
            return numbers, titles.words, titles.starts

        return Titles(*self._kept("words " + fingerprint, 3, read, numbers)[1:])

    def items(self, numbers: Sequence[int]) -> list[IndexedItem]:
        """Return these items, in this order; what has gone meanwhile is left out."""
        with self._database.turn():
            found = {
                number: IndexedItem(
                    *(number, item, path, title, tuple(json.loads(tags)[0])),
                    *(source, json.loads(fields), image_key, text_key),
                )
                for number, item, path, title, tags, source, fields, image_key, text_key in (
                    self._database.execute(
                        "SELECT number, id, path, title, tags, root, fields, image_key, text_key"
                        " FROM items JOIN sources USING (source)"
                        " WHERE number IN (SELECT value FROM json_each(?))",
                        (json.dumps([int(number) for number in numbers]),),
                    )
                )
            }
        return [found[number] for number in map(int, numbers) if number in found]

    def locate(self, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Return the numbers of those items that are there, named by source's root and id."""
        keys = {(as_utf8(root), as_utf8(item)): (root, item) for root, item in places}
        with self._database.turn():
            return {
                keys[root, item]: number
                for root, item, number in self._database.execute(
                    "SELECT s.root, i.id, i.number FROM json_each(?) AS wanted"
                    " CROSS JOIN sources AS s ON s.root = json_extract(wanted.value, '$[0]')"
                    " CROSS JOIN items AS i ON i.source = s.source"
                    " AND i.id = json_extract(wanted.value, '$[1]')",
                    (json.dumps(list(keys)),),
                )
            }

    def counts(self, among: NDArray[np.int64] | None = None) -> dict[str, dict[str, int]]:
        """Return how many items have each label, or one under it, by tag group.

        ``among`` are the numbers of those that count; None is all of them.
        """
        found: dict[str, dict[str, int]] = {}
        for name in self.columns():
            if not name.startswith(columns.FIELD):
                found[name] = {
                    value: len(numbers) if among is None else int(members(numbers, among).sum())
                    for value, _, numbers in self.facet(name)
                }
        return found

    def mains(self) -> NDArray[np.int64]:
        """Return the photos of imported products, and the main photo of what each shows.

        That is the product, or its variant where it has photos of several. An imported photo is
        known by its id, which is made of its product and position.

        Returns
        -------
        ndarray of shape (2, m), int64
            Numbers of photos, product by product in their positions, and of main photos.
        """

        def read() -> Arrays:
            rows = self._database.execute(
                "SELECT number, source, json_extract(fields, '$.product') AS product,"
                " json_extract(fields, '$.variant'), json_extract(fields, '$.position') AS position"
                " FROM items WHERE id = replace(replace(product, '%', '%25'), '/', '%2F') || '/'"
                " || position ORDER BY source, product, CAST(position AS INTEGER)"
            )
            pairs = []
            for _, product in groupby(rows, key=itemgetter(1, 2)):
                photos = [(number, variant or "") for number, _, _, variant, _ in product]
                several = len({variant for _, variant in photos} - {""}) > 1
                first: dict[str, int] = {}
                for number, variant in photos:
                    pairs.append((number, first.setdefault(variant if several else "", number)))
            return [np.array(pairs, np.int64).reshape(-1, 2).T]

        fields = {f"{columns.FIELD}product", f"{columns.FIELD}position"}
        return self._kept("mains", 1, read)[0] if fields <= {*self.columns()} else _NO_MAINS

    def placement(self, fingerprint: str, find: Finder) -> Placement:
        """Return where the items of one model have their vectors.

        Parameters
        ----------
        fingerprint : str
        find : callable
            ``find(kind, keys)`` gives the store's rows of n keys, shape (n,), int64, -1 for none.
        """

        def read() -> Arrays:
            found = self._database.execute(
                "SELECT number, family, image_key, text_key FROM items JOIN sources USING (source)"
                " WHERE fingerprint = ? ORDER BY number",
                (fingerprint,),
            )
            parts = [np.empty((5, 0), dtype=np.int64)]
            while rows := found.fetchmany(BLOCK):  # all at once would take 400 bytes an item
                part = np.empty((5, len(rows)), dtype=np.int64)
                part[0] = [row[0] for row in rows]
                part[1] = [row[1] or -row[0] for row in rows]  # no style: a family of its own
                part[2] = [short_hash(row[2]) if row[2] else -row[0] for row in rows]
                part[3] = find("image", [row[2] or "" for row in rows])
                part[4] = find("text", [row[3] or "" for row in rows])
                parts.append(part)
            placed = np.concatenate(parts, axis=1)
            placed[2] = without_placeholders(placed)
            return [placed]

        return Placement(*self._kept("placement " + fingerprint, 1, read)[0])

    def orders(self, fingerprint: str, placement: Placement) -> NDArray[np.int64]:
        """Return `Placement.orders`, kept: sorting a million takes 0.4 s."""
        name, numbers = "orders " + fingerprint, placement.numbers
        return self._kept(name, 2, lambda: (numbers, placement.orders()), numbers)[1]

    def _kept(
        self,
        name: str,
        count: int,
        make: Callable[[], Arrays],
        numbers: NDArray[np.int64] | None = None,
    ) -> Arrays:
        """Return arrays that a search of this state of the index kept, or make and keep them.

        ``numbers`` is what the first of them must be: those of a placement can be of a state that
        the index has just left.
        """
        with self._database.turn():  # all that is read is of one state
            generation = self._generation()
            kept = self._derived.read(generation, name, count)
            if kept is not None and (numbers is None or np.array_equal(kept[0], numbers)):
                return kept
            made = make()
        self._derived.write(generation, name, made)
        return made

    def generation(self) -> int:
        """Return a number that is another whenever a source was replaced."""
        with self._database.turn():
            return self._generation()

    def _generation(self) -> int:
        return int(self._database.execute("SELECT generation FROM state").fetchone()[0])


def _aligned(rows: Iterator[tuple[int, bytes]], numbers: Iterable[int]) -> Iterator[bytes]:
    """Yield the words of each of these items, both in ascending order.

    The numbers can be of a state that the index has just left: what has gone says nothing.
    """
    row = next(rows, None)
    for number in numbers:
        while row is not None and row[0] < number:
            row = next(rows, None)
        yield row[1] if row is not None and row[0] == number else b""


def without_placeholders(placed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pictures, a number of its own for each item that shows a shop's placeholder.

    That is a picture of `_MOST_STYLES` styles or more: it says nothing of what is alike. A title
    too short for a style is one by itself.
    """
    numbers, families, pictures, _, texts = placed
    styles = np.where(families > 0, families, -2 - texts)
    titled = (families > 0) | (texts >= 0)
    kept = np.unique(np.stack([pictures, styles])[:, titled], axis=1)[0]
    shown, counts = np.unique(kept, return_counts=True)
    own: NDArray[np.int64] = pictures.copy()
    alone = np.isin(pictures, shown[counts >= _MOST_STYLES])
    own[alone] = -numbers[alone]
    return own


def family_of(text: str) -> int:
    """Return a number that a style's colourways have in common; 0 for a title without a style."""
    words = style(text)
    return short_hash(" ".join(words)) if words else 0


def short_hash(text: str) -> int:
    """Return 62 bits of a text's hash, never negative and never 0."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 2) | 1


def _as_row(entry: Entry) -> tuple[str | int | None, ...]:
    item = entry.item
    return (
        as_utf8(item.id),
        as_utf8(item.image.locator),
        as_utf8(item.title),
        None if entry.tags is None else _json([entry.tags, entry.above]),
        _json(dict(item.fields)),
        entry.image_key,
        entry.text_key,
        family_of(item.text),
        as_utf8(" ".join(split(item.text))),
    )


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


def _json(value: object) -> str:
    return as_utf8(_encode(value))
