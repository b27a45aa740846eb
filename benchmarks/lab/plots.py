"""Result rows → one picture: curves over shots or bars of methods, and what lies behind them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.lab.figures import ALL, CURVE
from benchmarks.lab.tables import NAMES
from fashiontag.errors import CatalogError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.lab.results import Row
    from benchmarks.lab.suite import Suite

MOST = 8
"""Methods on one chart of precision against coverage."""
CONFUSED = 25
"""Labels in a confusion matrix at most, those with most mistakes."""


def plot(suite: Suite, rows: Sequence[Row], path: Path) -> None:
    """Write a PNG with up to three charts per data set, of the first model in the rows.

    Where there are several shot counts, curves over them per title condition, with bands of one
    standard deviation over draws. Else bars per title condition with intervals; precision against
    coverage of the first exclusive group; and its confusion matrix under the reference, where rows
    hold one.

    Raises
    ------
    UsageError
        matplotlib isn't installed.
    CatalogError
        There are no rows.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "--plot needs matplotlib, which isn't installed; pip install 'fashiontag[bench]'."
        ) from error
    cells = [row for row in rows if row["kind"] == "cell"]
    if not cells:
        raise CatalogError(
            f"{suite.name} has no rows to draw; run `python -m benchmarks.lab {suite.name}`."
        )
    cells = [row for row in cells if row["encoder"] == cells[0]["encoder"]]
    sets = list(dict.fromkeys(row["data"] for row in cells))
    figure = Figure(figsize=(21, 6 * len(sets)), dpi=100, layout="constrained")
    axes = figure.subplots(len(sets), 3, squeeze=False)
    for line, name in zip(axes, sets, strict=True):
        of_set = [row for row in cells if row["data"] == name]
        if len({row["shots"] for row in of_set} - {"all"}) > 1:
            for axis, condition in zip(line, suite.conditions, strict=False):
                _curves(axis, suite, of_set, condition)
        else:
            _bars(line[0], suite, of_set)
            _coverage(line[1], suite, of_set)
            _confusion(line[2], suite, of_set)
        line[0].set_title(f"{name}: {of_set[0]['split']}")
    figure.suptitle(f"{suite.title or suite.name} · {cells[0]['encoder']}")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _curves(axis: Any, suite: Suite, rows: list[Row], condition: str) -> None:  # noqa: ANN401
    """Draw each method's mean over draws, its band one deviation wide."""
    shots = [count for count in suite.shots if count != "all"]
    for number, spec in enumerate(suite.methods):
        drawn = [
            [
                row["figures"]["ap"][0]
                for row in rows
                if (row["method"], row["condition"], row["group"]) == (spec.label, condition, ALL)
                and row["shots"] == count
            ]
            for count in shots
        ]
        if all(drawn):
            middle, spread = (np.array([f(values) for values in drawn]) for f in (np.mean, np.std))
            colour = f"C{number}"  # the same in all charts, whichever methods they have
            axis.plot(shots, middle, color=colour, marker="o", label=spec.label)
            axis.fill_between(shots, middle - spread, middle + spread, color=colour, alpha=0.15)
    axis.set_xscale("log")
    axis.set_xticks(shots, [str(count) for count in shots])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.set(xlabel=f"shots, titles {condition}", ylabel=NAMES["ap"])
    axis.legend(fontsize="small")


def _bars(axis: Any, suite: Suite, rows: list[Row]) -> None:  # noqa: ANN401
    last = suite.shots[-1]
    rows = [row for row in rows if row["group"] == ALL and row["shots"] == last]
    rows = [row for row in rows if row["seed"] == suite.seeds[0]]
    conditions = [c for c in suite.conditions if any(row["condition"] == c for row in rows)]
    labels = [m.label for m in suite.methods if any(row["method"] == m.label for row in rows)]
    for number, condition in enumerate(conditions):
        for row in rows:
            if row["condition"] == condition and row["method"] in labels:
                value, low, high = row["figures"]["ap"]
                at = labels.index(row["method"]) + (number + 0.5) / len(conditions) * 0.8 - 0.4
                axis.barh(
                    at, value, 0.75 / len(conditions), color=f"C{number}",
                    xerr=[[max(0, value - low)], [max(0, high - value)]],
                )  # fmt: skip
        axis.barh(0, 0, color=f"C{number}", label=f"titles {condition}")
    axis.set_yticks(range(len(labels)), labels)
    axis.invert_yaxis()
    axis.set_xlabel(f"{NAMES['ap']}, mean of groups, 95 % interval")
    axis.legend(  # below: bars fill the chart
        fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=len(conditions)
    )


def _coverage(axis: Any, suite: Suite, rows: list[Row]) -> None:  # noqa: ANN401
    judged = [row for row in rows if "precision_at_coverage" in row]
    if not judged:
        axis.set_axis_off()
        return
    first = judged[0]
    chosen = [
        row
        for spec in suite.methods
        for row in judged
        if row["method"] == spec.label
        and all(row[key] == first[key] for key in ("group", "condition", "seed"))
        and row["shots"] == suite.shots[-1]
    ]
    for row in chosen[:MOST]:
        axis.plot(CURVE, row["precision_at_coverage"], label=row["method"])
    axis.axhline(0.95, color="0.6", linestyle=":")
    axis.set(
        xlabel=f"coverage of {first['group']}, titles {first['condition']}", ylabel="precision"
    )
    axis.legend(fontsize="small")


def _confusion(axis: Any, suite: Suite, rows: list[Row]) -> None:  # noqa: ANN401
    held = [row for row in rows if row.get("confusion") and row["method"] == suite.reference]
    held = [row for row in held if row["group"] == held[0]["group"]]
    if not held:
        axis.set_axis_off()
        return
    row = held[-1]
    counted = row["confusion"]
    mistakes: Counter[str] = Counter()
    for true, line in counted.items():
        for given, count in line.items():
            mistakes.update({true: count, given: count})
    names = sorted(name for name, _ in mistakes.most_common(CONFUSED))
    counts = np.array([[counted.get(true, {}).get(given, 0) for given in names] for true in names])
    axis.imshow(counts, cmap="Purples", vmax=1.6 * counts.max())  # so that numbers stay legible
    for at, count in np.ndenumerate(counts):
        if count:
            axis.text(at[1], at[0], str(count), ha="center", va="center", fontsize=7)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set(xlabel="given", ylabel=f"true {row['group']}")
    title = f"mistakes of {row['method']}, titles {row['condition']}"
    left_out = len(mistakes) - len(names)
    axis.set_title(f"{title}, the {CONFUSED} most mistaken" if left_out else title)
