"""Labelled products: tables of tags, attribute columns or 0/1 columns, joined to the items.

Each column decides by itself what it is. ``tags`` holds ``group=label|group=label``; a column of
nothing but 0, 1 and blanks is one label; every other column is an attribute group, its cells the
labels, several of them parted by ``|`` or ``;``, or in a list. The value "none" says: none of the
group's labels.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from fashiontag.catalog.tables import USUAL_NAMES, Row, Table, as_text, read_table
from fashiontag.catalog.titles import (
    counted,
    first_few,
    join_rows,
    ragged_warning,
)
from fashiontag.errors import CatalogError, LabelFileError, UsageError, after
from fashiontag.labels import RESERVED_GROUPS, LabelSpace, parse_labels
from fashiontag.names import NONE, as_path, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Decided = Mapping[str, Mapping[str, tuple[str, ...]]]

TAGS_COLUMNS = ("tags", "labels")
Unlabeled = Literal["group", "negative", "unknown"]
_YES = {"1", "1.0", "true", "yes", "y", "x", "✓", "✔"}
_NO = {"0", "0.0", "false", "no", "n"}
# What people and programs write where they know nothing; a label file may have it as a label.
_NOTHING = {
    *("n/a", "#n/a", "na", "n.a.", "nan", "null", "nil", "<na>", "tbd", "?", "-", "--", "–", "—"),
}
# Numbers, prices and dates: nothing but digits and their signs, with a currency or a unit of time.
_NUMBER = re.compile(r"[-+]?(?:[a-z]{3}|[€$£¥])? ?\d[\d.,' :/-]*t?[\d:.]*z? ?(?:[a-z]{3}|[€$£¥%])?")
_ENOUGH = 10
"""Rows from which a column with hardly a value twice is one of names: there is nothing to learn."""
# What `tag` and `suggest` write may be corrected and read back.
_NO_LABELS = {
    fold(name) for name in (*USUAL_NAMES["id"], *USUAL_NAMES["title"], *RESERVED_GROUPS)
} - set(TAGS_COLUMNS)
_LONG_CELL = 60
"""Characters from which a cell is a text and no label."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a table says of the items of a source.

    Attributes
    ----------
    rows : ndarray of shape (m,), int64
        Which items are labelled, by their place in the source.
    space : LabelSpace
        All labels, those of the label file and those invented from the table.
    targets : ndarray of shape (m, t), int8
        1 holds, 0 doesn't, -1 isn't known.
    warnings : tuple of str
    none : frozenset of (int, str)
        Row of the targets and group of which no label holds, also none that the space hasn't.
    """

    rows: NDArray[np.int64]
    space: LabelSpace
    targets: NDArray[np.int8]
    warnings: tuple[str, ...]
    none: frozenset[tuple[int, str]] = frozenset()


@dataclass(slots=True)
class _Note:
    """What is said of one item: (group, label) that hold and that don't, by line.

    Of the groups in ``whole`` nothing else holds: a person decided, or none of them does.
    """

    positive: dict[tuple[str, str], int] = field(default_factory=dict)
    negative: dict[tuple[str, str], int] = field(default_factory=dict)
    whole: dict[str, int] = field(default_factory=dict)
    listed: bool = False

    def decide(self, group: str, labels: Collection[str]) -> bool:
        """Put a person's decision in the table's place; tell whether the table says otherwise."""
        holds = {label for name, label in self.positive if name == group}
        told = bool(holds) or group in self.whole
        differ = holds != {*labels} if told else any((group, x) in self.negative for x in labels)
        for said in (self.positive, self.negative):
            for tag in [tag for tag in said if tag[0] == group]:
                del said[tag]
        self.positive |= {(group, label): 0 for label in labels}
        self.whole[group] = 0
        return differ


def read_annotations(
    path: str | None,
    ids: Mapping[str, str] | Sequence[str],
    labels: LabelSpace | None = None,
    *,
    unlabeled: Unlabeled = "group",
    id_column: str | None = None,
    groups: Sequence[str] = (),
    like: LabelSpace | None = None,
    decided: Decided | None = None,
) -> Annotations:
    """Read a LABELS table and join it to the ids of a source, with what people decided over it.

    Parameters
    ----------
    path : str or None
        None if people's decisions are all there is.
    ids : mapping of str to str, or sequence of str
        `Catalog.names`.
    labels : LabelSpace or None
        Groups that it has take its labels, its words and its word on exclusiveness. A group that
        it doesn't have is exclusive if no product has two values, and its values are its prompts.
    unlabeled : {"group", "negative", "unknown"}
        What a blank means. ``group``: a group with a positive is complete, but for what is under
        a label of which no child is given; one without isn't known. ``negative``: what isn't said
        doesn't hold. ``unknown``: nothing but what is said, and what it excludes, is known.
    id_column : str or None
        The column that names the picture.
    groups : sequence of str
        Read only these columns or groups; none reads all that look like labels.
    like : LabelSpace or None
        A probe's labels: a group of that name is exclusive if it is there, and a value that isn't
        there is a label that the probe doesn't know.
    decided : mapping of str to mapping of str to tuple of str, or None
        By id and group, the labels that a person decided on, () for none of these: what a table
        says of the group doesn't count, and a label that the label file lacks is added to it.

    Raises
    ------
    UsageError
        There is no such table, or it lacks a column that was asked for.
    CatalogError
        It can't be joined, it labels nothing, or it gives one product two values of a group that
        the label file calls exclusive, neither of which stands under the other.
    """
    table = Table("decisions", ("id",), ())
    if path is not None:
        table = read_table(path, (id_column, *TAGS_COLUMNS))
    path, names = table.path, [*ids]
    places = {item_id: place for place, item_id in enumerate(names)}
    said = [*table.warnings, *ragged_warning(table, "label")]
    notes: dict[int, _Note] = defaultdict(_Note)
    with after(said):
        joined = join_rows(table, id_column, ids)
        columns = _LabelColumns(table, joined.key_at, labels, groups, like)
        said += (*columns.warnings, *joined.warnings)
        for row, _, item_id in joined.rows:
            for group, label, holds in columns.read(row) if item_id is not None else ():
                note = notes[places[str(item_id)]]
                note.listed = True
                if label is None:
                    note.whole.setdefault(group, row.line)
                else:
                    (note.positive if holds else note.negative).setdefault((group, label), row.line)
        said += columns.complaints()
        _refuse_contradictions(path, labels, notes, names)
        differ = [
            f"{item_id} ({group})"
            for item_id, by_group in (decided or {}).items()
            for group, chosen in by_group.items()
            if (not groups or group in groups)
            and notes[places[item_id]].decide(*columns.spelled(group, chosen))
        ]
        if not notes:
            raise CatalogError(
                f"{path} labels no product of the source: no row joins to an image and holds a "
                f"label; {table.has()}."
            )
        notes = dict(sorted(notes.items()))
        by_id = {names[place]: note for place, note in notes.items()}
        space, odd = _space(path, labels, by_id, like)
    targets = _targets(space, notes.values(), unlabeled)
    otherwise = "answers differ from what people decided, and the decisions count:"
    return Annotations(
        rows=np.array(list(notes), np.int64),
        space=space,
        targets=targets,
        warnings=(
            *said,
            *odd,
            *counted(path, differ, otherwise),
        ),
        none=frozenset(
            (row, group)
            for row, note in enumerate(notes.values())
            for group in note.whole.keys() & {*space.names}
            if not (targets[row, space.span(group)] == 1).any()
        ),
    )


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that labels: with tags if it has no group, with a group's values if no label."""

    place: int
    group: str | None = None
    label: str | None = None


