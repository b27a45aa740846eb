"""What is wrong with a catalogue, as one ranked list: contradictions, then gaps, then pictures."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.errors import ImageError, UsageError
from fashiontag.heads.doubt import evidence_against, is_of_colours, judged_groups
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.photos import together
from fashiontag.index import pairs
from fashiontag.names import fold
from fashiontag.sinks.feedcolumns import FeedColumn, feed_columns
from fashiontag.words import says_something, split
from fashiontag.workflows.products import UnitJudge
from fashiontag.workflows.tag import Judge
from fashiontag.workspace.decisions import Standing
from fashiontag.workspace.embed import DEFAULTS, embed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fashiontag.catalog import Catalog
    from fashiontag.catalog.quality import Quality
    from fashiontag.datamodels import Conflict, Item, TagScore
    from fashiontag.heads.doubt import Against
    from fashiontag.heads.zeroshot import Evidence, Scores
    from fashiontag.labels import LabelSpace
    from fashiontag.workspace import Workspace
    from fashiontag.workspace.embed import EmbedOptions

MIN_SIDE = 500
"""Pixels of the shorter side that Google asks for from 31 January 2027."""

LEAST = 0.1
"""The chance from which a contradiction is listed."""

COMMON = 0.2
"""What holds for more of the catalogue than this is one line, not a finding each."""

BLURRED, DARK, BARS, TEXT = 0.6, 100.0, 0.1, 1.5
"""Where pictures' faults begin, as `Quality` measures them. On `val` no sharp photo is above .53
and no planted blur below .68; a twentieth of any photo on a light ground is above 225."""

_GOOGLE_BYTES, _GOOGLE_PIXELS = 16_000_000, 64_000_000

SAME_FROM = 0.3
"""The chance from which two listings are said to have one photo."""

ALIKE, NEIGHBOURS = 0.9, 10
"""Cosine and number of the pictures that a picture's print is compared with."""

FITTING = 0.6
"""The share of a column's cells that name one label of a group, from which it speaks of it."""

_LONGEST = 200  # characters of a cell; a column with longer ones is of texts
_LISTINGS = 20  # one photo on more listings than this is a shop's placeholder

BELIEFS = {
    "photo and title": "the title names one label, and the picture supports another far better",
    "wrong category": "the category's cell names a kind of thing that picture and title don't",
    "wrong column": "the cell names one label, and picture and title together another",
    "foreign photo": "of one product's photos this one shows another kind of thing",
    "wrong variant": "the variant is of one colour, and its photo supports another far better",
    "shared photo": "variants of several colours have no photo but this one",
    "duplicate": "two listings have the same photo, be it cropped, mirrored or compressed",
    "missing attribute": "the cell is empty, and the tags of picture and title would fill it",
    "unreadable": "no decoder here reads the picture",
    "no product": "the picture is nearer to pictures of nothing than to any kind of product",
    "several products": "things that don't look alike stand side by side on an even ground",
    "small": "Google refuses pictures with a shorter side than this",
    "large": "Google refuses pictures of more than 16 MB or 64 megapixels",
    "text over it": "letters of one height stand in a line across the picture",
    "blurred": "blurring it once more changes next to nothing",
    "dark": "nothing in it is bright",
    "bars": "even bars are cut off straight from what is between them",
}
"""By check, in the order of their tiers, what a finding believes."""

_CONTRADICTIONS = tuple(BELIEFS)[:7]
_GAPS = ("missing attribute",)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    rank : int
        From 1; contradictions come before gaps and these before faults of pictures.
    check : str
        One of `BELIEFS`.
    id : str
        Of the item; of several, joined by ``|``, the suspect first; "" for what much of the
        catalogue has in common.
    evidence, suggestion : str
        Why, and what to do.
    score : float, in [0, 1]
        The chance that it is so; of a fault of a picture, how plain it is.
    """

    rank: int
    check: str
    id: str
    evidence: str
    suggestion: str
    score: float

    @property
    def ids(self) -> tuple[str, ...]:
        """The items."""
        return tuple(self.id.split("|")) if self.id else ()


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes
    ----------
    products : int
    findings : tuple of Finding
    columns : Mapping of str to str
        By group, the table's column that was compared with it.
    notes : tuple of str
        What couldn't be checked.
    seconds : float
    """

    products: int
    findings: tuple[Finding, ...]
    columns: Mapping[str, str]
    notes: tuple[str, ...]
    seconds: float


