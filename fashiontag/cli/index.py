"""``fashiontag index``: what can be searched, made to match a source."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.index import SourceStatus


def index(
    source: Annotated[
        str | None, typer.Argument(metavar="[SOURCE]", help="As for `fashiontag tag`.")
    ] = None,
    titles: options.Titles = None,
    model: options.Model = None,
    status: Annotated[
        bool, typer.Option("--status", help="Show what is indexed, and change nothing.")
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
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Make the index match SOURCE (new, changed, renamed, gone), without tagging.

    Without --titles, known titles stay; tags stay as long as picture and title do.
    """
    del debug
    from fashiontag.errors import UsageError

    if status:
        _show_status(workspace, as_json=as_json)
        return
    if not source:
        raise UsageError("There is no SOURCE; give a folder, or --status to see what is indexed.")
    options.go_offline(offline)
    from fashiontag.catalog import Columns, read_catalog
    from fashiontag.encoders import resolve
    from fashiontag.index import Index
    from fashiontag.vectors import VectorStore
    from fashiontag.workflows.embed import BATCH_SIZE
    from fashiontag.workflows.indexing import index_source
    from fashiontag.workflows.neighbours import refresh_neighbours

    catalog = read_catalog(
        source,
        titles,
        Columns(path_column, id_column, title_column),
    )
    for warning in catalog.warnings:
        output.warn(warning)
    encoder = resolve(
        model, device=device, offline=offline, allow_pickle=allow_pickle, announce=output.say
    )
    with (
        VectorStore.open(workspace) as vectors,
        Index.open(workspace) as into,
        output.progress("Indexing", len(catalog.items), "images") as advance,
    ):
        summary = index_source(
            catalog,
            encoder,
            vectors,
            into,
            keep_titles=titles is None,
            batch_size=batch_size or BATCH_SIZE,
            workers=workers,
            progress=advance,
        )
        refresh_neighbours(workspace, encoder, vectors, into)
    changes = summary.changes
    if as_json:
        output.document(
            {
                "root": summary.root,
                "model": summary.model,
                "new": changes.new,
                "changed": changes.changed,
                "renamed": changes.renamed,
                "gone": changes.gone,
                "unchanged": changes.unchanged,
                "errors": summary.errors,
                "reasons": dict(summary.reasons),
                "encoded": summary.encoded,
                "titled": summary.titled,
                "seconds": round(summary.seconds, 2),
            }
        )
        return
    for reason, count in list(summary.reasons.items())[:5]:
        output.warn(f"{count} × {reason}")
    output.line(
        f"{changes.new:,} new, {changes.changed:,} changed, {changes.renamed:,} renamed, "
        f"{changes.gone:,} gone, {changes.unchanged:,} unchanged; {summary.errors:,} unreadable, "
        f"{summary.encoded:,} newly encoded with {summary.model} in {summary.seconds:.1f} s"
    )


def _show_status(workspace: options.Workspace, *, as_json: bool) -> None:
    from fashiontag.workflows.indexing import index_status

    sources = index_status(workspace)
    if as_json:
        output.document([{**_facts(source), "root": source.root} for source in sources])
        return
    if not sources:
        output.line(f"Nothing is indexed in {workspace}.")
    for source in sources:
        facts = _facts(source)
        items = "1 item" if source.items == 1 else f"{source.items:,} items"
        output.line(
            f"{source.root}: {items}, {facts['model']}, "
            f"labels {facts['labels'] or 'none'}, updated {facts['updated']}"
        )


def _facts(source: SourceStatus) -> dict[str, object]:
    updated = datetime.datetime.fromtimestamp(source.updated).astimezone()
    return {
        "items": source.items,
        "model": source.model,
        "fingerprint": source.fingerprint,
        "labels": source.labels,
        "updated": updated.isoformat(timespec="seconds"),
    }