class _LabelColumns:
    """The columns of a table that label, and what in them could not be used."""

    def __init__(
        self,
        table: Table,
        key_at: int,
        labels: LabelSpace | None,
        only: Sequence[str],
        like: LabelSpace | None,
    ) -> None:
        self.warnings: list[str] = []
        self._path = table.path
        self._only = set(only)
        # Case and form are forgiven: what a spreadsheet calls "navy" is the label file's "Navy".
        self._known: dict[str, dict[str, str]] = {
            group.name: {fold(name): name for name in group.names}
            for group in (labels.groups if labels else ())
        }
        self._groups = {fold(name): name for name in self._known}
        # So it is between the rows of the table: of "Red" and "red" the first is the label.
        self._spelled: dict[tuple[str, str], str] = {
            (group.name, fold(name)): name
            for group in (like.groups if like else ())
            for name in group.names
        }
        self._respelled: set[tuple[str, str]] = set()
        self._strange: dict[str, Counter[str]] = defaultdict(Counter)
        self._broken: list[int] = []
        self._nothing: Counter[str] = Counter()
        self._columns: list[_Column] = []
        empty: list[str] = []
        passed: list[str] = []
        for place, name in enumerate(table.columns):
            wanted = name in self._only
            own = fold(name) in _NO_LABELS or name.startswith("table.")
            if place == key_at or not name or (own and not wanted):
                continue
            values = Counter(row.cells[place].strip() for row in table.rows if not row.ragged)
            del values[""]
            if not values:
                empty.append(name)
            elif fold(name) in TAGS_COLUMNS:
                self._columns.append(_Column(place))
            elif {fold(value) for value in values} <= _YES | _NO:
                self._columns.append(_Column(place, *self._tag_of(name)))
            elif wanted or fold(name) in self._groups or _looks_like_labels(values):
                self._columns.append(_Column(place, self._group_of(name)))
            else:
                passed.append(name)
        if only and table.rows:
            self._restrict(table)
        if empty:
            self.warnings.append(f"{table.path}: no cell is filled in {first_few(empty)}.")
        if passed and not only:
            self.warnings.append(
                f"{table.path}: {first_few(passed)} looks like numbers, dates, prices, names or "
                "texts, not labels, and was passed over; name it with --groups to use it."
            )

    def _restrict(self, table: Table) -> None:
        self._columns = [c for c in self._columns if c.group in (None, *self._only)]
        there = {column.group for column in self._columns}
        missing = self._only - there
        if missing and None not in there:
            raise UsageError(
                f"--groups: {table.path} has no column {sorted(missing)[0]!r}; {table.has()}."
            )

    def _group_of(self, name: str) -> str:
        return self._groups.setdefault(fold(name), name)

    def _tag_of(self, name: str) -> tuple[str, str]:
        """Return group and label of a 0/1 column: ``group=label``, a known label, or the file's."""
        group, equals, label = name.partition("=")
        if equals:
            return self._group_of(group.strip()), label.strip()
        homes = [
            (group, names[fold(name)])
            for group, names in self._known.items()
            if fold(name) in names
        ]
        return homes[0] if len(homes) == 1 else (Path(self._path).stem, name)

    def spelled(self, group: str, labels: Collection[str]) -> tuple[str, list[str]]:
        """Return a group and its labels as the label file or the table spells them."""
        group = self._group_of(group)
        known = self._known.get(group, {})
        return group, [
            known.get(fold(x)) or self._spelled.setdefault((group, fold(x)), x)
            for x in map(as_path, labels)
        ]

    def read(self, row: Row) -> Iterator[tuple[str, str | None, bool]]:
        """Yield what one row says: group, label (None for none of these), and whether it holds."""
        for group, label, holds in self._stated(row):
            known = self._known.get(group)
            strange = fold(label) not in (known or ()) and (group, fold(label)) not in self._spelled
            if strange and fold(label) in NONE:
                if holds:
                    yield group, None, True
            elif strange and fold(label) in _NOTHING:
                self._nothing[label] += 1
            elif known is None:
                label = as_path(label)
                spelled = self._spelled.setdefault((group, fold(label)), label)
                if label != spelled:
                    self._respelled.add((spelled, label))
                yield group, spelled, holds
            elif fold(label) in known:
                yield group, known[fold(label)], holds
            else:
                self._strange[group][label] += 1

    def _stated(self, row: Row) -> Iterator[tuple[str, str, bool]]:
        for column in self._columns:
            cell = row.cells[column.place].strip()
            if column.group is None:
                for tag in _parts(cell, lambda part: "=" in part):
                    group, _, label = (part.strip() for part in tag.partition("="))
                    if not (group and label):
                        self._broken.append(row.line)
                    elif not self._only or self._group_of(group) in self._only:
                        yield self._group_of(group), label, True
            elif column.label is None:
                known = partial(self._knows, column.group)
                for label in _parts(cell, known):
                    yield column.group, label, True
            elif fold(cell) in _YES | _NO:
                yield column.group, column.label, fold(cell) in _YES

    def _knows(self, group: str, label: str) -> bool:
        return fold(label) in self._known.get(group, {})

    def complaints(self) -> list[str]:
        """Say what was read and could not be used."""
        found = [
            f"{self._path}: {sum(values.values())} cells of '{group}' hold {len(values)} values "
            f"that the label file doesn't have, and count as blank: "
            f"{first_few([f'{value} ({count})' for value, count in values.most_common()])}."
            for group, values in self._strange.items()
        ]
        respelled = [f"{other!r} as {first!r}" for first, other in sorted(self._respelled)]
        twice = "values are spelled in another way too, and are read as the first:"
        found += counted(self._path, respelled, twice)
        nothing = [f"{text!r} ({count})" for text, count in self._nothing.most_common()]
        found += counted(self._path, nothing, "texts say that nothing is known, and are blank:")
        broken = "tags aren't written group=label and were passed over: line"
        return [*found, *counted(self._path, self._broken, broken)]


