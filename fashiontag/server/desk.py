"""The workspace as people work on it: products in pages, decisions, what they teach, search.

Plain Python, one method a route. Vectors and judge are used under one lock, for milliseconds; what
takes longer (learning, judging the whole catalogue) has threads and workspaces of its own.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.catalog import Catalog, FileRef, clean_title, item_of
from fashiontag.catalog.annotations import read_annotations
from fashiontag.datamodels import Item
from fashiontag.errors import CatalogError, FashiontagError, UsageError
from fashiontag.heads.artefact import load_probe, save_probe
from fashiontag.index import where as filters
from fashiontag.names import fold
from fashiontag.server.queue import Queue, conflicts
from fashiontag.workflows.learn import SEEN, gather, train_probe, unlabelled
from fashiontag.workflows.tag import APPLIED, Judge, applied_probe, tag
from fashiontag.workspace import Workspace
from fashiontag.workspace.decisions import Choice, Decisions, Standing
from fashiontag.workspace.embed import Embedded, embed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder, Tagged, TagScore
    from fashiontag.heads.probe import Probe
    from fashiontag.heads.zeroshot import Scores
    from fashiontag.index.database import IndexedItem
    from fashiontag.index.qdrant import Collection
    from fashiontag.labels import LabelSpace
    from fashiontag.server.queue import Sort
    from fashiontag.server.searching import Search
    from fashiontag.workflows.learn import Trained
    from fashiontag.workflows.search import SearchResult
    from fashiontag.workspace.decisions import Event

AT_ONCE = 1_000
"""Decisions in one act: a page of products with all their groups."""


AT_SIGHT = 500
"""Products that are put in order before the first page is shown; more take seconds."""


class NotFoundError(UsageError):
    """There is no such product."""


class AmbiguousError(UsageError):
    """Several sources have a product of this id."""


class BusyError(FashiontagError):
    """Something is under way that has to end first."""


@dataclass(frozen=True, slots=True)
class Card:
    """One product as a person sees it.

    Attributes
    ----------
    number : int
        The index's own name, by which its photo is asked for.
    id, source, title, fields
        As indexed; the source is its root.
    tags : tuple of TagScore
        What people decided, else what the program gives now.
    decided : mapping of str to tuple of str
        By group, what people decided; () for none of these.
    conflicts : tuple of str
        Groups in which picture and title say different things.
    """

    number: int
    id: str
    source: str
    title: str
    fields: Mapping[str, str]
    tags: tuple[TagScore, ...]
    decided: Mapping[str, tuple[str, ...]]
    conflicts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some products, and the cursor of the next page, "" at the end.

    ``total`` counts what satisfies the filter; ``sorted`` is false while the order that was asked
    for is still being computed, and the catalogue's own stands in for it.
    """

    items: tuple[Card, ...]
    after: str
    total: int
    sorted: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decides of one product in one group; ``labels`` is () for none of these."""

    id: str
    group: str
    labels: tuple[str, ...]
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A product that would be tagged otherwise, as `workflows.learn.Example`, with its number."""

    number: int
    title: str
    group: str
    before: str
    after: str
    probability: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a probe learned, or would change; as `workflows.learn.Forecast`."""

    decisions: int
    looked_at: int
    changed: int
    right: float
    wrong: float
    examples: tuple[Change, ...]
    warnings: tuple[str, ...]
    seconds: float
    applied: bool


@dataclass(slots=True)
class _State:
    """What people decided, by product: kept in step with the events on disk."""

    revision: int = -1
    by_number: dict[int, dict[str, Event]] = field(default_factory=lambda: defaultdict(dict))
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            number = self.numbers.get((event.source, event.item))
            if number is None:
                continue
            if event.labels is None:
                self.by_number[number].pop(event.group, None)
            else:
                self.by_number[number][event.group] = event
            if not self.by_number[number]:
                del self.by_number[number]


class Desk:
    """A workspace that people work on; a context manager.

    Parameters
    ----------
    path : Path
        A workspace in which something is indexed.
    encoder : Encoder
    space : LabelSpace
    probe : Path or None
        Judges from the start, and what is learned is added to it. None is what was applied in the
        workspace, if anything was.
    collection : Collection or None
        Of Qdrant, which is searched in the place of what is indexed here.
    calibrated : bool
        As in `Workspace`.

    Raises
    ------
    CatalogError, ForeignEncoderError, StoreError
        Nothing is indexed there, or with another model.
    """

    def __init__(
        self,
        path: Path,
        encoder: Encoder,
        space: LabelSpace,
        probe: Path | None = None,
        collection: Collection | None = None,
        *,
        calibrated: bool = True,
    ) -> None:
        self._collection = collection
        self._open = partial(Workspace.indexed, path, encoder, calibrated=calibrated)
        self.workspace = self._open()
        self.workspace.left_out()  # refuses a workspace of another model
        self.decisions = Decisions.open(path)
        self._space = space
        self._base = load_probe(probe, encoder) if probe else None
        applied = applied_probe(self.workspace)
        self._lock = threading.RLock()
        self._learning = threading.Lock()
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._trouble = ""
        self._state = _State()
        self._queue = Queue.plain(np.empty(0, np.int64))
        self._queue_of: tuple[object, ...] = ()
        self._lesson: tuple[tuple[object, ...], Trained] | None = None
        self._judge = Judge(
            self.workspace, space, load_probe(applied, encoder) if applied else self._base
        )
        self._in_background(lambda: self._judge.head)  # prompts, before the first who asks

    # -- products -----------------------------------------------------------------------------

    def page(
        self, *, where: str = "", sort: Sort = "gain", show: str = "all", limit: int = 24,
        after: str = "",
    ) -> Page:  # fmt: skip
        """Return a page of products.

        Parameters
        ----------
        where : str
            A filter as in search; "" for none.
        sort : {"gain", "unsure", "conflict", "catalogue"}
        show : {"all", "open", "decided"}
            Products of which nobody decided anything, or somebody did.
        limit : int
        after : str
            The cursor of the page before.

        Raises
        ------
        QueryError, UsageError
            Filter or cursor can't be read.
        """
        with self._lock:
            queue, state = self._current_queue(), self._current()
            among = np.ones(len(queue.numbers), bool)
            if where.strip():
                chosen = filters.select(filters.parse(where), self.workspace.index, queue.numbers)
                among[:] = False
                among[chosen] = True
            if show != "all":
                decided = np.isin(queue.numbers, np.fromiter(state.by_number, np.int64))
                among &= decided if show == "decided" else ~decided
            try:
                numbers, cursor = queue.page(sort, among, limit, after)
            except (ValueError, OverflowError) as error:
                raise UsageError(
                    f"after is {after!r}; give the cursor that the page before ended with."
                ) from error
            cards = self.cards(self.workspace.index.items(numbers))
        return Page(tuple(cards), cursor, int(among.sum()), sort in queue.keys)

    def item(self, item_id: str, source: str | None = None) -> Card:
        """Return one product.

        Raises
        ------
        NotFoundError, AmbiguousError
        """
        with self._lock:
            return self.cards([self._find(item_id, source)])[0]

    def path_of(self, number: int) -> Path:
        """Return the file of a product's photo; `NotFoundError` if there is no such product."""
        found = self.workspace.index.items([number])
        if not found:
            raise NotFoundError(f"There is no product of the number {number}.")
        return Path(found[0].path)

    def cards(self, items: Sequence[IndexedItem]) -> list[Card]:
        """Return products with what is said of them now."""
        if not items:
            return []
        with self._lock:
            state, space = self._current(), self._judge.space
            embedded = self._embedded(items)
            scored = self._judge.score(self._judge.evidence(embedded), embedded.read)
            rows = self._judge.decide(embedded, scored)
            out = []
            zipped = zip(items, embedded.items, rows, conflicts(scored, space), strict=True)
            for known, item, row, differ in zipped:
                events = state.by_number.get(known.number, {}).values()
                standing = Standing(space, events, known.source)
                decided = standing.labels(item)
                tags = standing.over(item, row.tags) if events else row.tags
                out.append(
                    Card(
                        *(known.number, known.id, known.source, known.title, known.fields),
                        tags=tags,
                        decided=decided,
                        conflicts=tuple(name for name in differ if name not in decided),
                    )
                )
        return out

    def labels(self) -> dict[str, dict[str, Any]]:
        """Return the groups and labels that a person can choose from."""
        space = self._judge.space
        return {g.name: {"exclusive": g.exclusive, "labels": g.names} for g in space.groups}

    # -- decisions ----------------------------------------------------------------------------

    def decide(self, wanted: Sequence[Decided], by: str | None = None) -> tuple[Event, ...]:
        """Record decisions as one act; they are on disk when this returns.

        Raises
        ------
        NotFoundError, AmbiguousError
        UsageError
            There is no such group or label, or two labels of an exclusive group.
        """
        if not 0 < len(wanted) <= AT_ONCE:
            raise UsageError(f"{len(wanted)} decisions came at once; send 1 to {AT_ONCE:,}.")
        with self._lock:
            state, places = self._current(), {}
            for one in wanted:
                if (one.id, one.source) not in places:
                    places[one.id, one.source] = self._find(one.id, one.source)
            found = list(places.values())
            cards = {card.number: card for card in self.cards(found)}
            choices = []
            for one in wanted:
                item = places[one.id, one.source]
                group, labels = self._spelled(one)
                card = cards[item.number]
                was = tuple(t.label for t in card.tags if t.group == group)
                choices.append(Choice(item.source, item.id, group, labels, was, item.image_key))
            events = self.decisions.record(choices, by=by, via="serve")
            state.numbers |= {(item.source, item.id): item.number for item in found}
            self._follow(events)
        return events

    def undo(self, by: str | None = None) -> tuple[Event, ...]:
        """Take back the last act that stands, also one that came in by another way."""
        with self._lock:
            self._current()
            events = self.decisions.undo(by=by)
            self._follow(events)
        return events

    # -- learning -----------------------------------------------------------------------------

    def learn(self, *, apply: bool = False) -> Lesson:
        """Learn from all decisions; say what would change, or let it change.

        Raises
        ------
        BusyError
            Somebody else is learning.
        CatalogError
            The decisions teach nothing.
        """
        if not self._learning.acquire(blocking=False):
            raise BusyError("Somebody is learning at this moment; try again in a few seconds.")
        try:
            with self._lock:
                self._current()
                stamp = (self._state.revision, self.workspace.index.generation())
                decided = {n: dict(events) for n, events in self._state.by_number.items()}
            if not decided:
                raise CatalogError(
                    "Nobody decided anything of what is indexed; correct some products first."
                )
            if self._lesson is None or self._lesson[0] != stamp:
                self._lesson = stamp, self._train(decided)
            trained = self._lesson[1]
            if apply:
                self._apply(trained.probe)
                self._lesson = None
        finally:
            self._learning.release()
        return self._lesson_of(trained, sum(map(len, decided.values())), applied=apply)

    def _train(self, decided: Mapping[int, Mapping[str, Event]]) -> Trained:
        with self._open() as workspace:
            numbers = workspace.placement().numbers
            rest = np.setdiff1d(numbers, np.fromiter(decided, np.int64))
            drawn = np.random.default_rng(0).permutation(rest)[:SEEN]
            known = workspace.index.items([*decided, *np.sort(drawn).tolist()])
            # ids repeat across sources, numbers don't
            items = [_item(item, str(item.number)) for item in known]
            told = {
                str(item.number): {g: e.labels or () for g, e in decided[item.number].items()}
                for item in known
                if item.number in decided
            }
            catalog = Catalog("the workspace", "", items)
            ids = [item.id for item in items]
            annotations = read_annotations(None, ids, self._judge.space, decided=told)
            training, _ = gather(workspace, catalog, annotations)
            base = self._base
            if base is not None:
                training = base.training.combined(training)
            promise = None if base is None else _promise(base)
            return train_probe(
                workspace,
                training,
                catalogue=unlabelled(workspace, catalog, annotations),
                promise=promise,
            )

    def _apply(self, probe: Probe) -> None:
        path = self.workspace.path / APPLIED
        save_probe(probe, path)
        judge = Judge(self.workspace, self._space, load_probe(path, self.workspace.encoder))
        with self._lock:
            _ = judge.head
            self._judge = judge
        self._in_background(self._retag)

    def _lesson_of(self, trained: Trained, decisions: int, *, applied: bool) -> Lesson:
        seen = trained.forecast
        examples = tuple(
            Change(int(e.id), e.title, e.group, e.before, e.after, e.probability)
            for e in seen.examples
        )
        return Lesson(
            *(decisions, seen.products, seen.changed, seen.right, seen.wrong, examples),
            warnings=trained.warnings,
            seconds=trained.seconds,
            applied=applied,
        )

    def _retag(self) -> None:
        """Tag what is indexed again, from stored vectors, so that search and filters follow."""
        with self._open() as workspace:
            probe = applied_probe(workspace)
            numbers = workspace.placement().numbers.tolist()
            by_source: dict[str, list[Item]] = defaultdict(list)
            for item in workspace.index.items(numbers):
                if item.image_key and not item.source.startswith("hf:"):
                    by_source[item.source].append(_item(item))
            for root, items in by_source.items():
                if not self._closed.is_set():
                    tag(workspace, Catalog("the workspace", root, items), self._space, probe=probe)

    # -- search, one picture, figures ---------------------------------------------------------

    def search(self, asked: Search) -> SearchResult:
        """Search, as `fashiontag search` does."""
        with self._lock:
            return asked.run(self.workspace, self._collection)

    def numbers_of(self, result: SearchResult) -> list[int | None]:
        """Return the numbers of a search's hits, by which their photos are asked for."""
        roots = [source.root for source in self.workspace.index.sources()]
        found = self.workspace.index.locate([(r, hit.id) for hit in result.hits for r in roots])
        items = self.workspace.index.items(list(found.values()))
        named = {(item.id, item.path): item.number for item in items}
        return [named.get((hit.id, hit.path)) for hit in result.hits]

    def like(self, item_id: str, source: str | None = None) -> Path:
        """Return the photo of a product, to search with."""
        return Path(self._find(item_id, source).path)

    def tag(self, images: Sequence[tuple[str, bytes]], title: str = "") -> list[Tagged]:
        """Tag pictures that aren't in the catalogue: name and bytes each."""
        items = [item_of(data, title, name) for name, data in images]
        with self._lock:
            return [row for w in embed(self.workspace, items) for row in self._judge.tag(w)]

    @property
    def judge(self) -> Judge:
        """What judges at the moment."""
        return self._judge

    def stats(self) -> dict[str, Any]:
        """Return counts and shares per group, how far people are, and what judges."""
        with self._lock:
            state, queue, judge = self._current(), self._current_queue(), self._judge
            counts = self.workspace.index.counts()
        total = len(queue.numbers)
        groups = {}
        for group in judge.space.groups:
            have = counts.get(group.name, {})
            found = [(name, have.get(fold(name), 0)) for name in group.names]
            groups[group.name] = [
                {"label": name, "count": count, "share": count / max(total, 1)}
                for name, count in sorted(found, key=lambda pair: -pair[1])
            ]
        probe = judge.probe
        return {
            "items": total,
            "reviewed": len(state.by_number),
            "decisions": sum(map(len, state.by_number.values())),
            "sources": [s.root for s in self.workspace.index.sources() if s.items],
            "model": self.workspace.encoder.name,
            "labels": judge.space.name,
            "probe": None if probe is None else {"products": len(probe.training.ids)},
            "promise": None if probe is None else probe.precision,
            "busy": any(thread.is_alive() for thread in self._threads),
            "trouble": self._trouble,
            "groups": groups,
        }

    def settle(self) -> None:
        """Wait for what runs in the background."""
        for thread in self._threads:
            thread.join()

    def close(self) -> None:
        """Let what runs in the background end, and release the files."""
        self._closed.set()
        self.settle()
        self.workspace.close()
        self.decisions.close()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- inside -------------------------------------------------------------------------------

    def _find(self, item_id: str, source: str | None) -> IndexedItem:
        index = self.workspace.index
        roots = [source] if source is not None else [s.root for s in index.sources()]
        found = index.locate([(root, item_id) for root in roots])
        if not found:
            where = "" if source is None else f" in {source}"
            raise NotFoundError(f"There is no product {item_id!r}{where}.")
        if len(found) > 1:
            named = ", ".join(sorted(root for root, _ in found))
            raise AmbiguousError(f"{item_id!r} is in several sources, name one of them: {named}.")
        there = index.items(list(found.values()))
        if not there:
            raise NotFoundError(f"There is no product {item_id!r} any more.")
        return there[0]

    def _spelled(self, one: Decided) -> tuple[str, tuple[str, ...]]:
        space = self._judge.space
        group = next((g for g in space.groups if fold(g.name) == fold(one.group)), None)
        if group is None:
            raise UsageError(
                f"There is no group {one.group!r}; there are {', '.join(space.names)}."
            )
        names = {fold(name): name for name in group.names}
        strange = [label for label in one.labels if fold(label) not in names]
        if strange:
            raise UsageError(f"{group.name} has no label {strange[0]!r}.")
        labels = tuple(dict.fromkeys(names[fold(label)] for label in one.labels))
        if group.exclusive and len(labels) > 1:
            raise UsageError(f"{group.name} holds one label, and {len(labels)} were given.")
        return group.name, labels

    def _embedded(self, items: Sequence[IndexedItem]) -> Embedded:
        """Return indexed products as a window whose vectors are stored; nothing is read."""
        images, texts = self.workspace.images, self.workspace.texts
        return Embedded(
            items=tuple(_item(item) for item in items),
            images=images.find([item.image_key or "" for item in items]),
            texts=texts.find([item.text_key or "" for item in items]),
            image_keys=tuple(item.image_key for item in items),
            errors=("",) * len(items),
            encoded=0,
            chunked=0,
        )

    def _current(self) -> _State:
        """Return what people decided, read again where others added to it."""
        if self._state.revision != self.decisions.revision():
            events = self.decisions.current()
            state = _State(
                self.decisions.revision(),
                numbers=self.workspace.index.locate([e.key[:2] for e in events.values()]),
            )
            state.add(events.values())
            self._state = state
        return self._state

    def _follow(self, events: Sequence[Event]) -> None:
        """Keep step with events of our own; others' between them are read with the next request."""
        state = self._state
        if events and events[0].number == state.revision + 1:
            state.add(events)
            state.revision = events[-1].number

    def _current_queue(self) -> Queue:
        """Return the order of products; a better one is computed beside requests."""
        stamp = (self.workspace.index.generation(), id(self._judge))
        if stamp != self._queue_of:
            numbers = self.workspace.placement().numbers
            # between two states an older order, if there is one, is better than none
            if not np.array_equal(self._queue.numbers, numbers):
                self._queue = Queue.plain(numbers)
                self._state.revision = -1  # its numbers were of another state
            self._queue_of = stamp
            if len(numbers) <= AT_SIGHT:
                self._sort(stamp, numbers)
            else:
                self._in_background(lambda: self._sort(stamp, numbers))
        return self._queue

    def _sort(self, stamp: tuple[object, ...], numbers: NDArray[np.int64]) -> None:
        judge = self._judge

        @contextmanager
        def wanted() -> Iterator[None]:
            with self._lock:
                if self._closed.is_set() or self._queue_of != stamp:
                    raise BusyError("Another order is wanted by now.")
                yield

        def scores(some: Sequence[int]) -> Scores:
            with wanted():
                embedded = self._embedded(self.workspace.index.items(some))
                return judge.score(judge.evidence(embedded), embedded.read)

        def pictures(some: Sequence[int]) -> NDArray[np.float32]:
            with wanted():
                rows = self._embedded(self.workspace.index.items(some)).images
                return self.workspace.images.padded(rows, self.workspace.encoder.dim)

        queue = Queue.judged(numbers, judge.space, scores, pictures)
        with wanted():
            self._queue = queue

    def _in_background(self, work: Any) -> None:  # noqa: ANN401
        def run() -> None:
            try:
                work()
            except BusyError:  # a newer state took over, and asked again
                pass
            except (FashiontagError, ValueError) as error:
                self._trouble = str(error)

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()


def _item(known: IndexedItem, item_id: str | None = None) -> Item:
    """Return an indexed product as its source had it."""
    text = clean_title(known.title) if known.title else ""
    image = FileRef(known.path)
    return Item(item_id or known.id, known.path, known.title, text, known.fields, image)


def _promise(probe: Probe) -> Any:  # noqa: ANN401
    from fashiontag.heads.local import Promise

    return None if probe.precision is None else Promise(probe.precision)
