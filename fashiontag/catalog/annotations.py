"""Labelled products: tables of tags, attribute columns or 0/1 columns, joined to the items.

Each column decides by itself what it is. ``tags`` holds ``group=label|group=label``; a column of
nothing but 0, 1 and blanks is one label; every other column is an attribute group, its cells the
labels, several of them parted by ``|``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fashiontag.catalog.tables import TITLE_COLUMNS, Table, read_table
from fashiontag.catalog.titles import KEY_COLUMNS, Matcher, first_few, ragged_warning
from fashiontag.errors import CatalogError, LabelFileError, UsageError
from fashiontag.labels import RESERVED_GROUPS, LabelSpace, parse_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

TAGS_COLUMNS = ("tags", "labels")
Unlabeled = Literal["group", "negative", "unknown"]
_YES = {"1", "true", "yes"}
_NO = {"0", "false", "no"}
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
    """

    rows: NDArray[np.int64]
    space: LabelSpace
    targets: NDArray[np.int8]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Said:
    """What the table says of one item: tags that hold, tags that don't, where it was read."""

    yes: dict[str, dict[str, int]]
    no: dict[str, set[str]]


def read_annotations(
    path: str,
    ids: Sequence[str],
    labels: LabelSpace | None = None,
    *,
    unlabeled: Unlabeled = "group",
    id_column: str | None = None,
    groups: Sequence[str] = (),
    like: LabelSpace | None = None,
) -> Annotations:
    """Read a LABELS table and join it to the ids of a source.

    Parameters
    ----------
    path : str
    ids : sequence of str
    labels : LabelSpace or None
        Groups that it has take its labels, its words and its word on exclusiveness. A group that
        it doesn't have is exclusive if no product has two values, and its values are its prompts.
    unlabeled : {"group", "negative", "unknown"}
        What a blank means. ``group``: a group with a positive is complete, one without isn't
        known. ``negative``: what isn't said doesn't hold. ``unknown``: nothing but what is said,
        and what it excludes, is known.
    id_column : str or None
        The column that names the picture.
    groups : sequence of str
        Read only these columns or groups; none reads all that look like labels.
    like : LabelSpace or None
        A probe's labels: a group of that name is exclusive if it is there, and a value that isn't
        there is a label that the probe doesn't know.

    Raises
    ------
    UsageError
        There is no such table, or it lacks a column that was asked for.
    CatalogError
        It can't be joined, it labels nothing, or it gives one product two values of a group that
        the label file calls exclusive.
    """
    table = read_table(path, (id_column, *TAGS_COLUMNS))
    key_at = table.column(id_column, KEY_COLUMNS, "--id-column")
    if key_at is None:
        raise CatalogError(
            f"{path} has no key column ({', '.join(KEY_COLUMNS)}): {table.has()}; "
            "name one with --id-column."
        )
    warnings = [one.replace("no title", "no label") for one in ragged_warning(table)]
    columns = _Columns(table, key_at, labels, groups, warnings)
    matcher, place = Matcher(ids), {one: number for number, one in enumerate(ids)}
    said: dict[int, _Said] = {}
    unmatched: list[str] = []
    for row in table.rows:
        key = "" if row.ragged else row.cells[key_at].strip()
        if not key:
            continue
        found = matcher.find(key)
        if len(found) > 1:
            raise CatalogError(
                f"{path}, line {row.line}: the key {key!r} fits two images, {found[0]} and "
                f"{found[1]}; write the whole path of the one that is meant."
            )
        if not found:
            unmatched.append(key)
            continue
        one = said.setdefault(place[found[0]], _Said(defaultdict(dict), defaultdict(set)))
        columns.read(row.cells, row.line, one)
    if unmatched:
        warnings.append(
            f"{path}: {len(unmatched)} of {len(table.rows)} rows match no image: "
            f"{first_few(unmatched)}."
        )
    warnings += columns.complaints()
    said = {at: one for at, one in sorted(said.items()) if any(one.yes.values()) or one.no}
    if not said:
        raise CatalogError(
            f"{path} labels no product of the source: no row joins to an image and holds a label; "
            f"{table.has()}."
        )
    space = _space(path, labels, said.values(), warnings, like)
    _refuse_contradictions(path, labels, said, ids)
    return Annotations(
        rows=np.array(list(said), np.int64),
        space=space,
        targets=_targets(space, list(said.values()), unlabeled),
        warnings=tuple(warnings),
    )


