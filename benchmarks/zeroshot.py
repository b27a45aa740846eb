"""How good is ``fashiontag tag`` with nothing labelled? ``python -m benchmarks.zeroshot``.

Zero-shot tags of the official test split against what sellers entered, per attribute group and
title condition, by picture, by title, and by both; what happens to pictures that show no product;
and what is said of photos by ordinary people. Written to ``benchmarks/results/zeroshot.md``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import markdown, products
from benchmarks.fit_statistics import TRUTH_OF, join, judged_columns
from benchmarks.lab.baselines import without_pictures
from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.paths import RESULTS
from examples.drawing import NOTHING_KINDS, draw_nothing
from fashiontag.catalog import read_catalog
from fashiontag.encoders import resolve
from fashiontag.heads.thresholds import Decider
from fashiontag.labels import load_labels, parse_labels
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from fashiontag.heads.zeroshot import Evidence, Scores
    from fashiontag.labels import LabelSpace

RESULT = RESULTS / "zeroshot.md"
NOTHING_SEED = 900_000
"""Neither the training's nor the fit's seeds: these drawings are new to model and constants."""
NOTHING_PICTURES = 400

# The ten folders of clothing-small, with the words that a person would use.
ORDINARY = {
    "dress": "dress",
    "hat": "hat",
    "longsleeve": "long-sleeve top",
    "outwear": "jacket",
    "pants": "trousers",
    "shirt": "shirt",
    "shoes": "shoes",
    "shorts": "shorts",
    "skirt": "skirt",
    "t-shirt": "t-shirt",
}


def top1(scores: Scores, space: LabelSpace, group: str) -> NDArray[np.str_]:
    """Return the best label of each product, "unknown" left out; "" where all score alike."""
    names = np.array(space.group(group).names)
    values = scores.labels[:, space.span(group)]
    return np.where(values.max(axis=1) > values.min(axis=1), names[values.argmax(axis=1)], "")


def given(scores: Scores, decider: Decider, group: str) -> NDArray[np.str_]:
    """Return the label that the default output gives, "" for none."""
    rows = decider.decide(scores)
    return np.array([next((t.label for t in tags if t.group == group), "") for tags in rows])


def right(labels: NDArray[np.str_], truth: NDArray[np.str_]) -> NDArray[np.float64]:
    return np.where(truth == "", np.nan, (labels == truth).astype(float))


def no_words(evidence: Evidence) -> Evidence:
    return replace(evidence, words=np.zeros_like(evidence.words))


def quality(workspace: Workspace, split: str) -> list[str]:
    """Compare with ``styles.csv`` on one split."""
    test, train = products.load([split]), products.load(["backbone", "pool"])
    space = load_labels("fashion-products")
    tagger = Judge(workspace, space)
    head, decider = tagger.head, Decider(space)
    titled = Judge(workspace, space, statistics=without_pictures(head.statistics)).head
    worded = Judge(
        workspace, space, statistics=without_pictures(head.statistics, words_only=True)
    ).head
    families = FamilyBootstrap(test.families)
    rows: dict[str, dict[str, NDArray[np.float64]]] = {}
    outputs: dict[str, dict[str, NDArray[np.str_]]] = {}
    majority = {g: Counter(train.attributes[g][train.attributes[g] != ""]) for g in space.names}
    rows["majority"] = {
        g: right(np.full(len(test.ids), majority[g].most_common(1)[0][0]), test.attributes[g])
        for g in space.names
    }
    for condition in test.titles:
        evidence = join([tagger.evidence(w) for w in embed(workspace, test.items(condition))])
        if condition == "absent":
            methods = {"picture": (head, evidence)}
        else:
            methods = {
                f"string match, {condition}": (worded, evidence),
                f"title embedding, {condition}": (titled, no_words(evidence)),
                f"title, {condition}": (titled, evidence),
                f"both, {condition}": (head, evidence),
            }
        for name, (scorer, seen) in methods.items():
            scores = scorer.score(seen)
            rows[name] = {g: right(top1(scores, space, g), test.attributes[g]) for g in space.names}
            if scorer is head:
                outputs[name] = {g: given(scores, decider, g) for g in space.names}
    return [
        f"## Split {split}, {len(test.ids):,} pictured products, top-1 without `unknown`",
        "",
        "Mean with its 95 % interval (bootstrap over families). Products whose seller left the "
        "cell blank are not counted.",
        "",
        *markdown.table(
            ["", *space.names],
            [[name, *(str(families.mean(row[g])) for g in space.names)]
             for name, row in rows.items()],
        ),
        "",
        "Does the title help the picture, and the picture the title? Differences, paired:",
        "",
        *markdown.table(
            ["", *space.names],
            [
                [f"both − {name}, {c}", *(
                    str(families.mean(rows[f"both, {c}"][g] - rows[other][g]))
                    for g in space.names
                )]
                for c in test.titles
                if c != "absent"
                for name, other in (("picture", "picture"), ("title", f"title, {c}"))
            ],
        ),
        "",
        "The default output, with its cuts: share of products that get a label of the group, and "
        "how often that label is right.",
        "",
        *markdown.table(
            ["", *space.names],
            [
                [name, *(
                    f"{families.mean((labels[g] != '').astype(float))} given, right in "
                    f"{families.mean(right(labels[g], hide(test.attributes[g], labels[g])))}"
                    for g in space.names
                )]
                for name, labels in outputs.items()
            ],
        ),
    ]  # fmt: skip


def default_labels(workspace: Workspace, split: str) -> list[str]:
    """Compare what `fashiontag tag` gives with no `--labels` with ``styles.csv``."""
    found, space = products.load([split]), load_labels("fashion")
    tagger, decider = Judge(workspace, space), Decider(space)
    families = FamilyBootstrap(found.families)
    groups = ("category", "color", "audience")
    above = {
        space.labels[child].name: {space.labels[parent].name for parent in parents}
        for child, parents in space.above.items()
    }
    truth: dict[str, NDArray[np.str_]] = {}
    rows = []
    for condition in ("plain", "masked", "absent"):
        evidence = join([tagger.evidence(w) for w in embed(workspace, found.items(condition))])
        scores = tagger.head.score(evidence)
        cells = []
        for group in groups:
            if condition == "plain":
                columns = judged_columns(
                    space.group(group), found.attributes[TRUTH_OF[group]], space, evidence.words
                )
                truth[group] = np.array([*space.group(group).names, ""])[columns]
            labels = given(scores, decider, group)
            correct = [
                np.nan if "" in (true, label) else label == true or label in above.get(true, ())
                for true, label in zip(truth[group].tolist(), labels.tolist(), strict=True)
            ]
            share = families.mean(np.where(truth[group] == "", np.nan, labels != ""))
            cells.append(f"{share} given, right in {families.mean(np.array(correct, float))}")
        rows.append(["picture" if condition == "absent" else f"both, {condition}", *cells])
    return [
        "## The default labels, no `--labels` given",
        "",
        f"On split {split}, where the data's type, colour or audience has a word among them and "
        "the title names none that is finer than the data's (a polo shirt is a t-shirt there). A "
        "parent of the right label (shoes) is right.",
        "",
        *markdown.table(["", *groups], rows),
    ]


def hide(truth: NDArray[np.str_], labels: NDArray[np.str_]) -> NDArray[np.str_]:
    """Blank the truth where nothing was given, so that precision is over what was given."""
    return np.where(labels == "", "", truth)


def nothing(workspace: Workspace, folder: Path) -> list[str]:
    """Tag pictures without a product; every exclusive cell should end up empty."""
    kinds = [NOTHING_KINDS[n % len(NOTHING_KINDS)] for n in range(NOTHING_PICTURES)]
    for number, kind in enumerate(kinds):
        draw_nothing(kind, seed=NOTHING_SEED + number).save(folder / f"{kind}-{number:04}.png")
    shown = {**dict.fromkeys(NOTHING_KINDS, "drawn"), **photographs(folder)}
    rows = []
    for name in ("fashion-products", "fashion"):
        space = load_labels(name)
        tagger, decider = Judge(workspace, space), Decider(space)
        exclusive = {group.name for group in space.groups if group.exclusive}
        empty: dict[str, list[bool]] = {}
        silent: dict[str, list[bool]] = {}
        for window in embed(workspace, read_catalog(str(folder)).items):
            scores = tagger.head.score(tagger.evidence(window))
            for item, tags in zip(window.items, decider.decide(scores), strict=True):
                kind = item.id.rsplit("-", 1)[0]
                empty.setdefault(kind, []).append(not any(t.group in exclusive for t in tags))
                silent.setdefault(kind, []).append(not tags)
        rows += [
            [name, kind, shown[kind], str(len(flags)), share(flags), share(silent[kind])]
            for kind, flags in sorted(empty.items())
        ]
        every = [[flag for kind in part.values() for flag in kind] for part in (empty, silent)]
        rows.append([name, "all", "", str(len(every[0])), *map(share, every)])
    return [
        "## Pictures that show no product",
        "",
        "Share with every exclusive cell empty, and without any tag. Drawn with seeds that neither "
        "the model nor its constants saw; the photographs are crops of the two in scikit-learn.",
        "",
        *markdown.table(
            ["labels", "picture", "kind", "pictures", "exclusive cells empty", "no tag"], rows
        ),
    ]


def photographs(folder: Path) -> dict[str, str]:
    """Add crops of scikit-learn's two photographs: a temple and a flower, no garment in sight."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    rng = np.random.default_rng(1)
    for name in ("china", "flower"):
        pixels = load_sample_image(f"{name}.jpg")
        for number in range(30):
            side = int(rng.integers(120, 400))
            top = int(rng.integers(0, pixels.shape[0] - side))
            left = int(rng.integers(0, pixels.shape[1] - side))
            crop = Image.fromarray(pixels[top : top + side, left : left + side])
            crop.save(folder / f"{name}-{number:04}.png")
    return dict.fromkeys(("china", "flower"), "photograph")