def audit(
    workspace: Workspace,
    catalog: Catalog,
    space: LabelSpace,
    *,
    probe: Path | None = None,
    columns: Mapping[str, str] | None = None,
    min_side: int = MIN_SIDE,
    options: EmbedOptions = DEFAULTS,
) -> Audit:
    """Look for what is wrong in a catalogue.

    Parameters
    ----------
    workspace : Workspace
    catalog : Catalog
    space : LabelSpace
    probe : Path or None
        As for `fashiontag.workflows.tag.tag`.
    columns : Mapping of str to str, or None
        By group, the column to compare it with; other groups' are found by name and by values.
    min_side : int
        The least pixels of a picture's shorter side.
    options : EmbedOptions

    Raises
    ------
    UsageError
        A group or column isn't there.
    """
    began = time.monotonic()
    loaded = None
    if probe is not None:
        from fashiontag.heads.artefact import load_probe

        loaded = load_probe(probe, workspace.encoder)
        space = space.with_(loaded.space)
    judge = Judge(workspace, space, loaded, standing=Standing.of(workspace.store, catalog, space))
    seen = Seen.of(judge, catalog, columns or {}, options)
    found = [
        *photo_against_title(seen),
        *columns_against_all(seen),
        *foreign_photos(seen),
        *variants(seen),
        *duplicates(seen),
        *missing_attributes(seen),
        *faults_of_pictures(seen, min_side),
    ]
    notes = []
    if not seen.columns:
        notes.append("no column of the table names labels, so none was compared; see --column.")
    if not workspace.statistics.fitted:
        notes.append(f"nothing was fitted for {workspace.encoder.name}: scores only rank.")
    return Audit(
        len(catalog.items),
        tuple(_ranked(found, len(catalog.items))),
        {group: column for group, (column, _) in seen.columns.items()},
        tuple(notes),
        time.monotonic() - began,
    )


@dataclass(frozen=True)
class Seen:
    """A catalogue and all that is known of its n items."""

    judge: Judge
    catalog: Catalog
    scores: Scores
    looks: Scores
    evidence: Evidence
    tags: list[tuple[TagScore, ...]]
    keys: list[str | None]
    errors: list[str]
    conflicts: list[tuple[str, Conflict]]
    columns: dict[str, tuple[str, NDArray[np.float32]]]
    """By group, the column's name and what its cells name, as `TitleMatcher.score` has it."""

    @classmethod
    def of(
        cls, judge: Judge, catalog: Catalog, said: Mapping[str, str], options: EmbedOptions
    ) -> Seen:
        """Judge a catalogue; ``said`` are columns by group, the others' are found."""
        units = None if catalog.by == "photo" else UnitJudge(judge, catalog)
        parts: list[tuple[Scores, Scores, Evidence]] = []
        tags: list[tuple[TagScore, ...]] = []
        keys: list[str | None] = []
        errors: list[str] = []
        conflicts: list[tuple[str, Conflict]] = []
        for window in embed(judge.workspace, catalog.items, options):
            evidence = judge.evidence(window)
            looks = judge.score(evidence.untitled(), [""] * len(window.items))
            scores = judge.score(evidence, window.read)
            parts.append((scores, looks, evidence))
            tags += [row.given for row in judge.decide(window, scores)]
            keys += window.image_keys
            errors += window.errors
            for row in units.add(window, scores=False) if units else ():
                conflicts += [(row.message, conflict) for conflict in row.conflicts]
        return cls(
            judge,
            catalog,
            together([part[0] for part in parts]),
            together([part[1] for part in parts]),
            together([part[2] for part in parts]),
            tags,
            keys,
            errors,
            conflicts,
            find_columns(catalog.items, judge.space, said),
        )

    @property
    def space(self) -> LabelSpace:
        """The labels."""
        return self.judge.space

    @property
    def items(self) -> Sequence[Item]:
        """The items, in their order."""
        return self.catalog.items

    @cached_property
    def blank(self) -> NDArray[np.bool_]:
        """Pictures that show no product, or that can't be read."""
        unread = np.array([bool(error) for error in self.errors])
        seen = self.evidence
        return np.asarray(self.judge.head.blank(seen.images, seen.colours) | unread)

    @cached_property
    def decided(self) -> list[frozenset[str]]:
        """Of each item, the groups that a person decided."""
        standing = self.judge.standing
        return [
            frozenset(standing.labels(item)) if standing else frozenset() for item in self.items
        ]

    @cached_property
    def quality(self) -> list[Quality | None]:
        """What can be measured of each picture; None where it can't be read."""
        from fashiontag.catalog.quality import look_at

        def look(item: Item) -> Quality | None:
            try:
                return look_at(item.image.read())
            except ImageError:
                return None

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(look, self.items))

    def label(self, column: int) -> str:
        """Return the name of a column's label."""
        return self.space.labels[column].name


