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
from fashiontag.heads.zeroshot import Evidence
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
    from fashiontag.heads.zeroshot import Scores
    from fashiontag.labels import LabelSpace
    from fashiontag.workspace import Workspace
    from fashiontag.workspace.embed import EmbedOptions

MIN_SIDE = 500
"""Pixels of the shorter side that Google asks for from 31 January 2027."""

LEAST = 0.1
"""The chance from which a contradiction is listed."""

COMMON = 0.2
"""What holds for more of the catalogue than this is one line, not a finding each."""

BLURRED, DARK, BARS, TEXT = 0.55, 100.0, 0.1, 1.5
"""Where pictures' faults begin, as `Quality` measures them. On `val` no sharp photo is above .46
and no planted blur below .65; a twentieth of any photo on a light ground is above 225."""

SHARP_FROM = 150
"""Pixels of the shorter side below which a picture is small, and neither blurred nor written on."""

_GOOGLE_BYTES, _GOOGLE_PIXELS = 16_000_000, 64_000_000

SAME_FROM = 0.3
"""The chance from which two listings are said to have one photo."""

_NEIGHBOURS = 10  # pictures that a picture's print is compared with
_LISTINGS = 20  # one photo on more listings than this is a shop's placeholder
_BLOCK = 512

BELIEFS = {
    "photo and title": "the title names one label, and the picture supports another far better",
    "wrong category": "the category's cell names a kind of thing that picture and title don't",
    "wrong column": "the cell names one label, and picture and title together another",
    "foreign photo": "of one product's photos this one shows another kind of thing",
    "duplicate": "two listings have the same photo, be it cropped, mirrored or compressed",
    "missing attribute": "the cell is empty, and the tags of picture and title would fill it",
    "unreadable": "no decoder here reads the picture",
    "no product": "the picture is nearer to pictures of nothing than to any kind of product",
    "small": "Google refuses pictures with a shorter side than this",
    "large": "Google refuses pictures of more than 16 MB or 64 megapixels",
    "text over it": "letters of one height stand in a line across the picture",
    "blurred": "blurring it once more changes next to nothing",
    "dark": "nothing in it is bright",
    "bars": "even bars are cut off straight from what is between them",
}
"""By check, in the order of their tiers, what a finding believes."""

_CONTRADICTIONS = tuple(BELIEFS)[:5]
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
            silent = np.zeros_like(evidence.titled)
            looks = judge.score(
                replace(evidence, titled=silent, words=evidence.words * 0), [""] * len(silent)
            )
            scores = judge.score(evidence, window.read)
            parts.append((scores, looks, evidence))
            tags += [row.given for row in judge.decide(window, scores)]
            keys += window.image_keys
            errors += window.errors
            for row in units.add(window, scores=False) if units else ():
                conflicts += [(row.message, conflict) for conflict in row.conflicts]
        scores, looks = together([p[0] for p in parts]), together([p[1] for p in parts])
        names = ("images", "titles", "titled", "words")
        evidence = Evidence(
            *(np.concatenate([getattr(p[2], name) for p in parts]) for name in names)
        )
        found = find_columns(catalog.items, judge.space, said)
        return cls(judge, catalog, scores, looks, evidence, tags, keys, errors, conflicts, found)

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
    by_fold = {fold(name): name for name in names}
    groups = judged_groups(space)
    for group, name in said.items():
        space.group(group)
        if fold(name) not in by_fold:
            there = ", ".join(names) or "none"
            raise UsageError(f"--column {group}={name}: no such column; there are {there}.")
        groups = (*groups, group) if group not in groups else groups
    matcher = TitleMatcher(space)
    cells = {name: [item.fields.get(name, "").strip() for item in items] for name in names}
    named = {}
    for name in names:
        known = dict.fromkeys(cells[name])
        if max(map(len, known), default=0) <= 200 and len(known) > 1:
            scores = matcher.score(list(known))
            place = {cell: row for row, cell in enumerate(known)}
            named[name] = scores, np.array([place[cell] for cell in cells[name]])
    found = {}
    for group in groups:
        span = space.span(group)
        exact = {fold(n): at for at, n in enumerate(space.group(group).names)}
        shares = {}
        for name, (scores, rows) in named.items():
            own = scores[:, span].copy()
            for at, cell in enumerate(dict.fromkeys(cells[name])):
                if fold(cell) in exact:
                    own[at] = 0
                    own[at, exact[fold(cell)]] = 1
            filled = np.array([bool(cell) for cell in cells[name]])
            single = ((own == 1).sum(axis=1) == 1)[rows]
            share = single[filled].mean() if filled.any() else 0.0
            bonus = 1.0 if share > 0.3 and _is_called(name, group, space) else 0.0
            chosen = 2.0 if fold(name) == fold(said.get(group, "")) else bonus
            if chosen == 2 or (group not in said and share + bonus >= 0.6):
                whole = np.zeros((len(items), space.size), np.float32)
                whole[:, span] = own[rows]
                shares[name] = share + chosen, whole
        if shares:
            best = max(shares, key=lambda name: shares[name][0])
            found[group] = best, shares[best][1]
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
        witness = _witness(seen, group)
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
        main = seen.space.main is not None and group == seen.space.main.name
        check = "wrong category" if main else "wrong column"
        found = evidence_against(seen.space, group, named, seen.scores, seen.looks)
        for row, chance, said, looks in _told(seen, group, found, "column"):
            cell = seen.items[row].fields[column].strip()
            evidence = f"{column} says {cell}, picture and title {looks} (not {said})"
            if fold(cell) == fold(said):
                evidence = f"{column} says {cell}, picture and title {looks}"
            yield Finding(0, check, seen.items[row].id, evidence, f"{column}: {looks}", chance)


