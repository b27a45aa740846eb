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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import products
from fashiontag.catalog.families import draw_shots
from fashiontag.encoders import resolve
from fashiontag.heads.fusion import FUSIONS
from fashiontag.heads.probe import ProbeClassifier
from fashiontag.heads.statistics import unit
from fashiontag.labels import load_labels
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
from fashiontag.workflows.embed import embed, read_vectors
from fashiontag.workflows.probe import Fitter, Training, on_space, select, subspace, train_probe
from fashiontag.workflows.tag import ZeroShotTagger

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder
    from fashiontag.heads.artefact import Probe
    from fashiontag.heads.zeroshot import Evidence
    from fashiontag.labels import LabelSpace

    Floats = NDArray[np.float32]

RESULTS = products.ROOT / "benchmarks" / "results"
SHOTS = (1, 2, 4, 8, 16)
FIT_CONDITION = {"plain": "plain", "masked": "masked", "absent": "absent", "swapped": "plain"}
LEAST_POSITIVES = 20
RESAMPLES = 500

OURS = "heads"
BASELINES = ("zero-shot", "one-vs-rest LR", "Tip-Adapter", "TF-IDF + LR", "image", "title")
HEADS = ("heads, logistic", "heads, gda")


@dataclass(frozen=True)
class Rows:
    """One split under one title condition.

    Attributes
    ----------
    training : Training
        Vectors, titles and targets over the labels of the table.
    evidence : Evidence
        The same for the zero-shot head.
    """

    training: Training
    evidence: Evidence


class Bench:
    """Data, model and labels of one table."""

    def __init__(self, encoder: Encoder, store: VectorStore, on: str, held_out: bool) -> None:
        self.encoder, self.store, self.on, self.held_out = encoder, store, on, held_out
        self.pool, self.test = products.load(["pool"]), products.load([on])
        self.whole = load_labels("fashion-products")
        self.space, self.left_out = self._eligible()
        # Every method is offered the labels of the table and no others.
        self.tagger = ZeroShotTagger(encoder, self.space, store)
        self.fitter = Fitter(self.space, encoder, store)
        self.families = np.unique(self.pool.families, return_inverse=True)[1].astype(np.int64)
        self.bootstrap = FamilyBootstrap(self.test.families, RESAMPLES)
        self._rows: dict[tuple[str, str], Rows] = {}

    def _eligible(self) -> tuple[LabelSpace, list[str]]:
        """Return the labels with enough test positives and pool families for every shot count."""
        wanted, missing = set(), []
        held = set(_lines("heldout_types.txt"))
        for tag in self.whole.tags:
            group, label = tag.split("=", 1)
            if self.held_out and not (
                (group == "articleType" and label in held) or group == "usage"
            ):
                continue
            positives = int((self.test.attributes[group] == label).sum())
            families = len(set(self.pool.families[self.pool.attributes[group] == label]))
            if positives >= LEAST_POSITIVES and families >= max(SHOTS):
                wanted.add(tag)
            elif positives or families:
                missing.append(f"{tag} ({positives}, {families})")
        return subspace(self.whole, wanted), missing

    def targets(self, split: products.Products) -> NDArray[np.int8]:
        """Return what sellers entered, -1 for a blank cell; another type is a known no."""
        columns = []
        for tag in self.space.tags:
            group, label = tag.split("=", 1)
            values = split.attributes[group]
            columns.append(np.where(values == "", -1, values == label))
        return np.stack(columns, axis=1).astype(np.int8)

    def rows(self, side: str, condition: str) -> Rows:
        """Return one split under one condition, embedded once."""
        if (side, condition) not in self._rows:
            split = self.pool if side == "pool" else self.test
            windows = list(embed(split.items(condition), self.encoder, self.store))
            images = np.concatenate([one.images for one in windows])
            texts = np.concatenate([one.texts for one in windows])
            items = [item for one in windows for item in one.items]
            training = Training(
                ids=tuple(item.id for item in items),
                image_keys=tuple(key or "" for one in windows for key in one.image_keys),
                texts=tuple(item.text for item in items),
                images=read_vectors(self.store, "image", self.encoder, images).astype(np.float16),
                titles=read_vectors(self.store, "text", self.encoder, texts).astype(np.float16),
                space=self.space,
                targets=self.targets(split),
            )
            parts = [self.tagger.evidence(one) for one in windows]
            evidence = type(parts[0])(
                *(
                    np.concatenate([getattr(part, name) for part in parts])
                    for name in ("images", "titles", "titled", "words")
                )
            )
            self._rows[side, condition] = Rows(training, evidence)
        return self._rows[side, condition]

    def score(self, values: Floats) -> tuple[dict[str, float], Floats]:
        """Return macro average precision per group and their mean, and the mean resampled."""
        truth = self.rows("test", "plain").training.targets
        point = average_precision_score(truth, values)
        again = weighted_average_precision(truth, values, self.bootstrap.weights)
        spans = {name: self.space.span(name) for name in self.space.names}
        groups = {name: float(np.nanmean(point[span])) for name, span in spans.items()}
        groups["mean"] = float(np.mean(list(groups.values())))
        resampled = np.mean([np.nanmean(again[:, span], axis=1) for span in spans.values()], axis=0)
        return groups, resampled.astype(np.float32)


