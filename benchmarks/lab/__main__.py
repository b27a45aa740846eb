"""``python -m benchmarks.lab SUITE``: a suite of methods on labelled catalogues, in rows.

``--table`` prints the rows as Markdown tables and ``--plot`` draws them; neither runs anything.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.lab.results import read_rows
from benchmarks.lab.run import run
from benchmarks.lab.suite import load_suite
from benchmarks.lab.tables import all_tables
from benchmarks.paths import RESULTS
from fashiontag.errors import FashiontagError
from fashiontag.vectors import VectorStore


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing of a suite's grid; a failing cell is told, and the rest goes on."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab", description=main.__doc__)
    parser.add_argument("suite", help="a .toml file, or a name in benchmarks/suites")
    parser.add_argument("--out", type=Path, metavar="FILE", help="rows; default: results/SUITE")
    parser.add_argument("--table", action="store_true", help="run nothing; print the rows' tables")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="run nothing; draw the rows")
    parser.add_argument("--workspace", type=Path, default=Path(".fashiontag"), metavar="DIR")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--offline", action="store_true", help="never touch the network")
    given = parser.parse_args(arguments)
    grid = load_suite(given.suite)
    target = given.out or RESULTS / f"{grid.name}.jsonl"
    if given.table:
        print(all_tables(grid, read_rows(target)))
    if given.plot:
        from benchmarks.lab.plots import plot

        plot(grid, read_rows(target), given.plot)
        _say(f"{target} → {given.plot}")
    if given.table or given.plot:
        return 0
    with VectorStore.open(given.workspace) as store:
        done = run(
            grid,
            target,
            given.workspace / "lab",
            store,
            device=given.device,
            offline=given.offline,
            tell=_say,
        )
    failed = f", {len(done.failures)} failed (see above)" if done.failures else ""
    _say(
        f"{done.finished} cells run, {done.skipped} were there{failed} → {target}; "
        f"`python -m benchmarks.lab {given.suite} --table` shows them"
    )
    return 1 if done.failures else 0


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FashiontagError as error:
        _say(f"error: {error}")
        sys.exit(error.exit_code)