def _witness(seen: Seen, group: str) -> NDArray[np.int64]:
    """Return what a column says of a group, as a column of the space; -1 for nothing."""
    if group not in seen.columns:
        return np.full(len(seen.items), -1)
    named = seen.columns[group][1]
    return np.where((named == 1).sum(axis=1) == 1, named.argmax(axis=1), -1)


def _told(
    seen: Seen, group: str, found: Against, source: str
) -> Iterator[tuple[int, float, str, str]]:
    """Yield row, chance, label said and label seen of what is worth a finding."""
    main = seen.space.main is not None and group == seen.space.main.name
    chances = found.chance(source, main=main)
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


def duplicates(seen: Seen) -> Iterator[Finding]:
    """Find listings with one photo: by its bytes, or by its vector and then its print."""
    items, usable = seen.items, np.flatnonzero(~seen.blank)
    chance_of: dict[tuple[int, int], float] = {}
    same = defaultdict(list)
    for row, key in enumerate(seen.keys):
        if key is not None:
            same[key].append(row)
    alone = {row for rows in same.values() if len(rows) > _LISTINGS for row in rows}
    for rows in same.values():
        if 1 < len(rows) <= _LISTINGS:
            chance_of |= {(rows[0], row): 0.99 for row in rows[1:]}
    usable = usable[[row not in alone and seen.quality[row] is not None for row in usable]]
    pairs = _near(seen.judge.head.statistics.centred(seen.evidence.images[usable]))
    pairs = usable[pairs]
    prints = {row: q.print for row, q in enumerate(seen.quality) if q is not None}
    for start in range(0, len(pairs), 4096):
        block = pairs[start : start + 4096]
        left, right = (np.stack([prints[row] for row in side]) for side in block.T.tolist())
        chances = same_photo(left, right)
        for at in np.flatnonzero(chances >= SAME_FROM):
            chance_of[tuple(block[at].tolist())] = float(chances[at])
    leader = list(range(len(items)))

    def root(at: int) -> int:
        while leader[at] != at:
            at = leader[at]
        return at

    lowest: dict[int, float] = {}
    for (one, other), chance in sorted(chance_of.items(), key=lambda pair: -pair[1]):
        if items[one].product and items[one].product == items[other].product:
            continue
        first, second = sorted((root(one), root(other)))
        leader[second] = first
        lowest[first] = min(chance, lowest.get(first, 1.0), lowest.get(second, 1.0))
    groups = defaultdict(list)
    for row in range(len(items)):
        groups[root(row)].append(row)
    for first, rows in groups.items():
        if len(rows) > 1:
            differ = _differences([items[row] for row in rows])
            evidence = f"one photo in {len(rows)} listings{differ}"
            ids = "|".join(items[row].id for row in reversed(rows))
            yield Finding(0, "duplicate", ids, evidence, "keep one listing", lowest[first])


def _near(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return pairs of places of vectors that are among each other's nearest, shape (m, 2)."""
    count = min(_NEIGHBOURS, len(vectors) - 1)
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(vectors) if count > 0 else 0, _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -2
        near = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        pairs = np.stack([np.repeat(start + rows, count), near.ravel()], axis=1)
        found.append(np.sort(pairs[np.take_along_axis(cosines, near, 1).ravel() >= 0.9], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def same_photo(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the chance that prints of shape (n, 16, 16, 3) are of one photo, maybe mirrored."""
    one, other = left.astype(np.float32), right.astype(np.float32)
    best = np.zeros(len(one))
    for turned in (other, other[:, :, ::-1]):
        away = np.abs(one - turned).mean(axis=(1, 2, 3))
        a, b = (x - x.mean(axis=(1, 2, 3), keepdims=True) for x in (one, turned))
        norm = np.sqrt((a**2).sum(axis=(1, 2, 3)) * (b**2).sum(axis=(1, 2, 3)))
        unlike = 1 - (a * b).sum(axis=(1, 2, 3)) / np.maximum(norm, 1e-6)
        logits = SAME[0] - SAME[1] * np.log(away + 0.3) - SAME[2] * np.log(unlike + 0.001)
        best = np.maximum(best, 1 / (1 + np.exp(-logits)))
    return best


SAME = (-0.68, 3.49, 1.60)
"""Of a logistic regression on how far prints are apart, in levels, and how unlike their shapes."""


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
                value = "/".join(found)
                yield Finding(
                    0,
                    "missing attribute",
                    item.id,
                    f"{column} is empty",
                    f"{column}: {value}",
                    score,
                )


def faults_of_pictures(seen: Seen, min_side: int) -> Iterator[Finding]:
    """Find what is wrong with pictures, whatever they show."""
    lead = seen.judge.head.lead(seen.evidence.images)
    for row, item in enumerate(seen.items):
        quality = seen.quality[row]
        if quality is None or seen.errors[row]:
            why = seen.errors[row] or "it can't be read"
            yield Finding(0, "unreadable", item.id, why, "replace the file", 1.0)
            continue
        width, height = quality.size
        side = min(quality.size)
        if seen.blank[row]:
            score = float(1 / (1 + np.exp(-max(lead[row], 0))))
            yield Finding(0, "no product", item.id, "no product is seen", "take a photo", score)
        if side < min_side:
            evidence = f"{width} × {height} pixels, {min_side} × {min_side} are wanted"
            score = round(1 - side / min_side, 4)
            yield Finding(0, "small", item.id, evidence, "upload the original", score)
        if quality.bytes > _GOOGLE_BYTES or width * height > _GOOGLE_PIXELS:
            evidence = f"{quality.bytes / 1e6:.1f} MB, {width * height / 1e6:.0f} megapixels"
            yield Finding(0, "large", item.id, evidence, "save it smaller", 1.0)
        if side < SHARP_FROM or seen.blank[row]:
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
