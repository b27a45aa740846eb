"""Result rows → Markdown tables, each with what a reader must know to believe it."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import markdown
from benchmarks.lab.figures import ALL
from benchmarks.lab.results import read_rows
from benchmarks.lab.suite import load_suite
from benchmarks.paths import RESULTS
from fashiontag.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.lab.results import Row
    from benchmarks.lab.suite import Suite, TableSpec

NAMES = {
    "ap": "macro average precision",
    "top1": "top-1",
    "macro_f1": "macro F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "micro_f1": "micro F1",
    "coverage": "coverage at 95 % precision",
    "brier": "Brier score (lower is better)",
    "brier_rates": "Brier score of the rates alone",
    "calibration": "calibration error (lower is better)",
    "micro_ap": "micro average precision (interval of 100 resamples)",
    "lrap": "label ranking average precision",
    "precision_at_3": "precision@3",
    "fit_seconds": "seconds to fit",
    "trainable_parameters": "trainable parameters",
    "error_ratio": "error of the reference ÷ error of the other",
}
NOTHING = "–"


def all_tables(suite: Suite, rows: Sequence[Row]) -> str:
    """Return every table of a suite, under its title."""
    parts = [f"# {suite.title or suite.name}"]
    parts += [f"## {spec.name}\n\n{table(suite, spec, rows)}" for spec in suite.tables]
    return "\n\n".join(parts) + "\n"


def table(suite: Suite, spec: TableSpec, rows: Sequence[Row]) -> str:
    """Return one table in Markdown, its caption below it.

    Parameters
    ----------
    suite : Suite
    spec : TableSpec
    rows : sequence of Row
        From `results.read_rows`; those of methods that the suite no longer has are passed over.

    Raises
    ------
    UsageError
        An axis that is neither the columns' nor in ``where`` has several values.
    """
    order = [
        method.label for method in suite.methods if not spec.methods or method.label in spec.methods
    ]
    kind = "pair" if spec.against else "cell"
    shown = [row for row in rows if row["kind"] == kind and row["method"] in order]
    for axis in ("data", "encoder", "condition", "shots", "group"):
        if axis == spec.columns:
            continue
        there = list(dict.fromkeys(row[axis] for row in shown))
        if axis not in spec.where and len(there) > 1:
            raise UsageError(
                f"Table {spec.name} of {suite.name} leaves open which {axis}: rows have "
                f"{', '.join(map(str, there))}; name one in where."
            )
        shown = [row for row in shown if row[axis] == spec.where.get(axis, row[axis])]
    if not shown:
        return f"*No rows yet: `python -m benchmarks.lab {suite.name}`.*"
    columns = _columns(suite, spec, shown)
    by_method = {name: [row for row in shown if row["method"] == name] for name in order}
    lines = markdown.table(
        ["method", *(_heading(spec, column) for column in columns)],
        [
            [name, *(_cell(spec, of_method, column) for column in columns)]
            for name, of_method in by_method.items()
            if of_method
        ],
    )
    return "\n".join([*lines, "", _caption(suite, spec, rows, shown)])


def _columns(suite: Suite, spec: TableSpec, rows: list[Row]) -> list[Any]:
    if spec.columns == "figure":
        return list(spec.figures)
    there = list(dict.fromkeys(row[spec.columns] for row in rows))
    if spec.columns == "condition":
        return [condition for condition in suite.conditions if condition in there]
    if spec.columns == "shots":
        return [count for count in suite.shots if count in there]
    return sorted(there, key=lambda value: value == ALL)


def _heading(spec: TableSpec, column: Any) -> str:  # noqa: ANN401
    if spec.columns == "figure":
        return NAMES.get(column, str(column))
    if spec.columns == "shots":
        return "all of training" if column == "all" else f"{column} shot" + "s" * (column > 1)
    return f"titles {column}" if spec.columns == "condition" else str(column)


def _cell(spec: TableSpec, rows: list[Row], column: Any) -> str:  # noqa: ANN401
    figure = column if spec.columns == "figure" else spec.figures[0]
    if spec.columns != "figure":
        rows = [row for row in rows if row[spec.columns] == column]
    if figure == "trainable_parameters":
        return f"{np.median([row[figure] for row in rows]):,.0f}" if rows else NOTHING
    if figure == "fit_seconds":
        times = [seconds for row in rows for seconds in row[figure]]
        return _duration(times) if times else NOTHING
    held = "difference" if spec.against else "figures"
    triples = [row[held][figure] for row in rows if figure in row[held]]
    if not triples:
        return NOTHING
    values = [value for value, _, _ in triples]
    deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
    if len(triples) > 1 and rows[0]["shots"] != "all":
        return f"{np.mean(values):.3f} ± {deviation:.3f}"
    spread = f" ± {deviation:.3f}" if round(deviation, 3) else ""
    value, low, high = np.mean(triples, axis=0)
    if spec.against and figure != "error_ratio":
        text = f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
        return f"**{text}**" if low > 0 or high < 0 else text
    return f"{value:.3f} [{low:.3f}, {high:.3f}]{spread}"


def _duration(times: list[float]) -> str:
    """Write the median of some times and, of several, the least and the most."""
    digits = 2 if np.median(times) < 1 else 1 if np.median(times) < 10 else 0
    return f"{times[0]:,.{digits}f}" if len(times) == 1 else markdown.spread(times, digits)


def _caption(suite: Suite, spec: TableSpec, rows: Sequence[Row], shown: list[Row]) -> str:
    parts = [] if spec.columns == "figure" else [NAMES[spec.figures[0]]]
    if spec.against:
        parts[0] = f"`{suite.reference}` minus the other, {NAMES[spec.figures[0]]}, paired"
        if spec.figures[0] == "error_ratio":
            parts[0] = f"Error of `{suite.reference}` over the other's, paired"
    drawn_from = {row["data"] for row in shown}
    for row in rows:
        if row["kind"] == "data" and row["data"] in drawn_from:
            train, val, test = row["products"]
            seen = row["seen_by_the_embedded_model"]
            leak = f", {seen:.0%} of the tested pictures trained the embedded model" if seen else ""
            parts.append(
                f"data {row['data']}: {row['split']} ({train:,} products to train, {val:,} to "
                f"choose, {test:,} to test{leak})"
            )
    parts.append(_made_of(rows, shown))
    for axis, name in (("condition", "titles"), ("shots", "shots"), ("group", "group")):
        values = list(dict.fromkeys(row[axis] for row in shown))
        if axis != spec.columns and values not in (["all"],):
            parts.append(f"{name} {values[0]}")
    draws = max(len(row.get("seeds", ())) for row in shown)  # of a paired row, how many it averages
    seeds = len({row.get("seed") for row in shown})
    if spec.against:
        what = "fits" if shown[0]["shots"] == "all" else "draws"
        mean = f"mean of {draws} {what}, " if draws > 1 else ""
        bold = "" if spec.figures[0] == "error_ratio" else "; bold where it excludes 0"
        parts.append(f"{mean}95 % interval over families{bold}")
    elif seeds > 1 and shown[0]["shots"] != "all":
        parts.append(f"mean ± standard deviation over {seeds} draws")
    elif seeds > 1:
        parts.append(f"mean of {seeds} fits [95 % interval over families] ± deviation of the fits")
    else:
        parts.append("95 % interval over families")
    if "fit_seconds" in spec.figures:
        parts.append("seconds: median [least, most] of the fits")
    text = "; ".join(dict.fromkeys(parts))
    text = f"{text[0].upper()}{text[1:]}. `python -m benchmarks.lab {suite.name}`"
    first = bool(suite.note) and spec is suite.tables[0]  # once a page is enough
    return f"{text}. {suite.note}" if first else text


def _made_of(rows: Sequence[Row], shown: Sequence[Row]) -> str:
    """Name the model that gave vectors or a tower, or the towers where it gave neither."""
    methods = {row["method"] for row in shown}
    cells = [row for row in rows if row["kind"] == "cell" and row["method"] in methods]
    towers = [row["notes"].get("backbones", "") for row in cells]
    if towers and all(towers) and not any(re.search(r"\bmini\b", names) for names in towers):
        each = dict.fromkeys(name for names in towers for name in names.split(", "))
        return "towers " + ", ".join(each)
    models = dict.fromkeys(f"{row['encoder']} ({row['fingerprint']})" for row in shown)
    return "model " + ", ".join(models)


MARKER = re.compile(r"(<!-- table: (\S+) (\S+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def fill(page: str, results: Path = RESULTS) -> str:
    """Return a page with what stands between its table markers made again from committed rows.

    A marker is ``<!-- table: SUITE NAME -->`` … ``<!-- /table -->``, or, for the n-th table of a
    page in `results` that a script wrote, ``<!-- table: FILE.md N -->``.

    Raises
    ------
    UsageError
        A marker names a suite or a table that there isn't.
    """

    def made(match: re.Match[str]) -> str:
        if match[2].endswith(".md"):
            text = _written(results / match[2], match[3])
            return f"{match[1]}{text}\n\nFrom [{match[2]}](../results/{match[2]}).\n{match[4]}"
        suite = load_suite(match[2])
        spec = next((spec for spec in suite.tables if spec.name == match[3]), None)
        if spec is None:
            known = ", ".join(spec.name for spec in suite.tables)
            raise UsageError(f"Suite {suite.name} has no table {match[3]!r}, only {known}.")
        text = table(suite, spec, read_rows(results / f"{suite.name}.jsonl"))
        return f"{match[1]}{text}\n{match[4]}"

    return MARKER.sub(made, page)


def _written(path: Path, number: str) -> str:
    """Return the n-th table of a Markdown file."""
    lines = path.read_text("utf-8").split("\n")
    tables = [list(of) for table, of in groupby(lines, lambda line: line[:1] == "|") if table]
    if not number.isdigit() or not 1 <= int(number) <= len(tables):
        raise UsageError(f"{path} has {len(tables)} tables, and number {number} was asked for.")
    return "\n".join(tables[int(number) - 1])
