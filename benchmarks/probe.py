"""What does the probe make of all of ``pool``? ``python -m benchmarks.probe``.

Errors of picture and title together beside those of one alone, calibration, and what a promised
precision delivers, on ``test`` (``--on val`` to choose defaults). ``--timing`` fits ``backbone``
and ``pool`` instead, beside scikit-learn's one-vs-rest logistic regression on the same matrix.
Written to ``benchmarks/results/probe.md`` and ``probe-timing.md``. What a few labels buy is a
suite, ``python -m benchmarks.lab fewshot``.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from benchmarks import markdown, products
from benchmarks.lab.bootstrap import FamilyBootstrap, Interval
from benchmarks.lab.data import CONDITIONS, EMPTY, FIT_CONDITION, Dataset, DataSpec, targets_of
from benchmarks.lab.figures import calibration_interval, coverage_interval
from benchmarks.lab.fusions import FusedProbe, Titles
from benchmarks.lab.results import digest
from benchmarks.paths import RESULTS
from fashiontag.catalog.families import find_families
from fashiontag.encoders import resolve
from fashiontag.heads.local import Promise
from fashiontag.labels import load_labels
from fashiontag.metrics import (
    PROMISE,
    average_precision_score,
    macro,
)
from fashiontag.workflows.learn import fit_features, train_probe
from fashiontag.workspace import Workspace
from fashiontag.workspace.prompts import zero_shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.lab.methods import Rows
    from fashiontag.heads.prior import Prior
    from fashiontag.heads.probe import Probe
    from fashiontag.heads.training import Training

    Floats = NDArray[np.float32]
    Errors = NDArray[np.floating[Any]]

FITS = 3


@dataclass(frozen=True)
class Setting:
    """What one run of this script stands on."""

    data: Dataset
    workspace: Workspace
    on: str

    @classmethod
    def of(
        cls,
        arguments: argparse.Namespace,
        workspace: Workspace,
        train: tuple[str, ...],
    ) -> Setting:
        source = str(products.data_folder() / "fashion-products")
        on = arguments.on
        spec = DataSpec("official", source, split="official", train=train, test=(on,))
        return cls(Dataset(spec, arguments.workspace), workspace, on)

    def rows(self, part: str, condition: str) -> Rows:
        """Return one split ("train", "test") under one condition, embedded once."""
        return self.data.rows(part, condition, self.workspace)

    def training(self, part: str, condition: str) -> Training:
        """Return the same with every label of the file, not only the well supported ones."""
        rows, space = self.rows(part, condition), load_labels("fashion-products")
        return replace(rows.training, space=space, targets=targets_of(rows.items, space))


# -- with all of pool -------------------------------------------------------------------------


def whole(setting: Setting) -> list[str]:
    """Fit on all of ``pool`` and compare errors, calibration and promises on the split."""
    bootstrap = FamilyBootstrap(setting.rows("test", "plain").families)
    lines: list[str] = []
    for condition in CONDITIONS:
        if setting.on == "val" and condition == "swapped":
            continue
        fitting = FIT_CONDITION[condition]
        pool = setting.training("train", fitting)
        rows = setting.rows("test", condition).training
        families = setting.rows("train", fitting).families
        probe = train_probe(
            setting.workspace, pool, promise=Promise(PROMISE), families=families
        ).probe
        z, model = probe.features.of(rows), probe.classifier
        chances = {"heads": model.predict_proba(z)}
        if condition != "absent":
            fitted, seen = probe.training, z.copy()
            seen[:, probe.features.widths.image :] = 0
            chances["image"] = model.predict_proba(seen)
            titles = FusedProbe(Titles(), model.widths, model.groups)
            x, prior = probe.features.of(fitted), _prior(setting, fitted)
            titles.fit(x, fitted.targets, families=families, prior=prior)
            chances["title"] = titles.predict_proba(z)
        lines += [
            "", f"## Titles {condition}", "", f"Data {digest([pool.hash, rows.hash])}.", "",
            *markdown.table(
                ["group", "error: both", "picture", "title", "both ÷ better side",
                 "of a perfect referee", "calibration error", "Brier", "of rates", "published",
                 "of it right", "coverage with hindsight"],
                [_group(setting, name, probe, chances, bootstrap) for name in probe.space.names],
            ),
        ]  # fmt: skip
    return lines


def _prior(setting: Setting, training: Training) -> Prior:
    return fit_features(zero_shot(setting.workspace, training.space), training)[1]


def _group(
    setting: Setting,
    group: str,
    probe: Probe,
    chances: dict[str, Floats],
    bootstrap: FamilyBootstrap,
) -> list[str]:
    span = probe.space.span(group)
    names = np.array(probe.space.group(group).names)
    entered = [item.fields[group] for item in setting.rows("test", "plain").items]
    truth = np.array(["" if cell in EMPTY else cell for cell in entered])
    known = truth != ""
    wrong = {
        name: np.where(known, names[values[:, span].argmax(axis=1)] != truth, np.nan)
        for name, values in chances.items()
    }
    cells = [str(bootstrap.mean(wrong[name])) if name in wrong else "–" for name in wrong]
    cells += ["–"] * (3 - len(cells))
    if len(wrong) == 3:
        # Whoever always knew which side to believe would only err where both do.
        referee = np.minimum(wrong["image"], wrong["title"])
        better = min(("image", "title"), key=lambda name: np.nanmean(wrong[name]))
        cells.append(f"{_ratio(wrong['heads'], wrong[better], bootstrap)} ({better})")
        cells.append(_ratio(referee, wrong[better], bootstrap))
    else:
        cells += ["–", "–"]
    own = chances["heads"][known][:, span]
    best = own.argmax(axis=1)
    right, sure = names[best] == truth[known], own.max(axis=1)
    hot = (names == truth[known][:, None]).astype(np.int8)
    rates = np.tile(hot.mean(axis=0), (len(hot), 1))
    model = probe.classifier
    side = model.titled_ if model.fuses_ else model.alone_
    out = sure >= side.promises[span][best]
    right_of_published = np.full(len(truth), np.nan)
    right_of_published[np.flatnonzero(known)[out]] = right[out]
    weights = bootstrap.weights[:, known]

    def over_known(values: Floats) -> str:
        spread = np.full(len(truth), np.nan)
        spread[known] = values
        return str(bootstrap.mean(spread))

    cells += [
        str(Interval(*calibration_interval(right, sure, weights))),
        over_known(((own - hot) ** 2).mean(axis=1)),
        over_known(((rates - hot) ** 2).mean(axis=1)),
        over_known(out.astype(np.float32)),
        str(bootstrap.mean(right_of_published)) if out.any() else "–",
        str(Interval(*coverage_interval(right, sure, weights))),
    ]
    return [group, *cells]


def _ratio(wrong: Errors, other: Errors, bootstrap: FamilyBootstrap) -> str:
    """Return how often one errs over how often the other does, with its interval."""
    known = ~np.isnan(wrong)
    weights = bootstrap.weights[:, known]
    ours, theirs = weights @ wrong[known], weights @ other[known]
    # A draw may hold no mistake of the other; with none of ours either they are level.
    level = np.where(ours > 0, np.inf, 1.0)
    ratio = np.divide(ours, theirs, out=level, where=theirs > 0)
    low, high = np.percentile(ratio, [2.5, 97.5], method="nearest")
    above = "∞" if np.isinf(high) else f"{high:.2f}"
    return f"{np.nanmean(wrong) / np.nanmean(other):.2f} [{low:.2f}, {above}]"


# -- time -------------------------------------------------------------------------------------


def timing(setting: Setting) -> list[str]:
    """Fit every labelled product several times, and the same matrix label by label once."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    training = setting.training("train", "plain")
    ours = []
    for _ in range(FITS):
        began = time.perf_counter()
        trained = train_probe(setting.workspace, training)
        ours.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    probe = trained.probe
    fitted = probe.training
    x = probe.features.of(fitted)
    test = setting.training("test", "plain").on_space(probe.space)
    z = probe.features.of(test)
    precision = macro(average_precision_score(test.targets, probe.classifier.predict_proba(z)))
    middle = float(np.median(ours))
    lines = [
        f"Data {digest([training.hash, test.hash])}, titles plain.",
        "",
        f"- `probe-train`: {len(fitted.ids):,} products × {probe.space.size} labels × {x.shape[1]} "
        f"columns in {middle:.1f} s [{min(ours):.1f}, {max(ours):.1f}] of {FITS} fits, features "
        f"included ({os.cpu_count()} cores); peak memory {peak:.1f} GB; macro average precision on "
        f"{setting.on} {precision:.3f}",
    ]
    print(lines[-1], flush=True)
    families = find_families([key or None for key in fitted.image_keys], fitted.texts)
    prior = _prior(setting, fitted)
    matrix = []
    for _ in range(FITS):
        began = time.perf_counter()
        clone(probe.classifier).fit(x, fitted.targets, families=families, prior=prior)
        matrix.append(time.perf_counter() - began)
    began = time.perf_counter()
    other = OneVsRestClassifier(LogisticRegression(max_iter=100))
    other.fit(x, fitted.targets == 1)
    theirs = time.perf_counter() - began
    values = other.predict_proba(z).astype(np.float32)
    against = macro(average_precision_score(test.targets, values))
    lines.append(
        f"- on the ready matrix, all choices and calibration included: {np.median(matrix):.1f} s "
        f"[{min(matrix):.1f}, {max(matrix):.1f}]; `OneVsRestClassifier(LogisticRegression())` on "
        f"it: {theirs:.0f} s, once, {theirs / np.median(matrix):.1f} times as long; macro average "
        f"precision {against:.3f}"
    )
    print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Parse, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as in fashiontag --model; default: the embedded one")
    parser.add_argument("--workspace", type=Path, default=Path(".fashiontag-bench"))
    parser.add_argument("--on", default="test", choices=["test", "val"])
    parser.add_argument("--timing", action="store_true", help="fit backbone and pool instead")
    parser.add_argument("--out", type=Path, help="instead of benchmarks/results/probe*.md")
    arguments = parser.parse_args()
    train = ("backbone", "pool") if arguments.timing else ("pool",)
    with Workspace.open(arguments.workspace, resolve(arguments.model)) as workspace:
        setting = Setting.of(arguments, workspace, train)
        lines = timing(setting) if arguments.timing else whole(setting)
    name = "probe-timing" if arguments.timing else "probe"
    title = "Time to fit a probe" if arguments.timing else f"All of pool, split {arguments.on}"
    command = "python -m benchmarks.probe" + " --timing" * arguments.timing
    made = products.made_with(setting.workspace.encoder)
    out = arguments.out or RESULTS / f"{name}.md"
    markdown.write(out, [f"# {title}", "", f"`{command}` · {made}", *lines, ""])


if __name__ == "__main__":
    main()
