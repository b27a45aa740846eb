"""Labelled products beside tags, of a table or of a run: right, wrong, left empty."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fashiontag.catalog.annotations import read_annotations
from fashiontag.catalog.tagtables import TAGS, read_tag_table
from fashiontag.names import fold
from fashiontag.verdicts import Case, judge
from fashiontag.workspace.embed import DEFAULTS, embed
from fashiontag.workspace.written import Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from fashiontag.catalog import Catalog
    from fashiontag.catalog.annotations import Annotations
    from fashiontag.catalog.tagtables import TagRow
    from fashiontag.verdicts import Verdict
    from fashiontag.workflows.tag import Judge
    from fashiontag.workspace.embed import EmbedOptions

    Given = Callable[[str, str], tuple[str, ...]]


def compare_table(
    labels: str, tags: Path, workspace: Path, *, id_column: str | None = None
) -> tuple[Verdict, tuple[str, ...]]:
    """Compare a table of tags with labelled products.

    Parameters
    ----------
    labels : str
        A LABELS table, joined to the ids of the other.
    tags : Path
        A table of any program with an id and a column a group, or with ``tags``.
    workspace : Path
        If a run of it wrote the table, it knows which groups are exclusive.
    id_column : str or None
        The column of LABELS to join by.

    Returns
    -------
    verdict : Verdict
        A label counts as known if the table gives it somewhere.
    warnings : tuple of str
        What is odd about LABELS: products that the table lacks among it.

    Raises
    ------
    UsageError, CatalogError
        One of them can't be read, or they have no product in common.
    """
    table = read_tag_table(str(tags))
    rows = {row.id: row for row in table.rows}
    notes = read_annotations(labels, list(rows), id_column=id_column)
    copies = Written(workspace, tags).copies()
    columns = {fold(name) for name in table.columns} - {TAGS}

    def given(row: TagRow, group: str) -> tuple[str, ...]:
        if fold(group) in columns:
            return row.labels(group)
        return row.tags().get(fold(group), ())

    known: dict[str, set[str]] = defaultdict(set)
    for row in table.rows:
        for group in notes.space.names:
            known[group].update(given(row, group))
    exclusive = {group.name for group in notes.space.groups if group.exclusive}
    above: dict[str, Sequence[str]] = {**notes.space.tags_above}
    if copies:  # the label file's word counts, where it has the group
        about = copies[0].about
        above.update(about.above)
        single = {fold(name) for name in about.exclusive}
        several = {fold(name) for name in about.labels} - single
        names = {name for name in notes.space.names if fold(name) in single}
        exclusive = names | {name for name in exclusive if fold(name) not in several}
    cases = _cases(notes, list(rows), lambda item, group: given(rows[item], group), above)
    return judge(cases, exclusive, known), notes.warnings


def compare_pictures(
    labels: str,
    catalog: Catalog,
    judging: Judge,
    *,
    id_column: str | None = None,
    options: EmbedOptions = DEFAULTS,
) -> tuple[Verdict, tuple[str, ...]]:
    """Compare what a judge gives to labelled pictures with their labels.

    With a promised precision only what may be published counts as given. Products that the judge's
    probe learned from are left out and counted.

    Parameters
    ----------
    labels : str
        A LABELS table, joined to the catalogue.
    catalog : Catalog
    judging : Judge
        Without people's decisions, which would be right by themselves.
    id_column : str or None
    options : EmbedOptions

    Raises
    ------
    UsageError, CatalogError
        LABELS can't be read, or joins to no picture.
    """
    ids = [item.id for item in catalog.items]
    space, probe = judging.space, judging.probe
    notes = read_annotations(labels, ids, id_column=id_column, like=space)
    learned = set(probe.training.image_keys) if probe else set()
    promised = probe is not None and probe.promised
    said: dict[str, dict[str, tuple[str, ...]]] = {}
    wanted = [catalog.items[row] for row in notes.rows]
    for embedded in embed(judging.workspace, wanted, options):
        for row, key in zip(judging.tag(embedded), embedded.image_keys, strict=True):
            if key is None or key not in learned:
                by_group: dict[str, tuple[str, ...]] = {}
                for tag in row.given:
                    if not promised or tag.decision == "publish":
                        by_group[fold(tag.group)] = (*by_group.get(fold(tag.group), ()), tag.label)
                said[row.id] = by_group
    warnings = notes.warnings
    if left := len(wanted) - len(said):
        warnings += (f"{left} of {len(wanted)} products taught the probe and are left out.",)
    own = {fold(group.name): group for group in space.groups}
    known = {name: own[fold(name)].names for name in notes.space.names if fold(name) in own}
    exclusive = {group.name for group in notes.space.groups if group.exclusive} | {
        name for name in known if own[fold(name)].exclusive
    }
    above = {**notes.space.tags_above, **space.tags_above}
    cases = _cases(notes, ids, lambda item, group: said.get(item, {}).get(fold(group), ()), above)
    return judge((case for case in cases if case.id in said), exclusive, known), warnings


def _cases(
    notes: Annotations, ids: list[str], given: Given, above: Mapping[str, Sequence[str]]
) -> Iterator[Case]:
    """Yield each product that LABELS says something of, group by group."""
    upper: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for tag, tags in above.items():
        group_name, _, label = tag.partition("=")
        names = tuple(fold(one.partition("=")[2]) for one in tags)
        upper[fold(group_name)][fold(label)] = names
    for row, targets in zip(notes.rows, notes.targets, strict=True):
        for group in notes.space.groups:
            part = targets[notes.space.span(group.name)]
            if (part < 0).all():
                continue
            pairs = list(zip(group.names, part.tolist(), strict=True))
            holds = frozenset(label for label, value in pairs if value == 1)
            denied = frozenset(label for label, value in pairs if value == 0)
            # What is under a true label is right, so it leaves nothing open.
            over, true = upper[fold(group.name)], {*map(fold, holds)}
            left = [fold(label) for label, value in pairs if value < 0]
            whole = bool(holds) and all(true.intersection(over.get(one, ())) for one in left)
            item = ids[row]
            said = given(item, group.name)
            yield Case(item, group.name, holds, None if whole else denied, said, over)