class _Columns:
    """What each column of the table is, and what could not be used."""

    def __init__(
        self,
        table: Table,
        key_at: int,
        labels: LabelSpace | None,
        only: Sequence[str],
        warnings: list[str],
    ) -> None:
        self._path = table.path
        self._only = set(only)
        # Case is forgiven: what a spreadsheet calls "navy" is the label file's "Navy".
        self._known: dict[str, dict[str, str]] = {
            group.name: {label.name.casefold(): label.name for label in group.labels}
            for group in (labels.groups if labels else ())
        }
        self._names = {name.casefold(): name for name in self._known}
        self._strange: dict[str, Counter[str]] = defaultdict(Counter)
        self._broken: list[int] = []
        self._tags: list[int] = []
        self._single: dict[int, tuple[str, str]] = {}
        self._groups: dict[int, str] = {}
        empty: list[str] = []
        passed: list[str] = []
        # What `tag` and `suggest` write may be corrected and read back.
        usual = {name.casefold() for name in (*KEY_COLUMNS, *TITLE_COLUMNS, *RESERVED_GROUPS)}
        usual -= set(TAGS_COLUMNS)
        for at, name in enumerate(table.columns):
            asked = name in self._only
            if at == key_at or not name or (name.casefold() in usual and not asked):
                continue
            cells = [row.cells[at].strip() for row in table.rows if not row.ragged]
            values = {cell for cell in cells if cell}
            if not values:
                empty.append(name)
            elif name.casefold() in TAGS_COLUMNS:
                self._tags.append(at)
            elif {value.casefold() for value in values} <= _YES | _NO:
                self._single[at] = self._label_of(name)
            elif asked or name.casefold() in self._names or _looks_like_labels(values):
                self._groups[at] = self._names.get(name.casefold(), name)
            else:
                passed.append(name)
        if only:
            self._restrict(table)
        if empty:
            warnings.append(f"{table.path}: no cell is filled in {first_few(empty)}.")
        if passed and not only:
            warnings.append(
                f"{table.path}: {first_few(passed)} looks like numbers or texts, not labels, and "
                "was passed over; name it with --groups to use it."
            )

    def _restrict(self, table: Table) -> None:
        self._single = {at: tag for at, tag in self._single.items() if tag[0] in self._only}
        self._groups = {at: name for at, name in self._groups.items() if name in self._only}
        there = {name for name, _ in self._single.values()} | set(self._groups.values())
        missing = self._only - there
        if missing and not self._tags:
            raise UsageError(
                f"--groups: {table.path} has no column {sorted(missing)[0]!r}; {table.has()}."
            )

    def _label_of(self, name: str) -> tuple[str, str]:
        """Return group and label of a 0/1 column: ``group=label``, a known label, or the file's."""
        group, equals, label = name.partition("=")
        if equals:
            return self._names.get(group.strip().casefold(), group.strip()), label.strip()
        homes = [
            (group, names[name.casefold()])
            for group, names in self._known.items()
            if name.casefold() in names
        ]
        return homes[0] if len(homes) == 1 else (Path(self._path).stem, name)

    def read(self, cells: tuple[str, ...], line: int, said: _Said) -> None:
        """Add what one row says."""
        for at in self._tags:
            for tag in _parts(cells[at]):
                group, equals, label = (part.strip() for part in tag.partition("="))
                if not (group and equals and label):
                    self._broken.append(line)
                    continue
                group = self._names.get(group.casefold(), group)
                if not self._only or group in self._only:
                    self._add(said, group, label, line)
        for at, (group, label) in self._single.items():
            cell = cells[at].strip().casefold()
            if cell in _YES:
                self._add(said, group, label, line)
            elif cell in _NO:
                known = self._known.get(group)
                said.no[group].add(known.get(label.casefold(), label) if known else label)
        for at, group in self._groups.items():
            for label in _parts(cells[at]):
                self._add(said, group, label, line)

    def _add(self, said: _Said, group: str, label: str, line: int) -> None:
        known = self._known.get(group)
        if known is None:
            said.yes[group].setdefault(label, line)
        elif label.casefold() in known:
            said.yes[group].setdefault(known[label.casefold()], line)
        else:
            self._strange[group][label] += 1

    def complaints(self) -> list[str]:
        """Say what was read and could not be used."""
        found = [
            f"{self._path}: {sum(values.values())} cells of '{group}' hold {len(values)} values "
            f"that the label file doesn't have, and count as blank: "
            f"{first_few([f'{value} ({count})' for value, count in values.most_common()])}."
            for group, values in self._strange.items()
        ]
        if self._broken:
            found.append(
                f"{self._path}: {len(self._broken)} tags aren't written group=label and were "
                f"passed over: line {first_few(self._broken)}."
            )
        return found


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split("|") if part.strip()]