def find_columns(
    items: Sequence[Item], space: LabelSpace, said: Mapping[str, str]
) -> dict[str, tuple[str, NDArray[np.float32]]]:
    """Return which of a table's columns speak of which group, and what their cells name.

    A column is taken if it is called like the group (or as one of `_CALLED`), else if at least six
    in ten of its cells name one label of the group.
    """
    names = list(dict.fromkeys(n for item in items for n in item.fields))
    for group, name in said.items():
        space.group(group)
        if fold(name) not in map(fold, names):
            there = ", ".join(names) or "none"
            raise UsageError(f"--column {group}={name}: no such column; there are {there}.")
    matcher = TitleMatcher(space)
    found: dict[str, tuple[str, NDArray[np.float32]]] = {}
    best: dict[str, float] = defaultdict(float)
    for name in names:
        cells = [item.fields.get(name, "").strip() for item in items]
        known = {cell: row for row, cell in enumerate(dict.fromkeys(cells))}
        if len(known) < 2 or max(map(len, known)) > _LONGEST:
            continue
        scores, rows = matcher.score(list(known)), [known[cell] for cell in cells]
        for group in dict.fromkeys((*judged_groups(space), *said)):
            named = np.zeros_like(scores)
            named[:, space.span(group)] = scores[:, space.span(group)]
            exact = {
                fold(label): space.column(f"{group}={label}") for label in space.group(group).names
            }
            for cell, row in known.items():  # a label's very name is no other label's
                if fold(cell) in exact:
                    named[row] = 0
                    named[row, exact[fold(cell)]] = 1
            single = ((named == 1).sum(axis=1) == 1)[rows]
            share = single[[bool(cell) for cell in cells]].mean()
            fit = share + (share > 0.3 and _is_called(name, group, space))
            if group in said:
                fit = 2.0 * (fold(name) == fold(said[group]))
            if fit >= FITTING and fit > best[group]:
                best[group], found[group] = fit, (name, named[rows])
    return found


_CALLED = {"category", "product category", "type", "product type", "article type", "kind"}


def _is_called(column: str, group: str, space: LabelSpace) -> bool:
    name = " ".join(split(column))
    if name == " ".join(split(group)) or (is_of_colours(group) and is_of_colours(name)):
        return True
    return space.main is not None and group == space.main.name and name in _CALLED


# -- checks: each yields findings, unranked ----------------------------------------------------


def photo_against_title(seen: Seen) -> Iterator[Finding]:
    """Find pictures that support another label than the one that the title names."""
    worst: dict[int, Finding] = {}
    for group in judged_groups(seen.space):
        witness = witness_of(seen, group)
        found = evidence_against(
            seen.space, group, seen.evidence.words, seen.looks, seen.looks, witness
        )
        for row, chance, said, looks in _told(seen, group, found, "title"):
            other = witness[row]
            where = seen.columns[group][0] if group in seen.columns else ""
            says = f"; {where} says {seen.label(other)}" if other >= 0 else ""
            advice = f"take another photo, or write {looks} into the title"
            if other >= 0 and seen.label(other) == looks:
                advice = f"write {looks} into the title"
            elif other >= 0 and seen.label(other) == said:
                advice = f"take a photo of the {said} one"
            evidence = f"{group}: the title says {said}, the picture shows {looks}{says}"
            finding = Finding(0, "photo and title", seen.items[row].id, evidence, advice, chance)
            if row not in worst or worst[row].score < chance:
                worst[row] = finding
    yield from worst.values()


