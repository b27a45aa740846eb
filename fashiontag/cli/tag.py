"""``fashiontag tag``: a catalogue in, a table of tags out."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from fashiontag.catalog.items import By
    from fashiontag.datamodels import Item, Tagged
    from fashiontag.workflows.tag import TagSummary

PREVIEW = 8
"""Rows shown on the terminal: enough to see whether it went well, few enough to read."""

REASONS = 5
"""Reasons why pictures couldn't be read that are shown; the table has all."""


@options.command
def tag(
    sources: options.SourcesArgument,
    *,
    labels: options.LabelsOption = None,
    probe: options.ProbeOption = None,
    no_probe: Annotated[bool, "Leave out what was applied in `fashiontag serve`."] = False,
    out: Annotated[
        str,
        "FILE",
        "Where rows go, on this disk or at an s3:// or gs:// address; the suffix decides: .csv "
        ".tsv .jsonl .parquet .xlsx; - is CSV on standard output.",
    ] = "tags.csv",
    html: options.HtmlOption = None,
    scores: Annotated[bool, "Add every label's score (.jsonl and .parquet)."] = False,
    overwrite: Annotated[bool, "Write over a table that was changed by hand."] = False,
    strict: Annotated[bool, "Exit with 1 if any picture couldn't be read."] = False,
    units: options.Units,
    session: options.Session,
    engine: options.Engine,
) -> int:
    """Tag every product picture of SOURCE, with its title where there is one.

    A stopped run goes on where it was when repeated. Afterwards `fashiontag search` works.
    """
    from fashiontag.errors import UsageError
    from fashiontag.labelcheck import unsaid
    from fashiontag.labels import load_labels
    from fashiontag.objects import is_address
    from fashiontag.workflows import tag as workflow

    if probe is not None and no_probe:
        raise UsageError("--probe and --no-probe were both given; give the one that is wanted.")
    to_stdout = out == "-"
    if to_stdout and output.wants_json():
        raise UsageError("--out - and --json both want standard output; give --out a file name.")
    space = load_labels(labels)
    doubts = unsaid(space, latin_only=session.model is None)
    output.warn(*doubts)
    catalog = units.part(session.read(*sources))
    if engine.is_ray():
        if to_stdout or html or scores:
            raise UsageError("--engine ray writes shards; leave --out -, --html and --scores out.")
        if probe is None and not no_probe:
            probe = workflow.found_probe(session.workspace, session.resolve())
        return int(engine.run(catalog, out, session, space, probe) > 0 and strict)
    inputs = tuple(Path(path) for path in (session.titles, labels) if path is not None)
    table, away = _place_of(out, session.workspace)
    outputs = workflow.Outputs(None if to_stdout else table, html, inputs, overwrite)
    preview = _Preview(catalog.by)
    with away, session.work("Tagging", catalog) as (workspace, settings):
        if probe is None and not no_probe and (probe := workflow.applied_probe(workspace)):
            output.say(f"Tagging with {probe}, as applied in serve; --no-probe leaves it out.")
        summary = workflow.tag(
            workspace,
            catalog,
            space,
            probe=probe,
            outputs=outputs,
            scores=scores,
            sinks=[preview],
            options=settings,
        )
    output.warn(*summary.warnings[len(catalog.warnings) :])  # the catalogue's own were said
    warnings = (*doubts, *summary.warnings)
    summary = replace(summary, warnings=warnings, out=out if is_address(out) else summary.out)
    output.show(summary, lambda: _draw(summary, preview, to_stdout=to_stdout), report=True)
    return 1 if strict and summary.errors else 0


def _place_of(out: str, workspace: Path) -> tuple[Path, AbstractContextManager[None]]:
    """Return where rows are written first, and what brings them where they belong."""
    from fashiontag.objects import is_address, standing_in
    from fashiontag.workspace.embed import content_key

    if not is_address(out):
        return Path(out), nullcontext()
    # a copy in the workspace stands for it: so changes that somebody made there are seen
    copy = workspace / "away" / content_key(out.encode()) / Path(out).name
    return copy, standing_in(out, copy)


class _Preview:
    """Keeps the first rows for the terminal."""

    def __init__(self, by: By) -> None:
        self.kind = {"photo": "items", "variant": "variants", "product": "products"}[by]
        self.rows: list[Tagged] = []

    def write(self, tagged: Tagged, item: Item) -> None:
        if len(self.rows) < PREVIEW:
            self.rows.append(replace(tagged, title=item.text))


def _draw(summary: TagSummary, preview: _Preview, *, to_stdout: bool) -> None:
    from rich.text import Text

    kind = preview.kind
    console = output.talk if to_stdout else output.results
    if preview.rows:
        table = output.empty_table()
        table.add_column("picture" if kind == "items" else kind[:-1], overflow="fold", max_width=26)
        table.add_column("title", max_width=34, overflow="ellipsis", no_wrap=True)
        table.add_column("tags")
        for row in preview.rows:
            given = [(tag.label, f"{tag.score:.2f}".replace("0.", ".")) for tag in row.given]
            cell = output.joined(given) if given else Text("unsure", "dim")
            if row.status == "error":
                cell = Text(row.message, "red")
            table.add_row(Text(row.id), Text(row.title), cell)
        console.print(table)
    if summary.ok:
        shares = [(group, f"{n / summary.ok:.0%}") for group, n in summary.tagged.items() if n]
        if shares:
            lead = Text("products with  ", "dim")
            console.print(Text.assemble(lead, output.joined(shares)))
    for text, style in _notes(summary):
        console.print(Text(text, style))
    if summary.unchanged:
        end = f"nothing changed, {summary.out} is as the last run left it"
    else:
        files = " and ".join(str(path) for path in (summary.out, summary.html) if path)
        end = (
            f"{summary.encoded:,} newly encoded with {summary.model} in {summary.seconds:.1f} s"
            + (f" → {files}" if files else "")
        )
    console.print(
        f"{summary.items:,} {kind}, {summary.errors:,} errors, {end}", markup=False, soft_wrap=True
    )


def _notes(summary: TagSummary) -> Iterator[tuple[str, str]]:
    """Yield what else is to be known of a run, and the style to say it in."""
    if summary.ok and (never := [group for group, n in summary.tagged.items() if not n]):
        yield f"no product with  {', '.join(never)}", "dim"
    if summary.decided:
        said = output.counted(summary.decided, "decision")
        yield f"note   {said} of people taken over as they are (method: person).", "dim"
    for reason, count in list(summary.reasons.items())[:REASONS]:
        yield f"error  {count} × {reason}", "red"
    if (more := len(summary.reasons) - REASONS) > 0:
        yield f"error  {more} more reasons in {summary.out}", "red"
    if summary.chunked_titles:
        yield (
            f"note   {summary.chunked_titles} titles were longer than the model reads at once; "
            "each was read in parts.",
            "dim",
        )
    if summary.silent_titles:
        yield (
            f"note   {summary.silent_titles} titles say nothing that {summary.model} can read "
            "(N/A, a number, another script): there the picture decides.",
            "dim",
        )
    if not summary.probabilities:
        yield (
            f"note   nothing was fitted for {summary.model}: its scores rank labels, they are no "
            "probabilities.",
            "dim",
        )