def _parts(cell: str, is_one: Callable[[str], bool]) -> list[str]:
    """Return the labels or tags of a cell, as people and programs write several.

    ``a|b``; ``a;b``, unless that is one; ``a, b`` where each is one; a list as JSON or Python write
    it, and Label Studio's ``{"choices": [...]}``.
    """
    if cell[:1] in ("[", "{"):
        found: object = None
        for read in (json.loads, ast.literal_eval):
            with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
                found = found or read(cell)
        if isinstance(found, dict):
            found = found.get("choices")
        if isinstance(found, list | tuple | set):
            return [part for value in found if (part := as_text(value).strip())]
    sign = "|"
    if "|" not in cell and ";" in cell and not is_one(cell):
        sign = ";"
    parts = [part.strip() for part in cell.split(sign) if part.strip()]
    commas = [part.strip() for part in cell.split(",")]
    if len(parts) == 1 < len(commas) and all(map(is_one, commas)):
        return commas
    return parts


def _looks_like_labels(values: Counter[str]) -> bool:
    """Tell attribute values from numbers, prices, dates, links, names and free text."""
    numbers = sum(_NUMBER.fullmatch(value.lower()) is not None for value in values)
    texts = sum(len(value) > _LONG_CELL or "://" in value for value in values)
    rows = values.total()
    names = rows >= _ENOUGH and len(values) * 10 > rows * 9
    return numbers * 10 < len(values) * 9 and texts * 10 <= len(values) and not names