def columns_against_all(seen: Seen) -> Iterator[Finding]:
    """Find cells with another label than picture and title together support."""
    for group, (column, named) in seen.columns.items():
        found = evidence_against(seen.space, group, named, seen.scores, seen.looks)
        check = "wrong category" if found.main else "wrong column"
        for row, chance, said, looks in _told(seen, group, found, "column"):
            cell = seen.items[row].fields[column].strip()
            evidence = f"{column} says {cell}, picture and title {looks} (not {said})"
            if fold(cell) == fold(said):
                evidence = f"{column} says {cell}, picture and title {looks}"
            yield Finding(0, check, seen.items[row].id, evidence, f"{column}: {looks}", chance)


def witness_of(seen: Seen, group: str) -> NDArray[np.int64]:
    """Return what a column says of a group, as a column of the space; -1 for nothing."""
    if group not in seen.columns:
        return np.full(len(seen.items), -1)
    named = seen.columns[group][1]
    return np.where((named == 1).sum(axis=1) == 1, named.argmax(axis=1), -1)


def _told(
    seen: Seen, group: str, found: Against, source: str
) -> Iterator[tuple[int, float, str, str]]:
    """Yield row, chance, label said and label seen of what is worth a finding."""
    chances = found.chance(source)
    for at in np.flatnonzero(chances >= LEAST):
        row = int(found.rows[at])
        if not seen.blank[row] and group not in seen.decided[row]:
            labels = seen.label(int(found.said[at])), seen.label(int(found.seen[at]))
            yield row, float(chances[at]), *labels


def foreign_photos(seen: Seen) -> Iterator[Finding]:
    """Find photos that show another kind of thing than their product's others."""
    known = {item.id for item in seen.items}
    for message, conflict in seen.conflicts:
        first, other = conflict.between
        if f"{other} may show another product" in message and {first, other} <= known:
            evidence = f"{other} shows {conflict.values[1]}, {first} {conflict.values[0]}"
            advice = "move it to its product"
            # as often as `STRANGE` is right
            yield Finding(0, "foreign photo", f"{other}|{first}", evidence, advice, 0.93)


def variants(seen: Seen) -> Iterator[Finding]:
    """Find photos of another colour than their variant, and variants that have one photo."""
    names = list(dict.fromkeys(name for item in seen.items for name in item.variants))
    if not names:
        return
    said = dict(zip(names, TitleMatcher(seen.space).score(names), strict=True))
    photos = Counter((item.product, name) for item in seen.items for name in item.variants)
    shared = defaultdict(list)
    for row, (item, key) in enumerate(zip(seen.items, seen.keys, strict=True)):
        if item.product and item.variants and key is not None:
            shared[item.product, key].append(row)
    options = np.zeros((len(seen.items), seen.space.size), np.float32)
    for row, item in enumerate(seen.items):
        if len(item.variants) == 1:
            options[row] = said[item.variants[0]]
    for group in filter(is_of_colours, judged_groups(seen.space)):
        found = evidence_against(seen.space, group, options, seen.looks, seen.looks)
        for row, chance, colour, looks in _told(seen, group, found, "alone"):
            evidence = f"{group}: the variant is {colour}, the photo shows {looks}"
            advice = f"use the photo of the {colour} one"
            yield Finding(0, "wrong variant", seen.items[row].id, evidence, advice, chance)
        span = seen.space.span(group)
        for (product, _), rows in shared.items():
            theirs = {name for row in rows for name in seen.items[row].variants}
            alone = [said[name][span] for name in theirs if photos[product, name] == 1]
            columns = {int(one.argmax()) for one in alone if (one == 1).sum() == 1}
            if len(columns) > 1:
                colours = ", ".join(sorted(seen.label(span.start + at) for at in columns))
                ids = "|".join(seen.items[row].id for row in rows)
                evidence, advice = f"{group}: one photo for {colours}", "take a photo of each"
                yield Finding(0, "shared photo", ids, evidence, advice, 0.99)


