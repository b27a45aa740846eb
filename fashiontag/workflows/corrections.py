"""A table of tags corrected by hand, or answers from another tool → decisions.

`_Comparison` is what knows of tables: which cells somebody changed, and what they mean.
"""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fashiontag.catalog.tagtables import REVIEW, TAGS, TagRow, TagTable, plain, read_tag_table, same
from fashiontag.catalog.titles import first_few
from fashiontag.errors import CatalogError, UsageError
from fashiontag.index import DATABASE, Index
from fashiontag.labels import UNKNOWN
from fashiontag.names import NONE, fold
from fashiontag.sinks.tools import Answer
from fashiontag.sinks.tools import read as read_answers
from fashiontag.workspace.decisions import Choice, Decisions
from fashiontag.workspace.written import Written, file_digest, find_copies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from fashiontag.workspace.decisions import Event
    from fashiontag.workspace.written import Copy


@dataclass(slots=True)
class Corrections:
    """What a person changed in a table.

    Attributes
    ----------
    found : list of Answer
    notes : list of str
        What there is to say of it.
    left : list of str
        Changes that are no decisions, and would be lost if the table were written again.
    """

    found: list[Answer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    table : Path
    written_as, written_at : str or None
        The table that it was compared with, and when that was written; None of another tool's file,
        whose products carry what they were written with.
    decided : tuple of Event
        What was recorded; a correction that was decided so already adds nothing.
    corrections : int
        Answers that were changed in the table.
    notes : tuple of str
    taken_over : bool
        Whether nothing else was changed in the table, so that `tag` may write it again.
    """

    table: Path
    written_as: str | None
    written_at: str | None
    decided: tuple[Event, ...]
    corrections: int
    notes: tuple[str, ...]
    taken_over: bool


def import_table(
    workspace: Path,
    path: Path,
    *,
    of: Path | None = None,
    new_labels: bool = False,
    by: str | None = None,
) -> Imported:
    """Record what a person changed in a table of tags; all of it or, after an error, nothing.

    Parameters
    ----------
    workspace : Path
        That of the run which wrote the table.
    path : Path
    of : Path or None
        The table that `path` is a corrected copy of. None is `path` itself, or the table of this
        workspace that has the most of its products.
    new_labels : bool
        Whether labels that the label file doesn't have are meant.
    by : str or None
        Who changed it; None is the user of this process.

    Raises
    ------
    UsageError
        There is no such table.
    CatalogError
        It can't be compared with what was written, or a change can't be understood; the sentence
        names the line.
    StoreError
        Nothing can be recorded.
    """
    table = read_tag_table(str(path), "id")
    digest = file_digest(path)
    if table.ragged:
        raise CatalogError(
            f"{path}, line {table.ragged[0]}: this line hasn't the {len(table.columns)} cells of "
            "the header; mend it, and import again."
        )
    copy = written_as(workspace, path, of, table)
    about = copy.about
    changes = _Comparison(table, copy, new_labels=new_labels).run()
    decided = _record(workspace, path, changes.found, by)
    if not changes.left:
        Written(workspace, path).adopt(table, digest, about)
    return Imported(
        path,
        about.out,
        about.at,
        decided,
        len(changes.found),
        (*changes.notes, *changes.left),
        taken_over=not changes.left,
    )


def import_answers(
    workspace: Path,
    path: Path,
    *,
    new_labels: bool = False,
    by: str | None = None,
) -> Imported:
    """Record what people answered in Label Studio or FiftyOne; all of it or nothing.

    Parameters
    ----------
    workspace : Path
    path : Path
        A JSON export of Label Studio, or a folder that FiftyOne exported.
    new_labels : bool
        Whether labels that the label file doesn't have are meant.
    by : str or None
        Who answered; None is the user of this process.

    Raises
    ------
    UsageError
        There is no such file, or a library is missing.
    CatalogError
        It isn't what the tool exports of `fashiontag export`, or has unknown labels.
    StoreError
        Nothing can be recorded.
    """
    if not path.exists():
        raise UsageError(f"There is no {path}; give what Label Studio or FiftyOne exported.")
    answers = read_answers("fiftyone" if path.is_dir() else "label-studio", path)
    copies = {copy.about.root: copy.about for copy in reversed(find_copies(workspace))}
    for answer in answers.found:
        about = copies.get(answer.source)
        if about is None:
            continue  # tagged in another workspace, whose labels aren't known here
        shown = f"{path}: {answer.item} has {answer.group} {_shown(answer.labels)}"
        strange = {*answer.labels} - {*answer.was, *about.labels.get(answer.group, ())}
        if strange and not new_labels:
            raise CatalogError(
                f"{shown}, and the label file hasn't {_shown(tuple(sorted(strange)))}. Nothing was "
                "imported: mend that and import again, or give --new-labels if it is meant."
            )
        if answer.group in about.exclusive and len(answer.labels) > max(1, len(answer.was)):
            raise CatalogError(
                f"{shown}, and a product has one. Nothing was imported: keep one, and import again."
            )
    decided = _record(workspace, path, answers.found, by)
    return Imported(path, None, None, decided, len(answers.found), answers.notes, taken_over=True)


def _record(
    workspace: Path, path: Path, answers: Sequence[Answer], by: str | None
) -> tuple[Event, ...]:
    """Record answers as decisions, each with its product's picture."""
    pictures = {
        source: _picture_keys(workspace, source) for source in {answer.source for answer in answers}
    }
    choices = [
        Choice(a.source, a.item, a.group, a.labels, a.was, pictures[a.source].get(a.item))
        for a in answers
    ]
    with Decisions.open(workspace) as decisions:
        return decisions.record(choices, by=by, via=f"decisions import {path.name}")


class _Comparison:
    """One table beside what it was, row by row."""

    def __init__(self, table: TagTable, copy: Copy, *, new_labels: bool) -> None:
        self._table = table
        self._before = copy.table
        self._root = copy.about.root
        self._new_labels = new_labels
        self._exclusive = set(copy.about.exclusive)
        self._names = {fold(name): name for name in copy.about.labels}
        self._there = {fold(name) for name in table.columns}
        # a new label that was accepted once is in the copy's cells
        self._known = {
            group: {plain(fold(label)): label for label in labels}
            for group, labels in copy.about.labels.items()
        }
        for row in copy.table.rows:
            for group, known in self._known.items():
                for label in row.labels(group):
                    known.setdefault(plain(fold(label)), label)
        self._wrong: list[str] = []
        self._torn: list[str] = []
        self._new: Counter[str] = Counter()
        self._other: Counter[str] = Counter()
        self._changes = Corrections()

    def run(self) -> Corrections:
        """Return what was changed, or raise on the first changes that can't be understood."""
        seen: dict[str, TagRow] = {}
        strange = []
        for row in self._table.rows:
            before = self._before.find(row.id)
            if before is None:
                strange.append(row.id or f"line {row.line}")
                continue
            first = seen.setdefault(before.id, row)
            if first is not row and first.cells != row.cells:
                self._wrong.append(
                    f"lines {first.line} and {row.line} are both {before.id} and say different "
                    "things"
                )
            elif first is row:
                self._row(before, row)
        if self._wrong:
            more = f" (and {len(self._wrong) - 3} more)" if len(self._wrong) > 3 else ""
            raise CatalogError(
                f"{self._table.path}: {'; '.join(self._wrong[:3])}{more}. Nothing was imported: "
                "mend that and import again"
                + ("." if self._new_labels else ", or give --new-labels if new labels are meant.")
            )
        self._say(strange, len(self._before.rows) - len(seen))
        return self._changes

    def _row(self, before: TagRow, row: TagRow) -> None:
        old_tags, tags = before.tags(), row.tags()
        if any("" in labels for labels in tags.values()):
            self._wrong.append(f"line {row.line}: tags are written group=label, parted by |")
            return
        taken = _taken_out(before.tags(REVIEW), row.tags(REVIEW))
        for name in dict.fromkeys((*self._names, *tags, *old_tags)):
            group = self._names.get(name, name)
            old_cell, old_list = before.labels(group), old_tags.get(name, ())
            # a column that was taken out of the table changes nothing
            cell = row.labels(group) if name in self._there else old_cell
            listed = tags.get(name, ()) if TAGS in self._there else old_list
            by_cell, by_list = _differ(old_cell, cell), _differ(old_list, listed)
            if by_cell and by_list and _differ(cell, listed):
                self._wrong.append(
                    f"line {row.line}: {group} was changed to {_shown(cell)} in its column and to "
                    f"{_shown(listed)} in tags"
                )
                continue
            if not (by_cell or by_list or name in taken):
                continue
            new, other = (listed, cell) if by_list else (cell, listed)
            if by_cell != by_list and _differ(new, other):
                self._torn.append(f"line {row.line} ({group}: {_shown(new)}, not {_shown(other)})")
            self._add(row.line, before.id, group, new, old_cell or old_list)
        fixed = {"id", TAGS, REVIEW, *self._names}
        self._other.update(
            name
            for name in self._there - fixed
            if name in before.cells and not same(before.cells[name], row.cells[name])
        )
        if _taken_out(row.tags(REVIEW), before.tags(REVIEW)):
            self._other[REVIEW] += 1

    def _add(
        self, line: int, item: str, group: str, labels: tuple[str, ...], was: tuple[str, ...]
    ) -> None:
        """Add a correction, its labels spelled as the label file spells them, if it has them."""
        known = self._known.get(group)
        if known is None and not self._new_labels:
            near = _nearest(group, self._known)
            self._wrong.append(f"line {line}: there is no group {group!r}{near}")
            return
        spelled = []
        for label in labels:
            meant = (known or {}).get(plain(fold(label)))
            if meant is None and fold(label) in NONE | {UNKNOWN}:
                continue
            if meant is None and not self._new_labels:
                near = _nearest(label, (known or {}).values())
                self._wrong.append(f"line {line}: {group} has no label {label!r}{near}")
                return
            if meant is None:
                self._new[f"{group}={label}"] += 1
            spelled.append(meant or label)
        if group in self._exclusive and len(spelled) > 1:
            self._wrong.append(
                f"line {line}: {group} holds one label, and {_shown(tuple(spelled))} are two"
            )
            return
        self._changes.found.append(Answer(self._root, item, group, tuple(spelled), was))

    def _say(self, strange: Sequence[str], gone: int) -> None:
        notes, left, path = self._changes.notes, self._changes.left, self._table.path
        if self._torn:
            notes.append(
                f"{path}: {_count(len(self._torn), 'answer')} changed in one of `tags` and the "
                f"group's column only; the changed one counts: {first_few(self._torn, 3)}."
            )
        if self._new:
            new = [f"{tag} ({count})" for tag, count in self._new.most_common()]
            notes.append(f"{path}: new labels were kept: {first_few(new)}.")
        if gone:
            notes.append(
                f"{path}: {_count(gone, 'row')} that fashiontag wrote are gone, which decides "
                "nothing."
            )
        before = {fold(name) for name in self._before.columns}
        more = [name for name in self._table.columns if fold(name) not in before]
        if more:
            left.append(
                f"{path}: {first_few(more)} is no column of a table of tags and was passed over."
            )
        if strange:
            left.append(
                f"{path}: {_count(len(strange), 'row')} name no product of the run that wrote it "
                f"and were passed over: {first_few(strange)}."
            )
        if self._other:
            other = [f"{name} ({count})" for name, count in self._other.most_common()]
            left.append(
                f"{path}: changed cells of these columns are no decisions and were passed over: "
                f"{first_few(other)}."
            )


def written_as(workspace: Path, path: Path, of: Path | None, table: TagTable) -> Copy:
    """Return the copy of what a table was when the program wrote it."""
    own = Written(workspace, of or path).copies()
    if not own and of is not None:
        raise CatalogError(
            f"No run of the workspace {workspace} wrote {of}; name the table it did."
        )
    there = {fold(name) for name in table.columns}
    shared = {
        copy: sum(copy.table.find(row.id) is not None for row in table.rows)
        for copy in own or find_copies(workspace)
        if own or not {fold(name) for name in copy.about.labels}.isdisjoint({*there} - {TAGS})
    }
    # of two copies of one table, which a killed run leaves, the one that fewer cells differ from
    best = max(shared, key=lambda copy: (shared[copy], -_distance(copy.table, table)), default=None)
    if best is None or not shared[best]:
        raise CatalogError(
            f"No run of the workspace {workspace} wrote {path}, or a table with its products, so "
            "what was changed in it can't be told; name the --workspace of the run, or give the "
            "table to probe-train or eval as LABELS."
        )
    return best


def _distance(before: TagTable, table: TagTable) -> int:
    """Count the cells of a table that aren't as they were."""
    pairs = ((before.find(row.id), row) for row in table.rows)
    return sum(
        cell != old.cells.get(name, "")
        for old, row in pairs
        if old is not None
        for name, cell in row.cells.items()
    )


def _picture_keys(workspace: Path, root: str) -> dict[str, str]:
    if not (workspace / DATABASE).is_file():
        return {}
    with Index.open(workspace) as index:
        known = index.titles(root)
    return {item: title.image_key for item, title in known.items() if title.image_key}


def _taken_out(
    before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]
) -> set[str]:
    """Return the groups of which a label that was there isn't any more."""
    return {
        group
        for group, labels in before.items()
        if not {*map(fold, labels)} <= {*map(fold, after.get(group, ()))}
    }


def _differ(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return not same("|".join(one), "|".join(other), labels=True)


def _shown(labels: tuple[str, ...]) -> str:
    return " and ".join(map(repr, labels)) or "nothing"


def _nearest(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(fold(name), list(names), n=1, cutoff=0.6)
    return f", did you mean {found[0]!r}?" if found else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
