"""What people decided: events that are only ever added, and what of them holds.

An event says who decided when that a product has these labels in this group, and what was there
before. Taking one back adds its inverse. They lie in a file of their own, which no other command
rebuilds, prunes or asks to delete, and an event that was acknowledged is on disk.
"""

from __future__ import annotations

import getpass
import json
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from fashiontag.catalog.titles import first_few
from fashiontag.database import Database, as_utf8
from fashiontag.datamodels import TagScore
from fashiontag.errors import ImageError
from fashiontag.labels import UNKNOWN, LabelSpace
from fashiontag.names import fold
from fashiontag.workspace.embed import WINDOW, content_key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Item, Source
    from fashiontag.vectors import VectorStore

    ByGroup = Mapping[str, tuple[str, ...]]

DATABASE = "decisions.sqlite"
FORMAT = 1

# labels is NULL where nothing is decided any more: an inverse of a first decision.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, act INTEGER NOT NULL, at TEXT NOT NULL,
    by TEXT NOT NULL, via TEXT NOT NULL, source TEXT NOT NULL, item TEXT NOT NULL,
    "group" TEXT NOT NULL, labels TEXT, was TEXT NOT NULL, image_key TEXT, undoes INTEGER);
CREATE INDEX IF NOT EXISTS by_place ON events (source, item, "group", number);
CREATE TRIGGER IF NOT EXISTS kept BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END;
CREATE TRIGGER IF NOT EXISTS unchanged BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END
"""
_COLUMNS = 'number, act, at, by, via, source, item, "group", labels, was, image_key, undoes'
_AS_WRITTEN = LabelSpace("", ())
_LATEST = f"""
SELECT {_COLUMNS} FROM events WHERE number IN
    (SELECT max(number) FROM events GROUP BY source, item, "group") ORDER BY number
"""  # noqa: S608 (no text of a user's is in it)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chooses for one product in one group, to be recorded.

    Attributes
    ----------
    source, item, group : str
        The source's root (`Catalog.root`), the item's id in it, the group.
    labels : tuple of str
        What holds; () for none of these.
    was : tuple of str
        What stood there before, the program's answer or an earlier decision.
    image_key : str or None
        The content key of the product's picture, by which it is found once it is renamed.
    """

    source: str
    item: str
    group: str
    labels: tuple[str, ...]
    was: tuple[str, ...] = ()
    image_key: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One event, as it was recorded.

    Attributes
    ----------
    number, act : int
        Its own number, and that of the first event recorded with it: they are undone together.
    at, by, via : str
        When (UTC, ISO 8601), who, and by what: "decisions import tags.csv".
    source, item, group, was, image_key
        As in `Choice`.
    labels : tuple of str or None
        () for none of these; None where nothing is decided any more.
    undoes : int or None
        The act that this one takes back.
    """

    number: int
    act: int
    at: str
    by: str
    via: str
    source: str
    item: str
    group: str
    labels: tuple[str, ...] | None
    was: tuple[str, ...]
    image_key: str | None = None
    undoes: int | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Of what it decides: source, item and group."""
        return self.source, self.item, self.group