def _lines(name: str) -> list[str]:
    path = products.data_folder() / "fashion-products" / name
    return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]


# -- methods: fitted on shots, they score rows ------------------------------------------------


def probe(bench: Bench, shots: Training, fusion: str, head: str) -> Callable[[Training], Floats]:
    features, prior = bench.fitter.features(shots)
    groups = [(len(group.labels), group.exclusive) for group in bench.space.groups]
    model = ProbeClassifier(fusion, head, features.widths, groups)  # type: ignore[arg-type]
    x = features.transform(shots.images, shots.titles, shots.texts)
    model.fit(x, shots.targets, prior=prior, families=_known_families(bench, shots))
    return lambda rows: model.predict_proba(
        features.transform(rows.images, rows.titles, rows.texts)
    )


def _known_families(bench: Bench, shots: Training) -> NDArray[np.int64]:
    place = {
        f"{one}.jpg": family for one, family in zip(bench.pool.ids, bench.families, strict=True)
    }
    return np.array([place[one] for one in shots.ids])


def one_vs_rest(shots: Training) -> Callable[[Training], Floats]:
    """scikit-learn's default on concatenated embeddings, label by label."""
    return _label_by_label(_embeddings, shots)


def tfidf(shots: Training) -> Callable[[Training], Floats]:
    """Fit what a user would otherwise take: TF-IDF over title words, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True).fit([*shots.texts, "nothing"])
    return _label_by_label(lambda rows: vectorizer.transform(rows.texts), shots)


def _label_by_label(
    features: Callable[[Training], Any], shots: Training
) -> Callable[[Training], Floats]:
    from sklearn.linear_model import LogisticRegression

    x = features(shots)
    models: list[Any] = []
    for column in shots.targets.T:
        known = column >= 0
        if len(set(column[known])) < 2:
            models.append(None)
            continue
        # C = 1 is the default, and too stiff for unit vectors: 10 does better on val.
        models.append(LogisticRegression(C=10.0, max_iter=1000).fit(x[known], column[known]))

    def score(rows: Training) -> Floats:
        z = features(rows)
        columns = [
            np.zeros(len(rows.ids)) if one is None else one.predict_proba(z)[:, 1] for one in models
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    return score


def _embeddings(rows: Training) -> Floats:
    return np.hstack([rows.images, rows.titles]).astype(np.float32)


TIP_ALPHA, TIP_BETA = 10.0, 5.5


def tip_adapter(bench: Bench, shots: Training) -> Callable[[Training], Floats]:
    """Tip-Adapter (Zhang et al., ECCV 2022) without training: a cache of shots, multi-hot.

    Keys are image and title embeddings. It stands on our zero-shot logits of picture, title and
    words, not on a picture's cosines alone, which would be no contest. β as published, α chosen
    on val; a label's cache is divided by its positives, for a multi-hot cache is not balanced.
    """
    keys = unit(_embeddings(shots))
    values = (shots.targets == 1).astype(np.float32)
    values /= np.maximum(values.sum(axis=0), 1)
    features, prior = bench.fitter.features(shots)
    seen = len(features.image)

    def score(rows: Training) -> Floats:
        x = features.transform(rows.images, rows.titles, rows.texts)
        titled = x[:, seen:].any(axis=1)[:, None]
        with_title = x @ prior.logits[:-1] + prior.logits[-1]
        alone = x[:, :seen] @ prior.alone[:-1] + prior.alone[-1]
        zero = np.where(titled, with_title, alone)
        affinity = np.exp(-TIP_BETA * (1 - unit(_embeddings(rows)) @ keys.T))
        logits = zero + TIP_ALPHA * (affinity @ values)
        for group in bench.space.groups:
            if group.exclusive:
                span = bench.space.span(group.name)
                logits[:, span] = _softmax(logits[:, span])
        return np.asarray(logits, np.float32)

    return score


def _softmax(logits: Floats) -> Floats:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def zero_shot(bench: Bench, condition: str) -> Floats:
    return bench.tagger.head.score(bench.rows("test", condition).evidence).labels


def fit(bench: Bench, method: str, shots: Training) -> Callable[[Training], Floats]:
    if method == "one-vs-rest LR":
        return one_vs_rest(shots)
    if method == "TF-IDF + LR":
        return tfidf(shots)
    if method == "Tip-Adapter":
        return tip_adapter(bench, shots)
    fusion, _, head = method.partition(", ")
    return probe(bench, shots, fusion, head or "ridge")


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
    same: dict[tuple[Any, ...], tuple[Floats, dict[str, float], Floats]] = {}
    for draw in range(draws):
        for count in SHOTS:
            chosen = draw_shots(
                bench.rows("pool", "plain").training.targets, bench.families, count, draw
            )
            for condition in conditions:
                shots = select(bench.rows("pool", FIT_CONDITION[condition]).training, chosen)
                rows = bench.rows("test", condition).training
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
                        values = (
                            zero_shot(bench, condition)
                            if method == "zero-shot"
                            else fit(bench, method, shots)(rows)
                        )
                        found = (values, *bench.score(values))
                        if once is not None:
                            same[method, *once] = found
                    else:
                        found = same[method, *once]
                    _, groups, resampled = found
                    seconds = time.perf_counter() - began
                    np.save(cache / f"{_name(row)}.npy", resampled)
                    positives = (shots.targets == 1).sum(axis=0)
                    row |= {
                        "products": len(shots.ids),
                        "positives": [
                            int(positives.min()),
                            int(np.median(positives)),
                            int(positives.max()),
                        ],
                        "seconds": round(seconds, 2),
                        "ap": {name: round(value, 4) for name, value in groups.items()},
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
            "Mean over groups of macro average precision, mean of the draws.", "",
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
    return f"{np.mean([row['ap']['mean'] for row in rows]):.3f}" if rows else "–"


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
    bootstrap = FamilyBootstrap(bench.test.families, resamples)
    lines: list[str] = []
    for condition in ("plain", "masked", "absent", "swapped"):
        if bench.on == "val" and condition == "swapped":
            continue
        pool = _all_labels(bench.rows("pool", FIT_CONDITION[condition]).training, bench.pool, space)
        rows = bench.rows("test", condition).training
        fusions = ("heads",) if condition == "absent" else ("heads", "image", "title")
        probes = {
            name: train_probe(
                pool,
                bench.encoder,
                bench.store,
                fusion=name,  # type: ignore[arg-type]
                precision=PROMISE,
                families=bench.families,
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


def _all_labels(training: Training, split: products.Products, space: LabelSpace) -> Training:
    columns = []
    for tag in space.tags:
        group, label = tag.split("=", 1)
        values = split.attributes[group]
        columns.append(np.where(values == "", -1, values == label))
    return replace(training, space=space, targets=np.stack(columns, axis=1).astype(np.int8))


def _whole_row(
    bench: Bench,
    group: str,
    probe: Probe,
    chances: dict[str, Floats],
    bootstrap: FamilyBootstrap,
) -> str:
    span = probe.space.span(group)
    names = np.array(probe.space.group(group).names)
    truth = bench.test.attributes[group]
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

    split = products.load(["backbone", "pool"])
    side = Bench.__new__(Bench)
    side.__dict__ |= bench.__dict__ | {"pool": split, "_rows": {}}
    training = _all_labels(side.rows("pool", "plain").training, split, bench.whole)
    began = time.perf_counter()
    trained = train_probe(training, bench.encoder, bench.store, report=False)
    ours = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    probe = trained.probe
    fitted = probe.training
    x = probe.features.transform(fitted.images, fitted.titles, fitted.texts)
    rows = _all_labels(bench.rows("test", "plain").training, bench.test, bench.whole)
    rows = on_space(rows, probe.space)
    z = probe.features.transform(rows.images, rows.titles, rows.texts)
    precision = macro(average_precision_score(rows.targets, probe.classifier.predict_proba(z)))
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
    against = macro(average_precision_score(rows.targets, values))
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
        f"{len(bench.test.ids):,} products. Draws: {_draws(rows)}. Intervals: paired bootstrap "
        f"over families, {RESAMPLES:,} resamples; bold where they exclude 0.",
        *table(rows, cache),
    ]
    parts.mkdir(exist_ok=True)
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
        bench = Bench(resolve(arguments.model), store, arguments.on, arguments.held_out)
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
