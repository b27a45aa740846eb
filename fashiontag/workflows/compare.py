"""Labelled products beside tags, of a table or of a run: right, wrong, left empty."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fashiontag.catalog.annotations import read_annotations
from fashiontag.catalog.tagtables import TAGS, read_tag_table
from fashiontag.names import fold
from fashiontag.verdicts import cases, judge
from fashiontag.workspace.embed import DEFAULTS, embed
from fashiontag.workspace.written import Written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fashiontag.catalog import Catalog
    from fashiontag.catalog.annotations import Annotations
    from fashiontag.catalog.tagtables import TagRow
    from fashiontag.verdicts import Verdict
    from fashiontag.workflows.tag import Judge
    from fashiontag.workspace.embed import EmbedOptions


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
    by_id = {row.id: row for row in table.rows}
    ids = list(by_id)
    shown = {key: row.cells.get("path", "") for key, row in by_id.items()}
    notes = read_annotations(labels, shown, id_column=id_column)
    rows = [by_id[ids[place]] for place in notes.rows]
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
    found = cases(
        notes.space,
        notes.targets,
        [row.id for row in rows],
        lambda row, group: given(rows[row], group),
        notes.none,
        above,
    )
    return judge(found, exclusive, known), notes.warnings


def compare_pictures(
    notes: Annotations,
    catalog: Catalog,
    judging: Judge,
    options: EmbedOptions = DEFAULTS,
) -> tuple[Verdict, tuple[str, ...]]:
    """Compare what a judge gives to labelled pictures with their labels.

    With a promised precision only what may be published counts as given. Products that the judge's
    probe learned from are left out and counted.

    Parameters
    ----------
    notes : Annotations
        Read like the judge's labels.
    catalog : Catalog
    judging : Judge
        Without people's decisions, which would be right by themselves.
    options : EmbedOptions

    Returns
    -------
    verdict : Verdict
    warnings : tuple of str
        How many products taught the probe, if any did.
    """
    space, probe = judging.space, judging.probe
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
    warnings: tuple[str, ...] = ()
    if left := len(wanted) - len(said):
        warnings += (f"{left} of {len(wanted)} products taught the probe and are left out.",)
    own = {fold(group.name): group for group in space.groups}
    known = {name: own[fold(name)].names for name in notes.space.names if fold(name) in own}
    exclusive = {group.name for group in notes.space.groups if group.exclusive} | {
        name for name in known if own[fold(name)].exclusive
    }
    ids = [item.id for item in wanted]
    above = {**notes.space.tags_above, **space.tags_above}

    def given(row: int, group: str) -> tuple[str, ...]:
        return said.get(ids[row], {}).get(fold(group), ())

    found = cases(notes.space, notes.targets, ids, given, notes.none, above)
    return judge((case for case in found if case.id in said), exclusive, known), warnings