class Decisions:
    """The decisions of people in a workspace; a context manager.

    Any number of threads and processes may read and record at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, workspace: Path) -> Self:
        """Open a workspace's decisions, creating file and folder if need be.

        Raises
        ------
        StoreError
            If the folder can't be written, the file is damaged, or a newer version made it.
        """
        database = Database(
            workspace / DATABASE,
            _SCHEMA,
            FORMAT,
            subject=f"The file of decisions in {workspace}",
            remedy=f"bring {DATABASE} there back from a copy, for nothing can make it again",
        )
        return cls(database)

    def record(
        self, choices: Iterable[Choice], *, by: str | None = None, via: str = ""
    ) -> tuple[Event, ...]:
        """Record what a person chose, as one act; it is on disk when this returns.

        Parameters
        ----------
        choices : iterable of Choice
            One that is decided so already adds no event.
        by : str or None
            Who; None is the user of this process.
        via : str
            How it came in, for whoever reads the list later.

        Returns
        -------
        tuple of Event
            What was added.

        Raises
        ------
        StoreError
            Nothing could be recorded, and nothing was.
        """
        who = _user() if by is None else by
        with self._database.turn("written", "IMMEDIATE"):
            act = self.revision() + 1
            for choice in choices:
                key = (choice.source, choice.item, choice.group)
                last = self._before(key)
                if last is None or last.labels is None or _differ(last.labels, choice.labels):
                    self._add(choice, choice.labels, act, who, via)
            return self._read("WHERE act = ? ORDER BY number", act)

    def undo(self, *, by: str | None = None) -> tuple[Event, ...]:
        """Take back the last act that stands, by adding its inverse; return what was added.

        Of each event the inverse decides what was decided before it, or that nothing is. ()
        where there is nothing to undo.
        """
        who = _user() if by is None else by
        with self._database.turn("written", "IMMEDIATE"):
            rows = self._database.execute(
                "SELECT max(act) FROM events WHERE undoes IS NULL AND act NOT IN"
                " (SELECT undoes FROM events WHERE undoes IS NOT NULL)"
            )
            ((undone,),) = rows
            if undone is None:
                return ()
            act = self.revision() + 1
            for event in self._read("WHERE act = ? ORDER BY number DESC", undone):
                before = self._before(event.key, event.number)
                inverse = replace(event, was=event.labels or (), undoes=undone)
                self._add(inverse, None if before is None else before.labels, act, who, "undo")
            return self._read("WHERE act = ? ORDER BY number", act)

    def events(self) -> tuple[Event, ...]:
        """Return all events, in the order in which they were recorded."""
        with self._database.turn():
            return self._read("ORDER BY number")

    def current(self) -> dict[tuple[str, str, str], Event]:
        """Return what holds, per (source, item, group), oldest first."""
        with self._database.turn():
            latest = map(_event, self._database.execute(_LATEST))
            return {event.key: event for event in latest if event.labels is not None}

    def revision(self) -> int:
        """Return the number of the last event, 0 where there is none: it grows with each."""
        with self._database.lone("read"):
            ((number,),) = self._database.execute("SELECT coalesce(max(number), 0) FROM events")
        return int(number)

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _read(self, rest: str, *values: object) -> tuple[Event, ...]:
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM events {rest}", values)  # noqa: S608
        return tuple(map(_event, rows))

    def _before(self, key: tuple[str, str, str], number: int | None = None) -> Event | None:
        """Return the last event of one place, or the last one before a number."""
        found = self._read(
            'WHERE source = ? AND item = ? AND "group" = ? AND number < ?'
            " ORDER BY number DESC LIMIT 1",
            *map(as_utf8, key),
            2**63 - 1 if number is None else number,
        )
        return found[0] if found else None

    def _add(
        self, of: Choice | Event, labels: tuple[str, ...] | None, act: int, who: str, via: str
    ) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        texts = map(as_utf8, (who, via, of.source, of.item, of.group))
        decided = None if labels is None else _json(labels)
        undoes = of.undoes if isinstance(of, Event) else None
        self._database.execute(
            f"INSERT INTO events ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (act, now, *texts, decided, _json(of.was), of.image_key, undoes),
        )


class Standing:
    """What people decided of the items of one catalogue, to be laid over the program's tags.

    A decision is found by source and id, or by the file where one file is an item of several
    sources. One whose item is gone goes to the one item that has the same picture.

    Attributes
    ----------
    decided : int
        Decisions that hold for items of the catalogue.
    notes : tuple of str
        What there is to say of those that can't be given as they are.
    """

    def __init__(self, space: LabelSpace, decided: Iterable[Event], root: str) -> None:
        self.decided = 0
        self.notes: tuple[str, ...] = ()
        self._space = space
        self._root = root
        self._groups = {fold(name): name for name in space.names}
        self._labels = {
            group.name: {fold(name): name for name in group.names} for group in space.groups
        }
        self._by_place: dict[str, dict[str, Event]] = defaultdict(dict)
        for event in decided:  # oldest first: of two for one file the later one holds
            self._by_place[_place(event.source, event.item)][event.group] = event

    @classmethod
    def of(cls, store: VectorStore, catalog: Catalog, space: LabelSpace = _AS_WRITTEN) -> Self:
        """Return what holds for a catalogue, those for renamed pictures included.

        Parameters
        ----------
        store : VectorStore
            Of the workspace: it knows the contents of most pictures.
        catalog : Catalog
        space : LabelSpace
            What can be given; a decision on another group is kept, and noted. Without one the
            decisions stand as they were written.
        """
        standing = cls(space, current(store.workspace), catalog.root)
        if not standing._by_place:
            return standing
        moved = tuple(standing._follow(store, catalog))
        used = [event for item in catalog.items for event in standing.events(item)]
        standing.decided = len(used)
        standing.notes = (*standing._foreign(used), *moved)
        return standing

    def events(self, item: Item) -> tuple[Event, ...]:
        """Return what holds for one item, as recorded."""
        found = dict(self._by_place.get(item.image.locator, ()))
        found |= self._by_place.get(_place(self._root, item.id), {})
        return tuple(event for event in found.values() if event.labels is not None)

    def labels(self, item: Item) -> dict[str, tuple[str, ...]]:
        """Return what holds for one item, by group, spelled as the label file spells it."""
        found = {}
        for event in self.events(item):
            group = self._groups.get(fold(event.group), event.group)
            known = self._labels.get(group, {})
            found[group] = tuple(known.get(fold(name), name) for name in event.labels or ())
        return found

    def over(self, item: Item, tags: tuple[TagScore, ...]) -> tuple[TagScore, ...]:
        """Return an item's tags with what people decided in the place of the program's answer.

        What a decided label implies holds too, in groups of which nobody decided.
        """
        return self.laid(self.labels(item), tags, "both" if item.text else "image")

    def laid(
        self, decided: ByGroup, tags: tuple[TagScore, ...], fallback: Source
    ) -> tuple[TagScore, ...]:
        """Return tags with decisions in their place; ``fallback`` is the source of new ones."""
        if not decided:
            return tags
        tagged = [f"{group}={label}" for group, labels in decided.items() for label in labels]
        known = set(self._space.tags)
        implied: dict[str, list[str]] = defaultdict(list)
        for tag in self._space.implied(tag for tag in tagged if tag in known):
            name, _, label = tag.partition("=")
            if name not in decided:
                implied[name].append(label)
        sources = {tag.tag: tag.source for tag in tags}
        out: list[TagScore] = []
        for group in self._space.groups:
            theirs = decided.get(group.name, tuple(implied[group.name]))
            for label in theirs:
                source = sources.get(f"{group.name}={label}", fallback)
                out.append(TagScore(group.name, label, 1.0, source, "person", "publish"))
            if group.name not in decided and not (theirs and group.exclusive):
                out += [t for t in tags if t.group == group.name and t.label not in theirs]
        return tuple(out)

    def _foreign(self, used: Sequence[Event]) -> Iterator[str]:
        """Say what of the decisions in use the label space doesn't have."""
        if self._space is _AS_WRITTEN:
            return
        groups: Counter[str] = Counter()
        labels: Counter[str] = Counter()
        for event in used:
            group = self._groups.get(fold(event.group))
            if group is None:
                groups[event.group] += 1
                continue
            strange = [x for x in event.labels or () if fold(x) not in self._labels[group]]
            labels.update(f"{group}={label}" for label in strange)
        if groups:
            yield (
                f"{_decisions(groups.total())} of people on groups that the labels "
                f"'{self._space.name}' don't have; they are kept: {_named(groups)}."
            )
        if labels:
            yield (
                f"{_decisions(labels.total())} of people name labels that "
                f"'{self._space.name}' doesn't have, and are given all the same: {_named(labels)}."
            )

    def _follow(self, store: VectorStore, catalog: Catalog) -> Iterator[str]:
        """Give decisions whose item is gone to the one item with its picture; say how many."""
        places = {_place(catalog.root, item.id) for item in catalog.items}
        places |= {item.image.locator for item in catalog.items}
        gone = {
            place: list(events.values())
            for place, events in self._by_place.items()
            if place not in places and _is_gone(next(iter(events.values())), catalog)
        }
        wanted = {event.image_key for events in gone.values() for event in events} - {None}
        by_picture = _items_of(store, catalog.items, wanted) if wanted else {}
        followed, left = 0, 0
        for events in gone.values():
            for event in events:
                found = by_picture.get(event.image_key, [])
                if len(found) == 1:
                    place = _place(catalog.root, found[0].id)
                    followed += self._by_place[place].setdefault(event.group, event) is event
                elif event.source == catalog.root and catalog.complete:
                    left += 1
        if followed:
            yield f"{_decisions(followed)} of people followed pictures that have another name now."
        if left:
            yield (
                f"{_decisions(left)} of people on products that aren't in {catalog.source} any "
                "more; they are kept."
            )