def duplicates(seen: Seen) -> Iterator[Finding]:
    """Find listings with one photo: by its bytes, or by its vector and then its print."""
    items, usable = seen.items, np.flatnonzero(~seen.blank)
    same = defaultdict(list)
    for row, key in enumerate(seen.keys):
        if key is not None:
            same[key].append(row)
    placeholders = {key for key, rows in same.items() if len(rows) > _LISTINGS}
    links = [np.array([(rows[0], row) for key, rows in same.items() for row in rows[1:]
                       if key not in placeholders], np.int64).reshape(-1, 2)]  # fmt: skip
    chances = [np.full(len(links[0]), 0.99)]
    prints = {row: q.print for row, q in enumerate(seen.quality) if q is not None}
    usable = usable[[seen.keys[at] not in placeholders and at in prints for at in usable.tolist()]]
    vectors, mean = seen.evidence.images.astype(np.float16), seen.judge.workspace.mean("image")
    near = usable[pairs(vectors, usable, mean, ALIKE, NEIGHBOURS)]
    for start in range(0, len(near), 4096):
        block = near[start : start + 4096]
        left, right = (np.stack([prints[row] for row in side]) for side in block.T.tolist())
        chance = same_photo(left, right)
        links.append(block[chance >= SAME_FROM])
        chances.append(chance[chance >= SAME_FROM])
    pair, sure = np.concatenate(links), np.concatenate(chances)
    product = np.array([item.product or f"/{row}" for row, item in enumerate(items)])
    differ = product[pair[:, 0]] != product[pair[:, 1]]
    pair, sure = pair[differ], sure[differ]
    member = np.arange(len(items))
    for first, second in pair.tolist():
        low, high = sorted((member[first], member[second]))
        member[member == high] = low
    for one in np.unique(member[pair[:, 0]]):
        rows = np.flatnonzero(member == one).tolist()
        evidence = f"one photo in {len(rows)} listings{_differences([items[row] for row in rows])}"
        ids = "|".join(items[row].id for row in reversed(rows))
        least = float(sure[member[pair[:, 0]] == one].min())
        yield Finding(0, "duplicate", ids, evidence, "keep one listing", least)


