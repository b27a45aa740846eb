"""What do a few labelled products buy? ``python -m benchmarks.fewshot``.

Shots are drawn from ``pool``, at most one product per family, the same for all methods; figures
come from ``test`` (``--on val`` to choose defaults). Every row is appended to
``benchmarks/results/fewshot.jsonl`` as it is found, and a repeated run goes on where it was;
``--table`` writes ``fewshot.md``. With ``--held-out`` the labels are the ten types of
``heldout_types.txt`` and ``usage``, for a model that was trained without them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import products
from fashiontag.bench.data import EMPTY, FIT_CONDITION, Dataset, DataSpec, targets_of
from fashiontag.bench.figures import interval
from fashiontag.bench.methods import Task, find_method
from fashiontag.bench.plots import draw_curves
from fashiontag.bench.run import VERSIONED, digest
from fashiontag.catalog.families import draw_shots
from fashiontag.encoders import resolve
from fashiontag.heads.fusion import FUSIONS
from fashiontag.labels import load_labels
from fashiontag.manifest import versions
from fashiontag.metrics import (
    PROMISE,
    FamilyBootstrap,
    average_precision_score,
    brier_score,
    calibration_error,
    coverage_at_precision,
    macro,
    weighted_average_precision,
)
from fashiontag.store import VectorStore
from fashiontag.workflows.probe import on_space, train_probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fashiontag.bench.methods import Fitted, Rows
    from fashiontag.datamodels import Encoder
    from fashiontag.heads.artefact import Probe, Training
    from fashiontag.labels import LabelSpace

    Floats = NDArray[np.float32]

RESULTS = products.ROOT / "benchmarks" / "results"
SHOTS = (1, 2, 4, 8, 16)
LEAST_POSITIVES = 20
RESAMPLES = 500

OURS = "heads"
BASELINES = ("zero-shot", "one-vs-rest LR", "Tip-Adapter", "TF-IDF + LR", "image", "title")
HEADS = ("heads, logistic", "heads, gda")


class Bench:
    """Data, model and labels of one table.

    Every method is offered the labels of the table and no others: those with enough positives in
    the split and enough families in pool for every shot count.
    """

    def __init__(
        self, encoder: Encoder, store: VectorStore, on: str, held_out: bool, workspace: Path
    ) -> None:
        self.encoder, self.store, self.on, self.held_out = encoder, store, on, held_out
        self.workspace = workspace
        self.whole = load_labels("fashion-products")
        self.data = catalogue(on, workspace, tags=self._held() if held_out else ())
        self.space = self.data.space
        self.bootstrap = FamilyBootstrap(self.rows("test", "plain").families, RESAMPLES)

    def _held(self) -> tuple[str, ...]:
        types = {f"articleType={name}" for name in _lines("heldout_types.txt")}
        return tuple(t for t in self.whole.tags if t in types or t.startswith("usage="))

    def rows(self, part: str, condition: str) -> Rows:
        """Return one split ("train" is pool) under one condition, embedded once."""
        return self.data.rows(part, condition, self.encoder, self.store)

    def score(self, values: Floats) -> tuple[dict[str, float], Floats]:
        """Return macro average precision per group and their mean, and the mean resampled."""
        truth = self.rows("test", "plain").targets
        point = average_precision_score(truth, values)
        again = weighted_average_precision(truth, values, self.bootstrap.weights)
        spans = {name: self.space.span(name) for name in self.space.names}
        groups = {name: float(np.nanmean(point[span])) for name, span in spans.items()}
        groups["mean"] = float(np.mean(list(groups.values())))
        resampled = np.mean([np.nanmean(again[:, span], axis=1) for span in spans.values()], axis=0)
        return groups, resampled.astype(np.float32)


def catalogue(
    on: str, workspace: Path, *, train: tuple[str, ...] = ("pool",), tags: tuple[str, ...] = ()
) -> Dataset:
    """Return the official split, judged on one part of it."""
    source = str(products.data_folder() / "fashion-products")
    spec = DataSpec("official", source, split="official", train=train, test=(on,), tags=tags)
    return Dataset(spec, workspace, max(SHOTS))


def _lines(name: str) -> list[str]:
    path = products.data_folder() / "fashion-products" / name
    return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]


def fit(bench: Bench, method: str, shots: Rows, condition: str, count: int, draw: int) -> Fitted:
    """Fit a method of the bench, by its name there, on one draw."""
    return find_method(method)(
        Task(
            bench.space, shots, None, condition, count, draw,
            bench.encoder, bench.store, bench.workspace,
        )
    )  # fmt: skip


# -- the grid ---------------------------------------------------------------------------------


def methods_of(condition: str) -> tuple[str, ...]:
    """Titles absent: only what looks at pictures differs from nothing."""
    if condition == "absent":
        return ("zero-shot", OURS, "image", "one-vs-rest LR", "Tip-Adapter")
    fusions = tuple(name for name in FUSIONS if name not in (OURS, "image", "title"))
    return (OURS, *BASELINES, *HEADS, *fusions)


def run(
    bench: Bench, out: Path, cache: Path, draws: int, conditions: list[str], only: set[str]
) -> None:
    """Append what is missing, draw by draw, so that an early stop leaves whole draws."""
    done = {_key(row) for row in read(out)}
    cache.mkdir(parents=True, exist_ok=True)
    start = {"model": bench.encoder.name, "fingerprint": bench.encoder.fingerprint[:12]}
    start |= {"on": bench.on, "held_out": bench.held_out, "labels": bench.space.size}
    same: dict[tuple[Any, ...], tuple[dict[str, float], Floats]] = {}
    for draw in range(draws):
        for count in SHOTS:
            pool = bench.rows("train", "plain")
            chosen = draw_shots(pool.targets, pool.families, count, draw)
            for condition in conditions:
                fitting = FIT_CONDITION[condition]
                shots = bench.rows("train", fitting).take(chosen)
                rows = bench.rows("test", condition).blind()
                for method in methods_of(condition):
                    if only and method not in only:
                        continue
                    row = {**start, "method": method, "condition": condition, "shots": count}
                    row["draw"] = draw
                    if _key(row) in done:
                        continue
                    began = time.perf_counter()
                    # Zero-shot sees no shots, and the image head no titles: once is enough.
                    once = {"zero-shot": (condition,), "image": (count, draw)}.get(method)
                    if once is None or (method, *once) not in same:
                        fitted = fit(bench, method, shots, fitting, count, draw)
                        found = bench.score(fitted.scores(rows))
                        if once is not None:
                            same[method, *once] = found
                    else:
                        found = same[method, *once]
                    groups, resampled = found
                    seconds = time.perf_counter() - began
                    np.save(cache / f"{_name(row)}.npy", resampled)
                    positives = (shots.targets == 1).sum(axis=0)
                    row |= {
                        "split": f"official, pool to {bench.on}",
                        "data_hash": digest([shots.training.hash, rows.training.hash]),
                        "versions": versions(VERSIONED),
                        "products": len(shots),
                        "positives": [
                            int(positives.min()),
                            int(np.median(positives)),
                            int(positives.max()),
                        ],
                        "seconds": round(seconds, 2),
                        "ap": {name: round(value, 4) for name, value in groups.items()},
                        "interval": interval(groups["mean"], resampled)[1:],
                    }
                    with out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
                    print(f"{count:2} shots, draw {draw}, {condition:8} {method:16} "
                          f"{groups['mean']:.3f}  {seconds:.1f} s", flush=True)  # fmt: skip


def read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        row[name]
        for name in ("fingerprint", "on", "held_out", "method", "condition", "shots", "draw")
    )


def _name(row: dict[str, Any]) -> str:
    return "-".join(str(part) for part in _key(row)).replace(" ", "_").replace("+", "and")


# -- the table --------------------------------------------------------------------------------


def table(rows: list[dict[str, Any]], cache: Path) -> list[str]:
    """Return the figures as Markdown: means over draws, and paired differences to the default."""
    lines: list[str] = []
    by = defaultdict(dict)
    for row in rows:
        cell = (row["condition"], row["method"])
        by[cell].setdefault(row["shots"], []).append(row)
    for condition in products.CONDITIONS:
        mine = {method: cells for (name, method), cells in by.items() if name == condition}
        if not mine:
            continue
        lines += [
            "", f"### Titles {condition}", "",
            "Mean over groups of macro average precision, mean ± deviation of the draws.", "",
            "| method | " + " | ".join(f"{n} shots" for n in SHOTS) + " |",
            "|---|" + "---|" * len(SHOTS),
        ]  # fmt: skip
        for method in sorted(mine, key=_order):
            cells = [_mean(mine[method].get(n, [])) for n in SHOTS]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
        lines += [
            "", f"`{OURS}` minus the other, paired, with the 95 % interval over families:", "",
            "| other | " + " | ".join(f"{n} shots" for n in SHOTS) + " |",
            "|---|" + "---|" * len(SHOTS),
        ]  # fmt: skip
        for method in sorted(mine, key=_order):
            if method != OURS:
                cells = [
                    _difference(mine[OURS].get(n, []), mine[method].get(n, []), cache)
                    for n in SHOTS
                ]
                lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def _order(method: str) -> int:
    known = (OURS, *BASELINES, *HEADS)
    return known.index(method) if method in known else len(known)


def _mean(rows: list[dict[str, Any]]) -> str:
    values = [row["ap"]["mean"] for row in rows]
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else "–"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw average precision over shots, one chart a title condition; bands are one deviation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 5), dpi=100, layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, condition in zip(axes, ("plain", "masked"), strict=True):
        drawn = {
            method: [
                [
                    row["ap"]["mean"]
                    for row in rows
                    if (row["condition"], row["method"], row["shots"]) == (condition, method, shots)
                ]
                for shots in SHOTS
            ]
            for method in (OURS, *BASELINES)
        }
        draw_curves(axis, SHOTS, drawn)
        axis.set(xlabel="labelled products per label", title=f"titles {condition}")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("macro average precision, mean of groups")
    axes[0].legend(loc="lower right")
    figure.savefig(path)


def _difference(ours: list[dict[str, Any]], other: list[dict[str, Any]], cache: Path) -> str:
    """Return the mean difference over common draws; bold where its interval excludes 0."""
    first, second = ({row["draw"]: row for row in rows} for rows in (ours, other))
    common = sorted(first.keys() & second.keys())
    if not common:
        return "–"
    value = float(np.mean([first[d]["ap"]["mean"] - second[d]["ap"]["mean"] for d in common]))
    again = np.mean(
        [
            np.load(cache / f"{_name(first[d])}.npy") - np.load(cache / f"{_name(second[d])}.npy")
            for d in common
        ],
        axis=0,
    )
    low, high = np.percentile(again, [2.5, 97.5])
    text = f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"**{text}**" if low > 0 or high < 0 else text


# -- with all of pool -------------------------------------------------------------------------


def whole(bench: Bench, resamples: int = 2_000) -> list[str]:
    """Fit on all of ``pool`` and compare errors, calibration and promises on the split."""
    space = bench.whole
    bootstrap = FamilyBootstrap(bench.rows("test", "plain").families, resamples)
    lines: list[str] = []
    for condition in ("plain", "masked", "absent", "swapped"):
        if bench.on == "val" and condition == "swapped":
            continue
        train = bench.rows("train", FIT_CONDITION[condition])
        pool, rows = _all_labels(train, space), bench.rows("test", condition).training
        fusions = ("heads",) if condition == "absent" else ("heads", "image", "title")
        probes = {
            name: train_probe(
                pool,
                bench.encoder,
                bench.store,
                fusion=name,  # type: ignore[arg-type]
                precision=PROMISE,
                families=train.families,
                report=False,
            ).probe
            for name in fusions
        }
        chances = {
            name: one.classifier.predict_proba(
                one.features.transform(rows.images, rows.titles, rows.texts)
            )
            for name, one in probes.items()
        }
        lines += [
            "", f"### Titles {condition}", "",
            "| group | error: both | picture | title | both ÷ better side | calibration error | "
            "Brier | of rates | published | of it right | coverage with hindsight |",
            "|---|" + "---|" * 10,
        ]  # fmt: skip
        lines += [
            _whole_row(bench, name, probes["heads"], chances, bootstrap)
            for name in probes["heads"].space.names
        ]
    return lines


def _all_labels(rows: Rows, space: LabelSpace) -> Training:
    return replace(rows.training, space=space, targets=targets_of(rows.items, space))


def _whole_row(
    bench: Bench,
    group: str,
    probe: Probe,
    chances: dict[str, Floats],
    bootstrap: FamilyBootstrap,
) -> str:
    span = probe.space.span(group)
    names = np.array(probe.space.group(group).names)
    entered = [item.fields[group] for item in bench.rows("test", "plain").items]
    truth = np.array(["" if cell in EMPTY else cell for cell in entered])
    known = truth != ""
    wrong = {
        name: np.where(known, names[values[:, span].argmax(axis=1)] != truth, np.nan)
        for name, values in chances.items()
    }
    cells = [str(bootstrap.mean(wrong[name])) if name in wrong else "–" for name in wrong]
    cells += ["–"] * (3 - len(cells))
    cells.append(_ratio(wrong, bootstrap) if len(wrong) == 3 else "–")
    mine = chances["heads"][known][:, span]
    best = mine.argmax(axis=1)
    right, sure = names[best] == truth[known], mine.max(axis=1)
    hot = (names == truth[known][:, None]).astype(np.int8)
    rates = np.tile(hot.mean(axis=0), (len(hot), 1))
    model = probe.classifier
    side = model.titled_ if model.fuses_ else model.alone_
    promises = side.promises[span]
    out = sure >= promises[best]
    told = np.full(len(truth), np.nan)
    told[np.flatnonzero(known)[out]] = right[out]
    cells += [
        f"{calibration_error(right, sure):.3f}",
        f"{brier_score(hot, mine):.4f}",
        f"{brier_score(hot, rates):.4f}",
        f"{out.mean():.3f}",
        str(bootstrap.mean(told)) if out.any() else "–",
        f"{coverage_at_precision(right, sure):.3f}",
    ]
    return f"| {group} | " + " | ".join(cells) + " |"


def _ratio(wrong: dict[str, Any], bootstrap: FamilyBootstrap) -> str:
    """Return the fused error over the better single one's, with its interval."""
    means = {name: np.nanmean(values) for name, values in wrong.items()}
    better = min(("image", "title"), key=lambda name: means[name])
    known = ~np.isnan(wrong["heads"])
    weights = bootstrap.weights[:, known]
    ratio = (weights @ wrong["heads"][known]) / np.maximum(weights @ wrong[better][known], 1e-9)
    low, high = np.percentile(ratio, [2.5, 97.5])
    return f"{means['heads'] / means[better]:.2f} [{low:.2f}, {high:.2f}] ({better})"