def ordinary(workspace: Workspace) -> list[str]:
    """Name the photos of clothing-small with ten plain words; tag them with the default labels."""
    folder = products.data_folder() / "clothing-small" / "validation"
    groups = {"kind": {"labels": list(ORDINARY.values())}}
    space = parse_labels({"groups": groups}, "ordinary", "ordinary")
    tagger = Judge(workspace, space)
    windows = list(embed(workspace, read_catalog(str(folder)).items))
    scores = tagger.head.score(join([tagger.evidence(w) for w in windows]))
    truth = np.array([ORDINARY[item.id.split("/")[0]] for w in windows for item in w.items])
    best, out = top1(scores, space, "kind"), given(scores, Decider(space), "kind")
    each = FamilyBootstrap(np.arange(len(truth)))
    default = load_labels("fashion")
    usual = Judge(workspace, default)
    category = given(
        usual.head.score(join([usual.evidence(w) for w in windows])), Decider(default), "category"
    )
    rows = [
        [
            word,
            str(int((truth == word).sum())),
            share(best[truth == word] == word),
            ", ".join(f"{k} {v}" for k, v in Counter(category[truth == word]).most_common(4) if k),
        ]
        for word in ORDINARY.values()
    ]
    return [
        f"## Photos by ordinary people: clothing-small/validation, {len(truth)} photos",
        "",
        f"Ten plain words as labels: top-1 {each.mean(right(best, truth))}; the default output "
        f"names {each.mean((out != '').astype(float))}, of those right "
        f"{each.mean(right(out, hide(truth, out)))}.",
        "",
        *markdown.table(
            ["photos of", "photos", "top-1", "`category` given by the default labels"], rows
        ),
    ]


def share(flags: Iterable[bool]) -> str:
    values = list(flags)
    return str(FamilyBootstrap(np.arange(len(values))).mean(np.array(values, float)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as for `fashiontag --model`; default: the embedded one")
    parser.add_argument("--workspace", type=Path, help="keep vectors here between runs")
    parser.add_argument(
        "--split",
        default="test",
        choices=("val", "test"),
        help="val while something is being chosen; it is printed, not written",
    )
    arguments = parser.parse_args()
    encoder = resolve(arguments.model)
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch) / "nothing"
        pictures.mkdir()
        with Workspace.open(arguments.workspace or Path(scratch), encoder) as workspace:
            parts = [
                quality(workspace, arguments.split),
                default_labels(workspace, arguments.split),
                nothing(workspace, pictures),
                ordinary(workspace),
            ]
    head = [
        "# Zero-shot tags of the embedded model"
        if arguments.model is None
        else f"# Zero-shot tags of {encoder.name}",
        "",
        f"`python -m benchmarks.zeroshot` · {products.made_with(encoder)}",
        "",
    ]
    lines = head + [line for part in parts for line in [*part, ""]]
    if arguments.split == "test":
        markdown.write(RESULT, lines)
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
