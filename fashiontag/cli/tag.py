"""``fashiontag tag``: a catalogue in, a table of tags out."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from PIL import Image

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Item, Tagged
    from fashiontag.sinks.contactsheet import ReportSink
    from fashiontag.sinks.tables import TableSink
    from fashiontag.workflows.tag import TagSummary

THUMBNAIL_SIDE = 120
"""A JPEG may be decoded at any scale that leaves twice this: what the contact sheet shows."""

PREVIEW = 8
"""Rows shown on the terminal: enough to see whether it went well, few enough to read."""


def tag(
    source: options.Source,
    titles: options.Titles = None,
    labels: options.Labels = None,
    probe: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder of `fashiontag probe-train`: it judges the labels that it knows.",
        ),
    ] = None,
    model: options.Model = None,
    out: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Where rows go; the suffix decides: .csv .tsv .jsonl .parquet; - is CSV on "
            "standard output.",
        ),
    ] = "tags.csv",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a contact sheet to look at.")
    ] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="Add every label's score (.jsonl and .parquet).")
    ] = False,
    path_column: options.PathColumn = None,
    id_column: options.IdColumn = None,
    title_column: options.TitleColumn = None,
    workspace: options.Workspace = options.DEFAULT_WORKSPACE,
    device: options.Device = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    offline: options.Offline = False,
    allow_pickle: options.AllowPickle = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if any picture couldn't be read.")
    ] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Tag every product picture of SOURCE, with its title where there is one.

    A stopped run goes on where it was when repeated. Afterwards `fashiontag search` works.
    """
    del debug  # read by main, before anything can fail
    from fashiontag.catalog import read_catalog
    from fashiontag.encoders import resolve
    from fashiontag.errors import UsageError
    from fashiontag.index import Index
    from fashiontag.labels import load_labels
    from fashiontag.sinks.tables import open_table
    from fashiontag.vectors import VectorStore
    from fashiontag.workflows import tag as workflow
    from fashiontag.workflows.again import Run, judge_of
    from fashiontag.workflows.embed import BATCH_SIZE
    from fashiontag.workflows.neighbours import refresh_neighbours

    options.go_offline(offline)
    space = load_labels(labels)
    to_stdout = out == "-"
    if to_stdout and as_json:
        raise UsageError("--out - and --json both want standard output; give --out a file name.")
    if scores and not out.lower().endswith((".jsonl", ".parquet")):
        raise UsageError(f"--scores needs --out FILE.jsonl or FILE.parquet, not {out!r}.")
    catalog = read_catalog(
        source,
        titles,
        path_column=path_column,
        id_column=id_column,
        title_column=title_column,
    )
    _spare_inputs(
        [Path(one) for one in (None if to_stdout else out, html) if one is not None],
        [Path(one) for one in (source, titles, labels) if one is not None],
        catalog,
    )
    for warning in catalog.warnings:
        output.warn(warning)
    encoder = resolve(
        model,
        device=device,
        offline=offline,
        allow_pickle=allow_pickle,
        announce=output.say,
    )
    judge = judge_of(encoder, space, probe=probe, scores=scores)
    trained = None
    if probe is not None:
        from fashiontag.heads.artefact import load_probe

        trained = load_probe(probe)
        trained.manifest.check_encoder(encoder, f"The probe {probe}")
        space = space.with_(trained.space)
    preview = _Preview()
    # A table on standard output is gone, and a contact sheet shows pictures, which are opened.
    repeatable = not to_stdout and html is None
    with VectorStore.open(workspace) as store, Index.open(workspace) as index:

        def this_run() -> Run:
            return Run.of(workspace, Path(out), catalog, encoder, store, judge)

        began = time.monotonic()
        summary = this_run().done(index) if repeatable else None
        unchanged = summary is not None
        if summary is not None:
            summary = replace(summary, seconds=time.monotonic() - began)
        else:
            with ExitStack() as stack:
                table = stack.enter_context(
                    open_table(
                        None if to_stdout else Path(out),
                        space.names,
                        scores=scores,
                        promised=trained is not None and trained.promised,
                    )
                )
                sinks: list[workflow.Sink] = [_TableRows(table), preview]
                if html is not None:
                    from fashiontag.sinks.contactsheet import open_report

                    report = stack.enter_context(
                        open_report(
                            html,
                            title=f"fashiontag: {source}",
                            groups=space.names,
                            exclusive=[group.exclusive for group in space.groups],
                        )
                    )
                    sinks.append(_ReportRows(report))
                with output.progress("Tagging", len(catalog.items), "images") as advance:
                    summary = workflow.tag(
                        catalog,
                        encoder,
                        space,
                        store,
                        index,
                        probe=trained,
                        sinks=sinks,
                        scores=scores,
                        batch_size=batch_size or BATCH_SIZE,
                        workers=workers,
                        progress=advance,
                    )
                refresh_neighbours(workspace, encoder, store, index)
            if repeatable:
                this_run().keep(index, summary)
    if as_json:
        output.document(_as_document(summary, catalog, out, html) | {"unchanged": unchanged})
    else:
        if not unchanged:
            preview.show(to_stdout=to_stdout)
        _show(summary, out, html, to_stdout=to_stdout, unchanged=unchanged)
    return 1 if strict and summary.errors else 0


