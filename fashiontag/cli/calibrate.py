"""``fashiontag calibrate``: a model's constants, fitted on the user's own catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.workflows.calibrate import Calibration


@options.command
def calibrate(
    source: options.SourceArgument,
    *,
    labels: options.LabelsOption = None,
    truth: Annotated[
        str | None,
        "FILE",
        "A table of labelled products, as probe-train takes it; optional.",
    ] = None,
    session: options.Session,
) -> None:
    """Fit a model's scale, "unknown" and cuts to your catalogue, from titles that name labels.

    Nothing has to be labelled. What is fitted is kept in the workspace: tag and serve use it from
    then on, unless they are given --no-calibration.
    """
    from fashiontag.catalog.annotations import read_annotations
    from fashiontag.labels import load_labels
    from fashiontag.workflows import calibrate as workflow

    space, catalog = load_labels(labels), session.read(source)
    ids = [item.id for item in catalog.items]
    known = read_annotations(truth, ids, like=space) if truth else None
    with session.work("Looking", catalog) as (workspace, settings):
        done = workflow.calibrate(workspace, catalog, space, known, settings)
    output.warn(*done.warnings[len(catalog.warnings) :])  # the catalogue's own were said
    output.show(done, lambda: _draw(done), report=True)


def _draw(done: Calibration) -> None:
    kept: dict[str, list[str]] = {}
    rows = []
    for group in done.groups:
        if group.kept:
            kept.setdefault(group.kept, []).append(group.group)
            continue
        what = "true labels" if group.source == "truth" else "titles"
        right = f"{group.right:.0%} ({group.least:.0%} to {group.most:.0%})"
        rows.append((group.group, f"{group.labelled:,} {what}", f"{group.given:.0%}", right))
    if rows:
        output.table("group", "fitted on", ">given to pictures alone", ">of those right", rows=rows)
        by = {group.source for group in done.groups} - {""}
        judge = "by their titles" if by == {"titles"} else "by what it was fitted on"
        output.sentence(f"Right {judge}, on other products than were fitted on; 95 % sure.", "dim")
    for why, groups in kept.items():
        output.sentence(f"As before: {', '.join(groups)} ({why}).")
    end = f"→ {done.file}; tag and serve use it" if done.file else "nothing was changed"
    output.sentence(
        f"{done.products:,} products, {done.titled:,} with a title, {done.model}, "
        f"{done.seconds:.1f} s, {end}"
    )
