"""``fashiontag bench``: a suite of methods on labelled catalogues, in rows, a table, a picture."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import Annotated

import typer

from fashiontag.cli import options, output


def bench(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="A .toml file, or a name in benchmarks/suites.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Result rows; default: benchmarks/results/SUITE.jsonl."),
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Run nothing; print the rows' tables as Markdown.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Run nothing; draw the rows.")
    ] = None,
    workspace: options.Workspace = options.DEFAULT_WORKSPACE,
    device: options.Device = "auto",
    offline: options.Offline = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Run what is missing of a suite's grid; a failing cell is told, and the rest goes on."""
    del debug
    from fashiontag.bench.run import read_rows, run
    from fashiontag.bench.suite import RESULTS, load_suite
    from fashiontag.bench.tables import all_tables
    from fashiontag.store import VectorStore

    grid = load_suite(suite)
    target = out or RESULTS / f"{grid.name}.jsonl"
    if table or plot:
        rows = read_rows(target)
        if table:
            output.line(all_tables(grid, rows))
        if plot:
            from fashiontag.bench.plots import plot as draw

            draw(grid, rows, plot)
            output.say(f"{target} → {plot}")
        return 0
    options.go_offline(offline)
    with VectorStore.open(workspace) as store:
        done = run(
            grid,
            target,
            workspace / "bench",
            store,
            device=device,
            offline=offline,
            tell=output.say,
        )
    if as_json:
        output.document(
            {
                "suite": grid.name,
                "rows": str(target),
                "finished": done.finished,
                "skipped": done.skipped,
                "failures": done.failures,
            }
        )
    failed = f", {len(done.failures)} failed (see above)" if done.failures else ""
    output.say(
        f"{done.finished} cells run, {done.skipped} were there{failed} → {target}; "
        f"`fashiontag bench {suite} --table` shows them"
    )
    return 1 if done.failures else 0
