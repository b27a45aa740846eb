"""``fashiontag index``: what can be searched, made to match a source."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from pathlib import Path

    from fashiontag.index import SourceStatus
    from fashiontag.workflows.indexing import IndexSummary


@options.command
def index(
    source: Annotated[str | None, "[SOURCE]", "As for `fashiontag tag`."] = None,
    *,
    status: Annotated[bool, "Show what is indexed, and change nothing."] = False,
    session: options.Session,
    engine: options.Engine,
    out: Annotated[
        str | None,
        "DIR",
        "Where --engine ray puts its files, or an address.",
    ] = None,
) -> None:
    """Make the index match SOURCE (new, changed, renamed, gone), without tagging.

    Without --titles, known titles stay; tags stay as long as picture and title do.
    """
    from fashiontag.errors import UsageError
    from fashiontag.workflows.indexing import index_source
    from fashiontag.workspace import indexed_sources

    if status and source:
        raise UsageError("--status shows all that is indexed; leave SOURCE out.")
    if status:
        sources = indexed_sources(session.workspace)
        output.show(
            [_facts(source) for source in sources], lambda: _draw_status(sources, session.workspace)
        )
        return
    if not source:
        raise UsageError("There is no SOURCE; give a folder, or --status to see what is indexed.")
    catalog = session.read(source)
    if engine.is_ray():
        if out is None:
            raise UsageError("--engine ray puts its files somewhere; give --out DIR or an address.")
        engine.run(catalog, out, session)
        return
    if out is not None:
        raise UsageError("--out is about --engine ray; give both, or leave it out.")
    with session.work("Indexing", catalog) as (workspace, settings):
        keep = session.titles is None
        summary = index_source(workspace, catalog, keep_titles=keep, options=settings)
    output.show(summary, lambda: _draw(summary), report=True)


def _draw(summary: IndexSummary) -> None:
    if summary.moved:
        output.say(summary.moved)
    for reason, count in list(summary.reasons.items())[:5]:
        output.warn(f"{count} × {reason}")
    output.line(
        f"{summary.new:,} new, {summary.changed:,} changed, {summary.renamed:,} renamed, "
        f"{summary.gone:,} gone, {summary.unchanged:,} unchanged; {summary.errors:,} unreadable, "
        f"{summary.encoded:,} newly encoded with {summary.model} in {summary.seconds:.1f} s"
    )


def _draw_status(sources: tuple[SourceStatus, ...], workspace: Path) -> None:
    if not sources:
        output.line(f"Nothing is indexed in {workspace}.")
    from fashiontag.workspace import is_gone

    for source in sources:
        facts = _facts(source)
        items = "1 item" if source.items == 1 else f"{source.items:,} items"
        output.line(
            f"{source.root}: {items}, {source.model}, labels {source.labels or 'none'}, "
            f"updated {facts['updated']}"
            + (
                ", gone: fashiontag store --prune drops it"
                * (source.items and is_gone(source.root))
            )
        )


def _facts(source: SourceStatus) -> dict[str, object]:
    updated = datetime.datetime.fromtimestamp(source.updated).astimezone()
    return {**output.plain(source), "updated": updated.isoformat(timespec="seconds")}
