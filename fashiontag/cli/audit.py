"""``fashiontag audit``: what is wrong with a catalogue, as one ranked list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.workflows.audit import Audit

SHOWN = 20
"""Findings on the terminal; the table has all."""


@options.command
def audit(
    sources: options.SourcesArgument,
    *,
    labels: options.LabelsOption = None,
    probe: options.ProbeOption = None,
    out: Annotated[Path, "FILE", "Where the list goes, as CSV."] = Path("audit.csv"),
    html: options.HtmlOption = None,
    column: Annotated[
        list[str] | None,
        "GROUP=COLUMN",
        "Compare this group with this column of the table; else it is found.",
    ] = None,
    min_side: Annotated[
        int, typer.Option(min=1, metavar="PIXELS", help="The least shorter side of a picture.")
    ] = 500,
    units: options.Units,
    session: options.Session,
) -> None:
    """List what is wrong with SOURCE: contradictions, then gaps, then faults of pictures.

    Titles, pictures and the table's other columns are compared; nothing is changed.
    """
    from fashiontag.errors import UsageError
    from fashiontag.labels import load_labels
    from fashiontag.sinks.tables import write_findings
    from fashiontag.workflows import audit as workflow

    said = dict(pair.partition("=")[::2] for pair in column or ())
    if not all(said.values()):
        raise UsageError("--column wants GROUP=COLUMN, as in --column color=Colour.")
    space = load_labels(labels)
    read = {Path(path).resolve() for path in (session.titles, *sources) if path}
    if out.resolve() in read or (html and html.resolve() in read):
        raise UsageError(f"{out} is read by this run and would be lost; write somewhere else.")
    catalog = units.part(session.read(*sources))
    with session.work("Reading", catalog) as (workspace, settings):
        found = workflow.audit(
            workspace,
            catalog,
            space,
            probe=probe,
            columns=said,
            min_side=min_side,
            options=settings,
        )
    write_findings(
        out, ((f.rank, f.check, f.id, f.evidence, f.suggestion, f.score) for f in found.findings)
    )
    if html is not None:
        from fashiontag.catalog.images import load_image
        from fashiontag.sinks.auditpage import write_audit_page

        write_audit_page(html, found, workflow.BELIEFS, catalog.items, load_image)
    output.show(found, lambda: _draw(found, out))


def _draw(found: Audit, out: Path) -> None:
    from collections import Counter

    output.table(
        *(">", "check", "id", "evidence", "suggestion", ">score"),
        rows=(
            (str(f.rank), f.check, f.id, f.evidence, f.suggestion, f"{f.score:.2f}")
            for f in found.findings[:SHOWN]
        ),
    )
    for finding in found.findings:
        if not finding.ids:
            output.sentence(f"common  {finding.evidence}")
    counts = Counter(finding.check for finding in found.findings if finding.ids)
    if counts:
        output.results.print(output.joined([(name, f"{n:,}") for name, n in counts.most_common()]))
    for group, column in found.columns.items():
        output.say(f"{group} was compared with the column {column}.")
    for note in found.notes:
        output.say(note)
    output.sentence(
        f"{output.counted(len(found.findings), 'finding')} on {found.products:,} products "
        f"in {found.seconds:.1f} s → {out}"
    )