def _looks_like_labels(values: set[str]) -> bool:
    """Tell attribute values from numbers, links and free text."""
    numbers = sum(value.replace(".", "", 1).replace("-", "", 1).isdigit() for value in values)
    texts = sum(len(value) > _LONG_CELL or "://" in value for value in values)
    return numbers < len(values) and texts * 10 <= len(values)


def _space(
    path: str,
    labels: LabelSpace | None,
    said: Iterable[_Said],
    warnings: list[str],
    like: LabelSpace | None,
) -> LabelSpace:
    """Return the label file's groups and those that the table invents."""
    values: dict[str, Counter[str]] = {}
    several: set[str] = set()
    known = set(labels.names) if labels else set()
    for one in said:
        for group in dict.fromkeys([*one.yes, *one.no]):
            if group in known:
                continue
            counter = values.setdefault(group, Counter())
            counter.update(one.yes.get(group, {}).keys())
            counter.update(dict.fromkeys(one.no.get(group, ()), 0))
            if len(one.yes.get(group, ())) > 1:
                several.add(group)
    content: dict[str, Any] = labels.content() if labels else {"groups": {}}
    for group, counter in values.items():
        if group.lower() in RESERVED_GROUPS:
            raise CatalogError(
                f"{path}: a group can't be called {group!r}, which is a column of every output; "
                "rename it."
            )
        # One label alone excludes nothing: a 0/1 column is a question of its own.
        exclusive = group not in several and len(counter) > 1
        if like is not None and group in like.names:
            exclusive = like.group(group).exclusive
        content["groups"][group] = {"exclusive": exclusive, "labels": sorted(counter)}
    if several:
        warnings.append(
            f"{path}: products have several values of {first_few(sorted(several))}, so a product "
            "may get several."
        )
    try:
        return parse_labels(content, labels.name if labels else Path(path).stem, path)
    except LabelFileError as error:
        raise CatalogError(str(error)) from error


def _refuse_contradictions(
    path: str, labels: LabelSpace | None, said: Mapping[int, _Said], ids: Sequence[str]
) -> None:
    exclusive = {group.name for group in labels.groups if group.exclusive} if labels else set()
    for at, one in said.items():
        for group, values in one.yes.items():
            if group in exclusive and len(values) > 1:
                (first, line), (second, other) = list(values.items())[:2]
                raise CatalogError(
                    f"{path}: {ids[at]} has two values of '{group}', {first!r} in line {line} and "
                    f"{second!r} in line {other}, but the label file allows one; keep one."
                )
            both = sorted(set(values) & one.no.get(group, set()))
            if both:
                raise CatalogError(
                    f"{path}: {ids[at]} both has and hasn't {group}={both[0]}; keep one."
                )


def _targets(space: LabelSpace, said: Sequence[_Said], unlabeled: Unlabeled) -> NDArray[np.int8]:
    targets = np.full((len(said), space.size), -1, np.int8)
    if unlabeled == "negative":
        targets[:] = 0
    for row, one in zip(targets, said, strict=True):
        tags = space.implied(f"{g}={label}" for g, labels in one.yes.items() for label in labels)
        groups_told = {tag.split("=", 1)[0] for tag in tags}
        for group in space.groups:
            complete = group.exclusive or unlabeled == "group"
            # A row of a wide table that says 0 of some labels says nothing of the blank ones.
            spelled_out = group.name in one.no
            if group.name in groups_told and complete and (group.exclusive or not spelled_out):
                row[space.span(group.name)] = 0
        for group_name, labels in one.no.items():
            for label in labels:
                row[space.column(f"{group_name}={label}")] = 0
        for tag in tags:
            row[space.column(tag)] = 1
    return targets