def current(workspace: Path) -> tuple[Event, ...]:
    """Return what holds in a workspace, oldest first; () without making a file where none is."""
    if not (workspace / DATABASE).is_file():
        return ()
    with Decisions.open(workspace) as decisions:
        return tuple(decisions.current().values())


def revision(workspace: Path) -> int:
    """Return `Decisions.revision` of a workspace, 0 where nothing was ever decided."""
    if not (workspace / DATABASE).is_file():
        return 0
    with Decisions.open(workspace) as decisions:
        return decisions.revision()


def _items_of(
    store: VectorStore, items: Sequence[Item], wanted: Collection[str | None]
) -> dict[str | None, list[Item]]:
    """Return the items that show one of these pictures; what isn't known yet is read."""
    found: dict[str | None, list[Item]] = defaultdict(list)
    for start in range(0, len(items), WINDOW):
        window = items[start : start + WINDOW]
        refs = [(item.image.locator, item.image.stamp() or "") for item in window]
        for item, known in zip(window, store.contents(refs), strict=True):
            try:
                key = known.hash if known else content_key(item.image.read())
            except ImageError:
                continue
            if key in wanted:
                found[key].append(item)
    return found


def _is_gone(event: Event, catalog: Catalog) -> bool:
    """Tell whether the item of an event, which isn't in the catalogue, is nowhere any more."""
    if event.source == catalog.root and catalog.complete:
        return True
    if event.source.startswith("hf:") or os.path.isfile(event.source):  # noqa: PTH113
        return False  # a row of a data set or a table, which nobody reads for this
    return not os.path.exists(_place(event.source, event.item))  # noqa: PTH110


def _place(source: str, item: str) -> str:
    """Return what an item is found by: in a folder the very file, whatever source names it."""
    return f"{source.rstrip('/')}/{item}"


def _event(row: Sequence[object] | sqlite3.Row) -> Event:
    number, act, at, by, via, source, item, group, labels, was, image_key, undoes = row
    return Event(
        *(number, act, at, by, via, source, item, group),  # type: ignore[arg-type]
        labels=None if labels is None else tuple(json.loads(str(labels))),
        was=tuple(json.loads(str(was))),
        image_key=image_key,  # type: ignore[arg-type]
        undoes=undoes,  # type: ignore[arg-type]
    )


def _json(labels: tuple[str, ...]) -> str:
    return as_utf8(json.dumps(labels, ensure_ascii=False))


def _differ(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return {fold(name) for name in one} != {fold(name) for name in other}


def _decisions(count: int) -> str:
    return "1 decision" if count == 1 else f"{count:,} decisions"


def _named(counts: Counter[str]) -> str:
    return first_few([f"{name} ({count})" for name, count in counts.most_common()])


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without a name for its user
        return UNKNOWN