def _space(
    path: str, labels: LabelSpace | None, by_id: Mapping[str, _Note], like: LabelSpace | None
) -> tuple[LabelSpace, tuple[str, ...]]:
    """Return the label file's groups with those that the table invents, and warnings."""
    values: dict[str, set[str]] = defaultdict(set)
    several: dict[str, list[str]] = defaultdict(list)
    notes = by_id.values()
    bare = {group for note in notes for group in note.whole}
    for item_id, note in by_id.items():
        counts = Counter(
            group
            for group, label in note.positive
            if not any(g == group and x.startswith(f"{label} > ") for g, x in note.positive)
        )
        for group, count in counts.items():
            if count > 1:
                several[group].append(item_id)
        for group, label in (*note.positive, *note.negative):
            values[group].add(label)
    known = labels.names if labels else ()
    bare -= values.keys() | {*known}
    for group in bare & {*(like.names if like else ())}:
        values[group].update(like.group(group).names if like else ())
    invented: dict[str, dict[str, object]] = {}
    for group in values:
        if labels is not None and group in known:
            own = labels.group(group)
            if more := sorted(values[group].difference(own.names)):  # a person decided on them
                invented[group] = {"exclusive": own.exclusive, "labels": more}
            continue
        if fold(group) in RESERVED_GROUPS:
            raise CatalogError(
                f"{path}: a group can't be called {group!r}, which is a column of every output; "
                "rename it."
            )
        # One label alone excludes nothing: a 0/1 column is a question of its own.
        exclusive = group not in several and len(values[group]) > 1
        if like is not None and group in like.names:
            exclusive = like.group(group).exclusive
        invented[group] = {"exclusive": exclusive, "labels": sorted(values[group])}
    warnings: tuple[str, ...] = ()
    if bare := bare.difference(values):
        warnings += (
            f"{path}: {first_few(sorted(bare))} has no label, only none, and was passed over.",
        )
    for group in sorted(several.keys() & invented.keys() - {*known}):
        first = several[group][0]
        said = [
            f"{label!r} (line {line})"
            for (name, label), line in by_id[first].positive.items()
            if name == group
        ]
        warnings += (
            f"{path}: {len(several[group])} of {len(by_id)} products have several values of "
            f"{group}, so a product may get several: {first} is {' and '.join(said)}.",
        )
    if labels is None and not invented:
        raise CatalogError(f"{path} names no label at all, only none; name labels that hold, too.")
    if labels is not None and not invented:
        return labels, warnings
    try:
        space = parse_labels({"groups": invented}, Path(path).stem, path)
    except LabelFileError as error:
        raise CatalogError(str(error)) from error
    return space if labels is None else labels.with_(space), warnings