def _spare_inputs(written: list[Path], read: list[Path], catalog: Catalog) -> None:
    """Refuse to write over what this run reads, or two results into one file."""
    from fashiontag.errors import UsageError

    absolute = [path.resolve() for path in written]
    if len(set(absolute)) < len(absolute):
        raise UsageError(f"--out and --html both name {written[0]}; give each a file of its own.")
    inputs = {path.resolve() for path in read}
    pictures = {item.image.locator for item in catalog.items}
    for path, place in zip(written, absolute, strict=True):
        typed = os.path.abspath(path)  # noqa: PTH100 (a picture's locator follows no links)
        if place in inputs or str(place) in pictures or typed in pictures:
            raise UsageError(f"{path} is read by this run and would be lost; write somewhere else.")


class _TableRows:
    """The table takes rows only."""

    def __init__(self, table: TableSink) -> None:
        self._table = table

    def write(self, tagged: Tagged, item: Item) -> None:
        del item
        self._table.write(tagged)


class _ReportRows:
    """The contact sheet also wants the picture, small."""

    def __init__(self, report: ReportSink) -> None:
        self._report = report

    def write(self, tagged: Tagged, item: Item) -> None:
        self._report.write(tagged, None if tagged.status == "error" else _picture(item))


def _picture(item: Item) -> Image.Image | None:
    from fashiontag.catalog import load_image
    from fashiontag.errors import ImageError

    try:
        return load_image(item.image.read(), at_least=THUMBNAIL_SIDE)
    except ImageError:  # gone since it was encoded: its tags still hold
        return None


class _Preview:
    """Keeps the first rows for the terminal."""

    def __init__(self) -> None:
        self._rows: list[Tagged] = []

    def write(self, tagged: Tagged, item: Item) -> None:
        del item
        if len(self._rows) < PREVIEW:
            self._rows.append(tagged)

    def show(self, *, to_stdout: bool) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("picture", overflow="fold", max_width=26)
        table.add_column("title", max_width=34, overflow="ellipsis", no_wrap=True)
        table.add_column("tags")
        for row in self._rows:
            if row.status == "error":
                cell = Text(row.message, style="red")
            elif not row.given:
                cell = Text("unsure", style="dim")
            else:
                cell = Text()
                for number, one in enumerate(row.given):
                    cell.append(" · " if number else "", style="dim")
                    cell.append(one.label)
                    cell.append(f" {one.score:.2f}".replace("0.", "."), style="dim")
            table.add_row(Text(row.id), Text(row.title), cell)
        (output.talk if to_stdout else output.results).print(table)


def _show(
    summary: TagSummary, out: str, html: Path | None, *, to_stdout: bool, unchanged: bool
) -> None:
    from rich.text import Text

    console = output.talk if to_stdout else output.results
    done = summary.items - summary.errors
    if summary.tagged and done:
        line = Text("given  ", style="dim")
        for number, (group, count) in enumerate(summary.tagged.items()):
            line.append(" · " if number else "", style="dim")
            line.append(group)
            line.append(f" {count / done:.0%}", style="dim")
        console.print(line)
    for reason, count in list(summary.reasons.items())[:5]:
        console.print(Text(f"error  {count} × {reason}", style="red"))
    if len(summary.reasons) > 5:
        console.print(Text(f"error  {len(summary.reasons) - 5} more reasons in {out}", style="red"))
    if summary.chunked_titles:
        console.print(
            Text(
                f"note   {summary.chunked_titles} titles were longer than the model reads at once; "
                "each was read in parts.",
                style="dim",
            )
        )
    if not summary.probabilities:
        console.print(
            Text(
                f"note   nothing was fitted for {summary.model}: its scores rank labels, they are "
                "no probabilities.",
                style="dim",
            )
        )
    if unchanged:
        console.print(
            f"{summary.items:,} items, {summary.errors:,} errors: nothing changed, {out} is as the "
            "last run left it",
            markup=False,
            soft_wrap=True,
        )
        return
    places = " and ".join([*([] if to_stdout else [out]), *([str(html)] if html else [])])
    console.print(
        f"{summary.items:,} items, {summary.errors:,} errors, {summary.encoded:,} newly encoded "
        f"with {summary.model} in {summary.seconds:.1f} s" + (f" → {places}" if places else ""),
        markup=False,
        soft_wrap=True,
    )


def _as_document(
    summary: TagSummary, catalog: Catalog, out: str, html: Path | None
) -> dict[str, object]:
    return {
        "source": catalog.source,
        "out": out,
        "html": str(html) if html else None,
        "model": summary.model,
        "labels": summary.labels,
        "items": summary.items,
        "ok": summary.items - summary.errors,
        "errors": summary.errors,
        "reasons": dict(summary.reasons),
        "encoded": summary.encoded,
        "titled": summary.titled,
        "chunked_titles": summary.chunked_titles,
        "tagged": dict(summary.tagged),
        "probabilities": summary.probabilities,
        "warnings": list(catalog.warnings),
        "seconds": round(summary.seconds, 2),
    }
