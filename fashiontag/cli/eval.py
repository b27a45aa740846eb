"""``fashiontag eval``: labelled products beside tags, in plain words."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (read at run time)
from typing import TYPE_CHECKING, Annotated

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.verdicts import Verdict

SHOWN = 12
"""Labels with the most mistakes that are drawn; --json has all."""


@options.command
def eval(  # noqa: A001 (named as its command)
    table: Annotated[
        str,
        "LABELS",
        "A table of labelled products, as probe-train takes it.",
    ],
    *,
    tags: Annotated[Path | None, "FILE", "Judge this table of tags."] = None,
    images: Annotated[
        str | None,
        "SOURCE",
        "Judge what `tag` would give these pictures.",
    ] = None,
    labels: options.LabelsOption = None,
    probe: options.ProbeOption = None,
    key_column: options.KeyColumnOption = None,
    session: options.Session,
) -> None:
    """Say how much is right, wrong and left empty, per group and label, with examples."""
    from fashiontag.errors import UsageError
    from fashiontag.workflows import compare

    if (tags is None) == (images is None):
        raise UsageError("eval needs one of --tags FILE and --images SOURCE.")
    if tags is not None:
        found, warnings = compare.compare_table(
            table, tags, session.workspace, id_column=key_column
        )
        judge = f"{tags} never gives"
    else:
        found, warnings = _of_pictures(table, str(images), labels, probe, key_column, session)
        judge = "the label file and the probe don't have"
    output.warn(*warnings)
    output.show({**output.plain(found), "warnings": warnings}, lambda: draw(found, judge))


def _of_pictures(
    table: str,
    images: str,
    labels: str | None,
    probe: Path | None,
    key_column: str | None,
    session: options.Session,
) -> tuple[Verdict, tuple[str, ...]]:
    from fashiontag.catalog.annotations import read_annotations
    from fashiontag.heads.artefact import load_probe
    from fashiontag.labels import load_labels
    from fashiontag.workflows.compare import compare_pictures
    from fashiontag.workflows.tag import Judge

    catalog = session.read(images)
    space = load_labels(labels)
    with session.work("Judging", catalog) as (workspace, settings):
        loaded = load_probe(probe, workspace.encoder) if probe else None
        judging = Judge(workspace, space, loaded)
        notes = read_annotations(table, catalog.names, id_column=key_column, like=judging.space)
        found, warnings = compare_pictures(notes, catalog, judging, settings)
        return found, (*notes.warnings, *warnings)


def draw(found: Verdict, judge: str) -> None:
    """Say how much is right, wrong and left empty; ``judge`` is who doesn't know a label."""
    say = output.sentence
    broader = f" ({found.broader:,} of them by a parent of the label)" if found.broader else ""
    say(f"Right {found.right:,}{broader}. Wrong {found.wrong:,}. Left empty {found.empty:,}.")
    output.table(
        *("group", ">right", ">wrong", ">left empty"),
        rows=((one.group, *_figures(one.right, one.wrong, one.empty)) for one in found.groups),
    )
    rows = []
    for one in sorted(found.labels, key=lambda one: -(one.wrong + one.empty))[:SHOWN]:
        if one.wrong + one.empty:
            seen = [
                f"{example.id}: {' | '.join(example.said) or 'nothing'}"
                + (f", not {' | '.join(example.true)}" if example.said and example.true else "")
                for example in one.examples
            ]
            name = f"{one.group}={one.label or 'none of these'}"
            rows.append((name, *_figures(one.right, one.wrong, one.empty), "\n".join(seen)))
    output.table("label", ">right", ">wrong", ">left empty", "for example", rows=rows)
    if found.unknown:
        names = [f"{tag} ({count})" for tag, count in found.unknown.items()]
        more = ", …" if len(names) > 8 else ""
        say(
            f"{sum(found.unknown.values()):,} of the wrong and empty ones have labels that {judge}:"
            f" {', '.join(names[:8])}{more}."
        )
    judged = found.right + found.wrong
    share = f"{found.right / judged:.1%}" if judged else "–"
    given = f"{judged / (judged + found.empty):.1%}" if judged + found.empty else "–"
    say(
        f"Details: {found.products:,} products; of what is given {share} is right; of the answers "
        f"{given} are given.",
        "dim",
    )


def _figures(*counts: int) -> list[str]:
    return [f"{count:,}" for count in counts]
