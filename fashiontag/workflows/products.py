"""Rows of products and variants: what their photos say together, and where they disagree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fashiontag.catalog import Catalog
from fashiontag.catalog.items import NoPicture
from fashiontag.catalog.units import VARIANTS_OWN, units_of
from fashiontag.datamodels import Conflict, Item, PhotoSays, TaggedUnit
from fashiontag.heads.photos import (
    STRANGE,
    fuse_scores,
    photos_among,
    strangeness,
    together,
    with_groups,
)
from fashiontag.names import fold
from fashiontag.workspace.decisions import Standing
from fashiontag.workspace.embed import Embedded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fashiontag.catalog.units import Unit
    from fashiontag.datamodels import Source, TagScore
    from fashiontag.heads.zeroshot import Evidence, Scores
    from fashiontag.labels import Group
    from fashiontag.workflows.tag import Judge

UNITS_AT_ONCE = 256
"""Rows judged together: the scores of their photos take some megabytes."""

_NO_PICTURE = "a product is no picture; its photos are"

Decided = dict[str, tuple[str, ...]]


class _Seen(NamedTuple):
    """Some photos, and what is thought of each: with its title, and (``looks``) without."""

    row_of: dict[int, int]
    embedded: Embedded
    evidence: Evidence
    whole: NDArray[np.float64]
    scores: Scores
    looks: Scores
    alone: list[list[TagScore]]


class UnitJudge:
    """Judges products or variants, each once all of its photos are embedded.

    Parameters
    ----------
    judge : Judge
        Judges photos; its ``standing`` knows what people decided of them.
    catalog : Catalog

    Attributes
    ----------
    catalog : Catalog
        The units as items of a source of their own, whose ids no photo's ever meet.
    standing : Standing
        What people decided of them.
    """

    def __init__(self, judge: Judge, catalog: Catalog) -> None:
        self._judge = judge
        self._photos = catalog.items
        self._units = units_of(catalog)
        root = f"{catalog.root}#{catalog.by}"
        items = [
            replace(self._main(unit), id=unit.id, image=NoPicture(f"{root}/{unit.id}", _NO_PICTURE))
            for unit in self._units
        ]
        self.catalog = Catalog(root, root, items)
        self.standing = Standing.of(judge.workspace.store, self.catalog, judge.space)
        self._own = [_varies(group.name) for group in judge.space.groups]
        self._terms = {
            group.name: {fold(term): label.name for label in group.labels for term in label.terms}
            | {fold(name): name for name in group.names}
            for group in judge.space.groups
            if group.exclusive
        }
        count = len(catalog.items)
        self._images, self._texts = np.full((2, count), -1, np.int64)
        self._keys: list[str | None] = [None] * count
        self._errors: dict[int, str] = {}
        self._until = 0
        self._done = 0

    def add(self, embedded: Embedded, *, scores: bool) -> Iterator[TaggedUnit]:
        """Take the next window of photos; yield the rows whose photos are all there, in order."""
        places = range(self._until, self._until + len(embedded.items))
        self._until = places.stop
        self._images[places], self._texts[places] = embedded.images, embedded.texts
        self._keys[places.start : places.stop] = embedded.image_keys
        self._errors |= {p: why for p, why in zip(places, embedded.errors, strict=True) if why}
        start = self._done
        while self._done < len(self._units) and max(self._units[self._done].shared) < self._until:
            self._done += 1
        for first in range(start, self._done, UNITS_AT_ONCE):
            last = min(first + UNITS_AT_ONCE, self._done)
            yield from self._rows(range(first, last), scores=scores)

    def _main(self, unit: Unit) -> Item:
        """Return the main photo, with a title if any of them has one."""
        first, *others = (self._photos[place] for place in unit.photos)
        titled = next((item for item in (first, *others) if item.title), first)
        return replace(first, title=titled.title, text=titled.text)

    def _rows(self, numbers: range, *, scores: bool) -> Iterator[TaggedUnit]:
        units = [self._units[number] for number in numbers]
        seen = self._look(sorted({place for unit in units for place in unit.shared}))
        fused = [self._fuse(unit, seen) for unit in units]
        rows = together([row for one in fused for row in one])
        found = self._judge.decider.decide(rows)
        at = 0
        for number, one in zip(numbers, fused, strict=True):
            span = range(at, at + len(one))
            at = span.stop
            row = self._row(number, seen, found[span.start : at])
            if scores and row.status == "ok":
                row = replace(row, scores=self._all_scores(rows, span))
            yield row

    def _look(self, places: Sequence[int]) -> _Seen:
        """Score some photos, with their titles and without."""
        judge = self._judge
        embedded = Embedded(
            items=tuple(self._photos[place] for place in places),
            images=self._images[places],
            texts=self._texts[places],
            image_keys=tuple(self._keys[place] for place in places),
            errors=tuple(self._errors.get(place, "") for place in places),
            encoded=0,
            chunked=0,
        )
        evidence = judge.evidence(embedded)
        looks = judge.score(evidence.untitled(), [""] * len(places))
        return _Seen(
            row_of={place: row for row, place in enumerate(places)},
            embedded=embedded,
            evidence=evidence,
            whole=judge.head.statistics.shows_whole(evidence.images),
            scores=judge.score(evidence, embedded.read),
            looks=looks,
            alone=[
                [tag for tag in tags if tag.decision != "abstain"]
                for tags in judge.decider.decide(looks)
            ],
        )

    def _readable(self, places: Sequence[int], seen: _Seen) -> list[int]:
        """Return the rows of those photos that could be read; of all of them where none could."""
        rows = [seen.row_of[place] for place in places]
        return [row for row in rows if not seen.embedded.errors[row]] or rows

    def _fuse(self, unit: Unit, seen: _Seen) -> list[Scores]:
        """Return what the photos say together; of a product of several variants, also of each."""
        space = self._judge.space

        def fuse(places: Sequence[int]) -> Scores:
            rows = self._readable(places, seen)
            return fuse_scores(space, photos_among(seen.scores, rows), seen.whole[rows])

        whole = fuse(unit.shared)
        if not any(self._own) or unit.looks == (unit.shared,):
            return [whole]
        variants = [with_groups(whole, fuse(look), space, self._own) for look in unit.looks]
        return variants if len(variants) == 1 else [whole, *variants]

    def _tags(
        self, number: int, found: Sequence[tuple[TagScore, ...]]
    ) -> tuple[tuple[TagScore, ...], list[Conflict]]:
        """Return a unit's tags with what people said over them, and where these disagree.

        In groups that differ between variants a product has the labels of all of them.
        """
        unit, item = self._units[number], self.catalog.items[number]
        source: Source = "both" if item.text else "image"
        decided, torn = self._decided(unit.shared, own=False)
        each = [self._decided(look, own=True) for look in unit.looks]
        torn += [conflict for _, conflicts in each for conflict in conflicts]
        tags = found[0]
        if len(found) == 1:
            decided |= each[0][0]
        else:
            pairs = zip(found[1:], each, strict=True)
            laid = [self.standing.laid(said, one, source) for one, (said, _) in pairs]
            theirs = [tag for one in laid for tag in one if _varies(tag.group)]
            # a mere guess stays where no variant is given anything
            given = {tag.group for tag in theirs if tag.decision != "abstain"}
            best: dict[str, TagScore] = {}
            for tag in sorted(theirs, key=lambda tag: (tag.score, tag.source)):
                if tag.decision != "abstain" or tag.group not in given:
                    best[tag.tag] = tag
            names = self._judge.space.names
            # the groups in the order of the file, in each the best first
            tags = tuple(
                sorted(
                    [*(tag for tag in tags if not _varies(tag.group)), *best.values()],
                    key=lambda tag: (names.index(tag.group), -tag.score, tag.label),
                )
            )
        return self.standing.laid(decided | self.standing.labels(item), tags, source), torn

    def _all_scores(self, rows: Scores, span: range) -> Mapping[str, Mapping[str, float]]:
        """Return every label's score: of several variants, the highest."""
        decider = self._judge.decider
        whole, *variants = (decider.all_scores(rows, row) for row in span)
        for group, is_own in zip(self._judge.space.names, self._own, strict=True):
            if is_own and variants:
                of = [one[group] for one in variants]
                whole = {**whole, group: {x: max(one[x] for one in of) for x in of[0]}}
        return whole

    def _row(self, number: int, seen: _Seen, found: Sequence[tuple[TagScore, ...]]) -> TaggedUnit:
        """Return one row: an error only if none of its photos can be read."""
        unit, item = self._units[number], self.catalog.items[number]
        photos = tuple(self._photos[place] for place in unit.photos)
        unread = [
            f"{self._photos[place].id}: {self._errors[place]}"
            for place in unit.photos
            if place in self._errors
        ]
        row = TaggedUnit(unit.id, item.path, item.title, "ok", "", photos=photos)
        if len(unread) == len(photos):
            why = self._errors[unit.photos[0]] if len(unread) == 1 else "; ".join(unread)
            return replace(row, status="error", message=why)
        rows = self._readable(unit.photos, seen)
        tags, torn = self._tags(number, found)
        odd, foreign = self._stranger(rows, seen)
        conflicts = [*torn, *odd, *self._conflicts(unit, seen)]
        return replace(
            row,
            path=seen.embedded.items[rows[0]].path,
            message="; ".join([*unread, *foreign]),
            tags=tags,
            evidence=tuple(
                PhotoSays(seen.embedded.items[row].id, tag.group, tag.label, tag.score)
                for row in rows
                for tag in seen.alone[row]
            ),
            conflicts=tuple({(c.group, c.values): c for c in conflicts}.values()),
        )

    def _decided(self, places: Sequence[int], *, own: bool) -> tuple[Decided, list[Conflict]]:
        """Return what people decided of photos, where they agree, and where they don't.

        Of the groups that differ between variants, or else of the others. None of these counts
        where it was said of all photos: that a size chart has no colour is its own affair.
        """
        found, torn = Decided(), []
        said: dict[str, dict[tuple[str, ...], list[str]]] = {}
        standing = self._judge.standing
        for item in (self._photos[place] for place in places):
            for group, labels in (standing.labels(item) if standing else {}).items():
                if _varies(group) == own:
                    answers = said.setdefault(group, {})
                    answers.setdefault(tuple(sorted(labels)), []).append(item.id)
        for group, answers in said.items():
            none = answers.pop((), [])
            if len(answers) == 1:
                found[group] = next(iter(answers))
            elif answers:
                (one, first), (two, second) = list(answers.items())[:2]
                values = "|".join(one), "|".join(two)
                torn.append(Conflict(group, (first[0], second[0]), values))
            elif len(none) == len(places):
                found[group] = ()
        return found, torn

    def _stranger(self, rows: Sequence[int], seen: _Seen) -> tuple[list[Conflict], list[str]]:
        """Return conflict and sentence on a photo that shows another product, if one does."""
        space, items = self._judge.space, seen.embedded.items
        if space.main is None or len(rows) == 1:
            return [], []
        shares = seen.looks.labels[rows][:, space.span(space.main.name)]
        looks = self._judge.head.statistics.centred(seen.evidence.images[rows])
        strange = strangeness(shares, looks, seen.whole[rows], self._goes_with(rows, seen))
        # of two that are strange to each other the later one: the main photo comes first
        odd = len(rows) - 1 - int(strange[::-1].argmax())
        if strange[odd] < STRANGE:
            return [], []
        sure = shares.max(axis=1)
        sure[odd] = -1
        other = int(sure.argmax())
        names = space.main.names
        values = (names[shares[other].argmax()], names[shares[odd].argmax()])
        ids = (items[rows[other]].id, items[rows[odd]].id)
        said = f"{ids[1]} may show another product ({values[1]}; {ids[0]}: {values[0]})"
        return [Conflict(space.main.name, ids, values)], [said]

    def _goes_with(self, rows: Sequence[int], seen: _Seen) -> NDArray[np.bool_]:
        """Return which labels of the main group go with the titles: named, above or below them."""
        space = self._judge.space
        assert space.main is not None
        span = space.span(space.main.name)
        columns = range(span.start, span.stop)
        words = seen.evidence.words[rows][:, span].max(axis=0)
        named = {column for column, said in zip(columns, words, strict=True) if said == 1}
        # and what stands above those
        related = named.union(*(space.above.get(column, ()) for column in named))
        return np.array(
            [
                column in related or not named.isdisjoint(space.above.get(column, ()))
                for column in columns
            ]
        )

    def _conflicts(self, unit: Unit, seen: _Seen) -> Iterator[Conflict]:
        """Yield what photos, title and fields say against each other, in exclusive groups."""
        for group, is_own in zip(self._judge.space.groups, self._own, strict=True):
            if not group.exclusive:
                continue
            looks = unit.looks if is_own else (unit.photos,)
            for look in looks:
                best: dict[str, tuple[TagScore, str]] = {}
                for row in self._readable(look, seen):
                    tag = next((tag for tag in seen.alone[row] if tag.group == group.name), None)
                    if tag and (tag.label not in best or best[tag.label][0].score < tag.score):
                        best[tag.label] = (tag, seen.embedded.items[row].id)
                if not best:
                    continue
                surest = max(best, key=lambda label: (best[label][0].score, label))
                photo = best[surest][1]
                for label, (_, other) in best.items():
                    if self._differ(group, surest, label):
                        yield Conflict(group.name, (photo, other), (surest, label))
                for who, label in self._told(group, look, seen):
                    if len(looks) == 1 and all(self._differ(group, one, label) for one in best):
                        yield Conflict(group.name, (photo, who), (surest, label))

    def _told(self, group: Group, look: Sequence[int], seen: _Seen) -> Iterator[tuple[str, str]]:
        """Yield what title and fields say of a group, if one label only."""
        rows = [seen.row_of[place] for place in look]
        words = seen.evidence.words[rows][:, self._judge.space.span(group.name)].max(axis=0)
        if np.count_nonzero(words) == 1 and words.max() == 1:
            yield "title", group.names[int(words.argmax())]
        fields = {
            (name, cell)
            for row in rows
            for name, cell in seen.embedded.items[row].fields.items()
            if _column(name) == _column(group.name)
        }
        for name, cell in sorted(fields):
            label = self._terms[group.name].get(fold(cell))
            if label is not None:
                yield f"field {name}", label

    def _differ(self, group: Group, one: str, other: str) -> bool:
        """Tell whether two labels differ, and none stands under the other."""
        above = self._judge.space.tags_above
        tags = f"{group.name}={one}", f"{group.name}={other}"
        return one != other and not any(
            upper in above.get(lower, ()) for lower, upper in (tags, tags[::-1])
        )


def _varies(group: str) -> bool:
    """Tell whether the variants of a product differ in a group."""
    return fold(group) in VARIANTS_OWN


def _column(name: str) -> str:
    """Return what a column and a group on the same question have in common."""
    return fold(name).replace("colour", "color")