def apart(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how far prints of shape (n, 16, 16, 3) are apart, shape (n, 2), mirrored if nearer.

    The logarithms of their mean difference, in levels, and of how unlike their shapes are.
    """
    one, other = left.astype(np.float32), right.astype(np.float32)
    found = []
    for turned in (other, other[:, :, ::-1]):
        away = np.abs(one - turned).mean(axis=(1, 2, 3))
        a, b = (x - x.mean(axis=(1, 2, 3), keepdims=True) for x in (one, turned))
        norm = np.sqrt((a**2).sum(axis=(1, 2, 3)) * (b**2).sum(axis=(1, 2, 3)))
        unlike = 1 - (a * b).sum(axis=(1, 2, 3)) / np.maximum(norm, 1e-6)
        found.append(np.log(np.stack([away + 0.3, np.maximum(unlike, 0) + 0.001], axis=1)))
    nearer = found[0].sum(axis=1) <= found[1].sum(axis=1)
    return np.asarray(np.where(nearer[:, None], *found), np.float64)


def same_photo(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the chance that prints of shape (n, 16, 16, 3) are of one photo, maybe mirrored."""
    return np.asarray(1 / (1 + np.exp(-(SAME[0] + apart(left, right) @ SAME[1:]))))


SAME = np.array([-0.53, -3.00, -1.33])
"""Offset and weights of what `apart` returns, by `benchmarks.fit_audit`."""


def _differences(items: Sequence[Item]) -> str:
    """Return what else differs between listings, of the table's columns, at most three."""
    said = []
    for name in items[0].fields:
        cells = list(dict.fromkeys(item.fields.get(name, "") for item in items))
        if len(cells) > 1 and fold(name) not in {"id", "sku"}:
            said.append(f"{name} {' / '.join(cells[:3])}")
    return f"; {', '.join(said[:3])}" if said else ""


def missing_attributes(seen: Seen) -> Iterator[Finding]:
    """Find cells that shops and Google ask for, and that are empty though tags would fill them."""
    fields = list(dict.fromkeys(name for item in seen.items for name in item.fields))
    wanted = {
        column: FeedColumn((column,), (fold(group),)) for group, (column, _) in seen.columns.items()
    }
    for format_ in ("google-tsv", "shopify-csv"):
        for feed in feed_columns(format_):
            if feed.groups == ("*",) or feed.entry:
                continue
            called = {" ".join(split(name)) for name in feed.names}
            for column in fields:
                if " ".join(split(column)) in called:
                    wanted.setdefault(column, feed)
    for row, item in enumerate(seen.items):
        given = defaultdict(list)
        for tag in seen.tags[row]:
            given[fold(tag.group)].append(tag.label)
        scores = {tag.label: tag.score for tag in seen.tags[row]}
        for column, feed in wanted.items():
            if not says_something(item.fields.get(column, "")) and (found := feed.labels(given)):
                score = min((scores.get(label, 0.5) for label in found), default=0.5)
                advice = f"{column}: {'/'.join(found)}"
                yield Finding(0, "missing attribute", item.id, f"{column} is empty", advice, score)


def faults_of_pictures(seen: Seen, min_side: int) -> Iterator[Finding]:
    """Find what is wrong with pictures, whatever they show."""
    lead = seen.judge.head.lead(seen.evidence.images)
    for row, item in enumerate(seen.items):
        quality = seen.quality[row]
        if quality is None or seen.errors[row]:
            why = seen.errors[row] or "it can't be read"
            yield Finding(0, "unreadable", item.id, why, "replace the file", 1.0)
            continue
        side, (width, height) = min(quality.size), quality.size
        if seen.blank[row]:
            score = float(1 / (1 + np.exp(-max(lead[row], 0))))
            yield Finding(0, "no product", item.id, "no product is seen", "take a photo", score)
        if quality.things > 1:
            evidence = f"{quality.things} unlike things side by side"
            yield Finding(0, "several products", item.id, evidence, "show one", 0.8)
        if side < min_side:
            evidence = f"{width} × {height} pixels, {min_side} × {min_side} are wanted"
            score = round(1 - side / min_side, 4)
            yield Finding(0, "small", item.id, evidence, "upload the original", score)
        if quality.bytes > _GOOGLE_BYTES or width * height > _GOOGLE_PIXELS:
            evidence = f"{quality.bytes / 1e6:.1f} MB, {width * height / 1e6:.0f} megapixels"
            yield Finding(0, "large", item.id, evidence, "save it smaller", 1.0)
        if seen.blank[row]:
            continue
        for check, value, least, most, evidence, advice in (
            ("blurred", quality.blur, BLURRED, 1.0, "soft all over", "upload a sharp one"),
            ("dark", 255 - quality.light, 255 - DARK, 255.0, "dark all over", "brighten it"),
            ("bars", quality.bars, BARS, 1.0, f"bars, {quality.bars:.0%} of it", "cut them off"),
            ("text over it", quality.text, TEXT, 12.0, "a line of letters", "leave the text out"),
        ):  # fmt: skip
            if value >= least:
                score = min(1.0, 0.5 + 0.5 * (value - least) / (most - least))
                yield Finding(0, check, item.id, evidence, advice, score)


def _ranked(found: Iterable[Finding], products: int) -> Iterator[Finding]:
    """Yield findings by tier, each from the most certain, with common ones summed up."""
    found = list(found)

    def kind(finding: Finding) -> tuple[str, str]:
        gap = finding.check in _GAPS
        return finding.check, finding.evidence if gap else ""

    counts = Counter(kind(finding) for finding in found)
    common = {key for key, count in counts.items() if count > COMMON * products and products > 10}
    rest = [finding for finding in found if kind(finding) not in common]
    for check, evidence in common:
        count = counts[check, evidence]
        example = next(finding for finding in found if kind(finding) == (check, evidence))
        what = evidence or BELIEFS[check]
        said = f"{count:,} of {products:,} products: {what} ({example.id}: {example.evidence})"
        rest.append(Finding(0, check, "", said, example.suggestion.split(":")[0], 0.0))

    def order(finding: Finding) -> tuple[int, float, str]:
        tier = 0 if finding.check in _CONTRADICTIONS else 1 if finding.check in _GAPS else 2
        return tier, -finding.score, finding.id

    for rank, finding in enumerate(sorted(rest, key=order), start=1):
        yield replace(finding, rank=rank, score=round(finding.score, 4))
