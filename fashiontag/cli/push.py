"""``fashiontag push``: a run on many machines into a collection of Qdrant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.workflows.push import PushSummary


@options.command
def push(
    run: Annotated[
        str,
        "RUN",
        "The folder or address that --engine ray filled.",
    ],
    *,
    to: Annotated[
        str,
        "ADDRESS",
        "qdrant+http://HOST:6333/NAME, or https; a key is taken from QDRANT_API_KEY.",
    ],
    update: Annotated[
        bool,
        "Change what is there, point by point: after a delta run.",
    ] = False,
    keep: Annotated[bool, "Leave former collections of the name on the server."] = False,
    quantize: Annotated[
        str,
        "none|float16|int8|binary",
        "What the engine holds in memory to compare.",
    ] = "none",
    model: options.Model,
) -> None:
    """Fill a collection of Qdrant with a run, and let NAME lead to it once it is complete.

    A push that was stopped goes on where it was when repeated; until its end NAME leads where it
    led before.
    """
    from fashiontag.heads.statistics import Statistics
    from fashiontag.index.qdrant import Collection
    from fashiontag.sinks.shards import first_facts
    from fashiontag.workflows import push as workflow

    facts = first_facts(run)
    encoder = model.resolve(facts.model)
    moments = Statistics.load(encoder.folder, encoder.dim)
    means = {"image": moments.image, "text": moments.title}
    with output.progress("Pushing", facts.rows) as advance:
        summary = workflow.push(
            run,
            Collection.open(to),
            {kind: found.mean if found else None for kind, found in means.items()},
            update=update,
            keep=keep,
            quantize=quantize,
            progress=advance,
        )
    output.show(summary, lambda: _draw(summary, to), report=True)


def _draw(summary: PushSummary, address: str) -> None:
    dropped = f", {', '.join(summary.dropped)} dropped" if summary.dropped else ""
    output.line(
        f"{summary.points:,} points, {summary.sent:,} sent, {summary.deleted:,} deleted in "
        f"{summary.seconds:.1f} s → {summary.alias} is {summary.collection}{dropped}"
    )
    output.say(f'Now try: fashiontag search "summer dress" --index {address}')