def timing(bench: Bench) -> list[str]:
    """Fit all 17,305 products of ``backbone`` and ``pool``, and the same matrix label by label."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    data = catalogue(bench.on, bench.workspace, train=("backbone", "pool"))
    rows = data.rows("train", "plain", bench.encoder, bench.store)
    training = _all_labels(rows, bench.whole)
    began = time.perf_counter()
    trained = train_probe(training, bench.encoder, bench.store, report=False)
    ours = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    probe = trained.probe
    fitted = probe.training
    x = probe.features.transform(fitted.images, fitted.titles, fitted.texts)
    test = on_space(_all_labels(bench.rows("test", "plain"), bench.whole), probe.space)
    z = probe.features.transform(test.images, test.titles, test.texts)
    precision = macro(average_precision_score(test.targets, probe.classifier.predict_proba(z)))
    lines = [
        f"- `probe-train`: {len(fitted.ids):,} products × {probe.space.size} labels × {x.shape[1]} "
        f"columns in {ours:.1f} s, features included ({os.cpu_count()} cores); peak memory "
        f"{peak:.1f} GB; macro average precision on {bench.on} {precision:.3f}",
    ]
    print(lines[0], flush=True)
    began = time.perf_counter()
    other = OneVsRestClassifier(LogisticRegression(max_iter=100))
    other.fit(x, fitted.targets == 1)
    theirs = time.perf_counter() - began
    values = other.predict_proba(z).astype(np.float32)
    against = macro(average_precision_score(test.targets, values))
    lines.append(
        f"- `OneVsRestClassifier(LogisticRegression())` on the same matrix: {theirs:.0f} s, "
        f"{theirs / ours:.0f} times as long; macro average precision {against:.3f}"
    )
    print(lines[1], flush=True)
    return lines


def write(bench: Bench, arguments: argparse.Namespace) -> None:
    """Write ``fewshot.md`` from the rows and from the parts that were asked for before."""
    cache, parts = arguments.workspace / "resampled", arguments.workspace / "parts"
    rows = [
        row
        for row in read(arguments.out)
        if row["fingerprint"] == bench.encoder.fingerprint[:12]
        and row["on"] == bench.on
        and row["held_out"] == bench.held_out
    ]
    lines = [
        f"## {'Held-out types and usage' if bench.held_out else 'A few shots'}, split {bench.on}",
        "",
        f"Model {rows[0]['model']} ({rows[0]['fingerprint']}), {bench.space.size} labels with at "
        f"least {LEAST_POSITIVES} positives in the split and {max(SHOTS)} families in pool, "
        f"{len(bench.data.parts['test']):,} products. Draws: {_draws(rows)}. Intervals: paired "
        f"bootstrap over families, {RESAMPLES:,} resamples; bold where they exclude 0.",
        *table(rows, cache),
    ]
    parts.mkdir(exist_ok=True)
    if bench.on == "test" and not bench.held_out:
        draw(rows, arguments.out.with_suffix(".png"))
    name = f"shots-{'held-out' if bench.held_out else 'shipped'}.md"
    (parts / name).write_text("\n".join(lines) + "\n", "utf-8")
    order = ("shots-shipped.md", "shots-held-out.md", "whole.md", "timing.md")
    body = [(parts / one).read_text("utf-8") for one in order if (parts / one).exists()]
    head = (
        "# Few-shot\n\nWritten by `python -m benchmarks.fewshot`; see there for what is measured."
    )
    arguments.out.with_suffix(".md").write_text("\n\n".join([head, *body]), "utf-8")


def _draws(rows: list[dict[str, Any]]) -> str:
    by = {n: len({row["draw"] for row in rows if row["shots"] == n}) for n in SHOTS}
    return ", ".join(f"{count} at {n} shots" for n, count in by.items())


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as in fashiontag --model; default: the embedded one")
    parser.add_argument("--workspace", type=Path, default=Path(".fashiontag-bench"))
    parser.add_argument("--on", default="test", choices=["test", "val"])
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--conditions", nargs="+", default=["plain", "masked", "absent", "swapped"])
    parser.add_argument("--only", nargs="*", default=[], help="these methods")
    parser.add_argument("--whole", action="store_true", help="fit all of pool instead")
    parser.add_argument("--timing", action="store_true", help="fit backbone and pool instead")
    parser.add_argument("--table", action="store_true", help="only write the table")
    parser.add_argument("--out", type=Path, default=RESULTS / "fewshot.jsonl")
    arguments = parser.parse_args()
    os.nice(5)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with VectorStore.open(arguments.workspace) as store:
        encoder, workspace = resolve(arguments.model), arguments.workspace
        bench = Bench(encoder, store, arguments.on, arguments.held_out, workspace)
        conditions = arguments.conditions
        if arguments.on == "val":
            conditions = [name for name in conditions if name != "swapped"]
        parts = arguments.workspace / "parts"
        parts.mkdir(exist_ok=True)
        if arguments.whole:
            title = f"## All of pool, split {arguments.on}"
            (parts / "whole.md").write_text("\n".join([title, *whole(bench), ""]), "utf-8")
        elif arguments.timing:
            title = "## Time to fit"
            (parts / "timing.md").write_text("\n".join([title, "", *timing(bench), ""]), "utf-8")
        elif not arguments.table:
            cache = arguments.workspace / "resampled"
            run(bench, arguments.out, cache, arguments.draws, conditions, set(arguments.only))
        if read(arguments.out):
            write(bench, arguments)


if __name__ == "__main__":
    main()