def _refuse_contradictions(
    path: str, labels: LabelSpace | None, notes: Mapping[int, _Note], ids: Sequence[str]
) -> None:
    exclusive = {group.name for group in labels.groups if group.exclusive} if labels else set()
    above = labels.tags_above if labels else {}
    for place, note in notes.items():
        firsts: dict[str, tuple[str, int]] = {}
        for (group, label), line in note.positive.items():
            first, first_line = firsts.setdefault(group, (label, line))
            one, other = f"{group}={first}", f"{group}={label}"
            if one in above.get(other, ()):  # "shoes" and "sneakers" are sneakers
                firsts[group] = (label, line)
            elif group in exclusive and label != first and other not in above.get(one, ()):
                raise CatalogError(
                    f"{path}: {ids[place]} has two values of '{group}', {first!r} in line "
                    f"{first_line} and {label!r} in line {line}, but the label file allows one; "
                    "keep one."
                )
        for group in note.whole.keys() & firsts.keys():
            label, line = firsts[group]
            raise CatalogError(
                f"{path}: {ids[place]} has none of '{group}' by line {note.whole[group]} and is "
                f"{label!r} by line {line}; keep one."
            )
        both = note.positive.keys() & note.negative.keys()
        if both:
            raise CatalogError(
                f"{path}: {ids[place]} both has and hasn't {'='.join(min(both))}; keep one."
            )


def _targets(space: LabelSpace, notes: Collection[_Note], unlabeled: Unlabeled) -> NDArray[np.int8]:
    targets = np.full((len(notes), space.size), -1, np.int8)
    below: dict[int, list[int]] = defaultdict(list)
    for column, upper in space.above.items() if unlabeled != "negative" else ():
        for parent in upper:
            below[parent].append(column)
    for row, note in zip(targets, notes, strict=True):
        if unlabeled == "negative" and note.listed:
            row[:] = 0
        own = {*map("=".join, note.positive)}
        # What was decided, or is none, outranks what a label of another group implies.
        tags = [t for t in space.implied(own) if t in own or t.split("=")[0] not in note.whole]
        labelled = {tag.split("=")[0] for tag in tags}
        spelled_out = {group for group, _ in note.negative}
        for group in space.groups:
            # A row of a wide table that says 0 of some labels says nothing of the blank ones.
            complete = unlabeled == "group" and group.name not in spelled_out
            said = group.name in labelled and (group.exclusive or complete)
            if said or group.name in note.whole:
                row[space.span(group.name)] = 0
        holds = [space.column(tag) for tag in tags]
        # "Shoes" leaves open which, unless one of those under it is given too.
        lowest = set(holds).difference(*(space.above.get(column, ()) for column in holds))
        row[[column for parent in lowest for column in below[parent]]] = -1
        row[[space.column("=".join(tag)) for tag in note.negative]] = 0
        row[holds] = 1
    return targets
