"""The workspace as people work on it: products in pages, decisions, what they teach, search.

Plain Python, one method a route. Vectors and judge are used under one lock, for milliseconds; what
takes longer (learning, judging the whole catalogue) has threads and workspaces of its own.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.catalog import Catalog, item_of
from fashiontag.errors import CatalogError, FashiontagError, UsageError
from fashiontag.heads.artefact import load_probe, save_probe
from fashiontag.heads.photos import fuse_scores, photos_among, together
from fashiontag.index import where as filters
from fashiontag.names import fold
from fashiontag.server.lessons import item_as_indexed, lesson_of, train
from fashiontag.server.queue import Queue, conflicts
from fashiontag.sinks.tables import Layout
from fashiontag.workflows.tag import APPLIED, Judge, applied_probe, tag
from fashiontag.workspace import Workspace
from fashiontag.workspace.decisions import Choice, Decisions, Standing
from fashiontag.workspace.embed import Embedded, Threads, embed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder, Item, TagScore
    from fashiontag.heads.probe import Probe
    from fashiontag.heads.zeroshot import Scores
    from fashiontag.index.database import IndexedItem
    from fashiontag.index.qdrant import Collection as Elsewhere
    from fashiontag.labels import LabelSpace
    from fashiontag.server.lessons import Lesson
    from fashiontag.server.queue import Sort
    from fashiontag.workflows.learn import Trained
    from fashiontag.workflows.search import Query, SearchResult
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
        The index's own name of its main photo, by which that is asked for.
    id, source, title, fields
        As indexed, of the main photo; the source is its root.
    photos : tuple of int
        The numbers of all its photos, the main one first.
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
    photos: tuple[int, ...]
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
    """What a person decides of one product in one group; ``labels`` is () for none of these.

    It is a photo that is named; ``whole`` means all those of its product.
    """

    id: str
    group: str
    labels: tuple[str, ...]
    source: str | None = None
    whole: bool = False


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
        collection: Elsewhere | None = None,
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
        self._background = ThreadPoolExecutor(3, "desk")
        self._jobs: list[Future[None]] = []
        self._pool = Threads.of()  # starting some would be a tenth of the time of a picture
        self._trouble = ""
        self._decided: dict[int, dict[str, Event]] = {}
        self._revision = -1
        self._queue = Queue.plain(*np.empty((2, 0), np.int64))
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
            queue, decided = self._current_queue(), self._current()
            among = queue.products(self._satisfying(where, queue))
            if show != "all":
                done = queue.products(queue.marked(decided))
                among &= done if show == "decided" else ~done
            try:
                numbers, cursor = queue.page(sort, among, limit, after)
            except (ValueError, OverflowError) as error:
                raise UsageError(
                    f"after is {after!r}; give the cursor that the page before ended with."
                ) from error
            cards = self.cards(numbers)
        return Page(tuple(cards), cursor, int(among.sum()), sort in queue.keys)

    def item(self, item_id: str, source: str | None = None) -> Card:
        """Return one product.

        Raises
        ------
        NotFoundError, AmbiguousError
        """
        with self._lock:
            return self.cards([self._find(item_id, source).number])[0]

    def path_of(self, number: int) -> Path:
        """Return the file of a product's photo; `NotFoundError` if there is no such product."""
        found = self.workspace.index.items([number])
        if not found:
            raise NotFoundError(f"There is no product of the number {number}.")
        return Path(found[0].path)

    def cards(self, numbers: Sequence[int]) -> list[Card]:
        """Return products, each named by one of its photos, with what is said of them now."""
        with self._lock:
            queue, judge, space = self._current_queue(), self._judge, self._judge.space
            wanted = [queue.photos(number) for number in numbers]
            there = self.workspace.index.items([n for photos in wanted for n in photos])
            known = {item.number: item for item in there}
            looks = [[known[n] for n in photos if n in known] for photos in wanted]
            looks = [look for look in looks if look]
            if not looks:
                return []
            photos = [photo for look in looks for photo in look]
            embedded = self._embedded(photos)
            evidence = judge.evidence(embedded)
            scored = judge.score(evidence, embedded.read)
            differ, ends = [*conflicts(scored, space)], np.cumsum([len(look) for look in looks])
            spans = [range(end - len(look), end) for end, look in zip(ends, looks, strict=True)]
            if len(photos) > len(looks):
                whole = judge.head.statistics.shows_whole(evidence.images)
                scored = together(
                    [fuse_scores(space, photos_among(scored, span), whole[span]) for span in spans]
                )
            found = judge.decider.decide(scored)
            torn = [tuple(dict.fromkeys(g for row in span for g in differ[row])) for span in spans]
            return [self._card(*one) for one in zip(looks, found, torn, strict=True)]

    def _card(
        self, look: Sequence[IndexedItem], tags: tuple[TagScore, ...], torn: Sequence[str]
    ) -> Card:
        main, said_of = look[0], self._current()
        events: dict[str, Event] = {}
        for photo in reversed(look):  # what was said of the main photo is said of the product
            events |= said_of.get(photo.number, {})
        decided: Mapping[str, tuple[str, ...]] = {}
        if events:
            said = [replace(event, item=main.id) for event in events.values()]
            standing, item = Standing(self._judge.space, said, main.source), item_as_indexed(main)
            decided, tags = standing.labels(item), standing.over(item, tags)
        return Card(
            *(main.number, main.id, main.source, main.title, main.fields),
            photos=tuple(photo.number for photo in look),
            tags=tags,
            decided=decided,
            conflicts=tuple(name for name in torn if name not in decided),
        )

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
            choices = []
            asked = {(one.id, one.source): None for one in wanted}
            number_of = {one: self._find(*one).number for one in asked}
            cards = {n: card for card in self.cards([*number_of.values()]) for n in card.photos}
            known = {item.number: item for item in self.workspace.index.items([*cards])}
            for one in wanted:
                number = number_of[one.id, one.source]
                card, (group, labels) = cards[number], self._spelled(one)
                was = tuple(tag.label for tag in card.tags if tag.group == group)
                photos = [known[n] for n in (card.photos if one.whole else (number,))]
                choices += [
                    Choice(item.source, item.id, group, labels, was, item.image_key)
                    for item in photos
                ]
            events = self.decisions.record(choices, by=by, via="serve")
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
                queue, decided = self._current_queue(), self._current()
                stamp = (self._revision, self.workspace.index.generation())
                decided = {number: dict(events) for number, events in decided.items()}
            if not decided:
                raise CatalogError(
                    "Nobody decided anything of what is indexed; correct some products first."
                )
            if self._lesson is None or self._lesson[0] != stamp:
                with self._open() as workspace:
                    mains = queue.numbers[queue.products(np.ones(len(queue.numbers), bool))]
                    trained = train(workspace, self._judge.space, self._base, decided, mains)
                self._lesson = stamp, trained
            trained = self._lesson[1]
            if apply:
                self._apply(trained.probe)
                self._lesson = None
        finally:
            self._learning.release()
        events = [*_once(queue, decided).values()]
        return lesson_of(trained, self._judge.space, events, applied=apply)

    def _apply(self, probe: Probe) -> None:
        path = self.workspace.path / APPLIED
        save_probe(probe, path)
        judge = Judge(self.workspace, self._space, load_probe(path, self.workspace.encoder))
        with self._lock:
            _ = judge.head
            self._judge = judge
        self._in_background(self._retag)

    def _retag(self) -> None:
        """Tag what is indexed again, from stored vectors, so that search and filters follow."""
        with self._open() as workspace:
            probe = applied_probe(workspace)
            numbers = workspace.placement().numbers.tolist()
            by_source: dict[str, list[Item]] = defaultdict(list)
            for item in workspace.index.items(numbers):
                if item.image_key and not item.source.startswith("hf:"):
                    by_source[item.source].append(item_as_indexed(item))
            for root, items in by_source.items():
                if not self._closed.is_set():
                    tag(workspace, Catalog("the workspace", root, items), self._space, probe=probe)

    # -- search, one picture, figures ---------------------------------------------------------

    def search(self, asked: Query) -> SearchResult:
        """Search, as `fashiontag search` does."""
        from fashiontag.workflows.search import search

        with self._lock:
            return search(self.workspace, asked, self._collection)

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

    def tag(self, images: Sequence[tuple[str, bytes]], title: str = "") -> list[dict[str, Any]]:
        """Tag pictures that aren't in the catalogue, name and bytes each; rows as of ``.jsonl``."""
        items = [item_of(data, title, name) for name, data in images]
        with self._lock:
            judge = self._judge
            windows = embed(self.workspace, items, threads=self._pool)
            rows = [row for window in windows for row in judge.tag(window)]
        layout = Layout(judge.space.names, promised=judge.promised)
        return [*map(layout.nested_row, rows)]

    def stats(self, where: str = "") -> dict[str, Any]:
        """Return counts and shares per group, how far people are, and what judges.

        Of the products that satisfy a filter; labels are counted by photo.
        """
        with self._lock:
            queue, judge, said = self._current_queue(), self._judge, self._current()
            among = self._satisfying(where, queue)
            chosen = queue.numbers[among] if where.strip() else None
            counts = self.workspace.index.counts(chosen)
        total = int(among.sum())
        groups = {}
        for group in judge.space.groups:
            have = counts.get(group.name, {})
            found = [(name, have.get(fold(name), 0)) for name in group.names]
            groups[group.name] = [
                {"label": name, "count": count, "share": count / max(total, 1)}
                for name, count in sorted(found, key=lambda pair: -pair[1])
            ]
        decided = among & queue.marked(said)
        probe = judge.probe
        return {
            "items": int(queue.products(among).sum()),
            "reviewed": int(queue.products(decided).sum()),
            "decisions": len(_once(queue, said)),
            "sources": [s.root for s in self.workspace.index.sources() if s.items],
            "model": self.workspace.encoder.name,
            "labels": judge.space.name,
            "probe": None if probe is None else {"products": len(probe.training.ids)},
            "promise": None if probe is None else probe.precision,
            "busy": any(not job.done() for job in self._jobs),
            "trouble": self._trouble,
            "groups": groups,
        }

    def settle(self) -> None:
        """Wait for what runs in the background."""
        wait(self._jobs)

    def close(self) -> None:
        """Let what runs in the background end, and release the files."""
        self._closed.set()
        self._background.shutdown(cancel_futures=True)
        self._pool.close()
        self.workspace.close()
        self.decisions.close()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- inside -------------------------------------------------------------------------------

    def _satisfying(self, where: str, queue: Queue) -> NDArray[np.bool_]:
        """Mark the photos that satisfy a filter, all where there is none."""
        if not where.strip():
            return np.ones(len(queue.numbers), bool)
        found = np.zeros(len(queue.numbers), bool)
        found[filters.select(filters.parse(where), self.workspace.index, queue.numbers)] = True
        return found

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
            items=tuple(map(item_as_indexed, items)),
            images=images.find([item.image_key or "" for item in items]),
            texts=texts.find([item.text_key or "" for item in items]),
            image_keys=tuple(item.image_key for item in items),
            errors=("",) * len(items),
            encoded=0,
            chunked=0,
        )

    def _current(self) -> dict[int, dict[str, Event]]:
        """Return what people decided, by number and group, read again where others added to it."""
        revision = self.decisions.revision()
        if self._revision != revision:
            self._decided, self._revision = {}, revision
            self._add(self.decisions.current().values())
        return self._decided

    def _follow(self, events: Sequence[Event]) -> None:
        """Keep step with events of our own; others' between them are read with the next request."""
        if events and events[0].number == self._revision + 1:
            self._add(events)
            self._revision = events[-1].number

    def _add(self, events: Collection[Event]) -> None:
        numbers = self.workspace.index.locate([event.key[:2] for event in events])
        for event in events:
            number = numbers.get(event.key[:2])
            if number is not None:
                groups = self._decided.setdefault(number, {})
                groups[event.group] = event
                if event.labels is None:
                    del groups[event.group]
                if not groups:
                    del self._decided[number]

    def _current_queue(self) -> Queue:
        """Return the order of products; a better one is computed beside requests."""
        stamp = (self.workspace.index.generation(), id(self._judge))
        if stamp != self._queue_of:
            numbers = self.workspace.placement().numbers
            # between two states an older order, if there is one, is better than none
            if not np.array_equal(self._queue.numbers, numbers):
                self._queue = Queue.plain(numbers, self.workspace.index.mains())
                self._revision = -1  # its numbers were of another state
            self._queue_of = stamp
            if len(numbers) <= AT_SIGHT:
                self._sort(stamp)
            else:
                self._in_background(lambda: self._sort(stamp))
        return self._queue

    def _sort(self, stamp: tuple[object, ...]) -> None:
        judge, plain = self._judge, self._queue

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

        queue = plain.judged(judge.space, scores, pictures)
        with wanted():
            self._queue = queue

    def _in_background(self, work: Callable[[], object]) -> None:
        def run() -> None:
            try:
                work()
            except BusyError:  # a newer state took over, and asked again
                pass
            except (FashiontagError, ValueError) as error:
                self._trouble = str(error)

        self._jobs = [job for job in self._jobs if not job.done()]
        self._jobs.append(self._background.submit(run))


def _once(queue: Queue, decided: Mapping[int, Mapping[str, Event]]) -> dict[tuple[int, str], Event]:
    """Return decisions by product and group: those on its photos are one."""
    return {
        (queue.photos(number)[0], group): event
        for number, events in decided.items()
        for group, event in events.items()
    }
