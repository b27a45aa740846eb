"""Do pictures mistake materials, and titles cuts? ``python -m benchmarks.stylesense_claim``.

StyleSense's claim, on all products whose title names one material or one cut: the word is masked,
then predicted from the picture, the title, and both, cross-validated with families whole. A row
per attribute and method goes to ``benchmarks/results/stylesense-claim.jsonl``, the tables to
``stylesense-claim.md`` beside it; an attribute that is finished is not run again.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import markdown
from benchmarks.lab.data import Dataset, DataSpec
from benchmarks.lab.methods import Task
from benchmarks.lab.registry import find_method
from benchmarks.lab.results import read_rows
from benchmarks.lab.towers import claim
from benchmarks.paths import RESULTS, ROOT
from fashiontag.encoders import resolve
from fashiontag.labels import load_labels
from fashiontag.vectors import VectorStore

if TYPE_CHECKING:
    from benchmarks.lab.bootstrap import Interval
    from benchmarks.lab.results import Row

COMMAND = "python -m benchmarks.stylesense_claim"
NOT_CUTS = ("Socks",)
MODELS = {
    "majority": ("majority", ""),
    "picture": ("stylesense image", ""),
    "title": ("stylesense text", ""),
    "concatenation": ("stylesense both", "concatenate"),
    "attention": ("stylesense both", "attention"),
    "bilinear": ("stylesense both", "bilinear"),
    "cross-attention": ("stylesense both", "cross-attention"),
}
SEED = 0


def measure(group: str, arguments: argparse.Namespace, store: VectorStore) -> list[Row]:
    """Cross-validate every method on one attribute."""
    splits = {"train": ("backbone",), "val": ("pool", "val"), "test": ("test",)}
    data = Dataset(
        DataSpec("named", "fashion-products", groups=("articleType",), split="official", **splits),
        arguments.workspace,
    )
    official = np.sort(np.concatenate([data.parts[name] for name in data.parts]))
    if group == "cut":
        kinds = np.array([item.fields["articleType"] for item in data.items])
        official = official[~np.isin(kinds[official], NOT_CUTS)]
    official = official[: arguments.limit or None]
    words = load_labels(ROOT / "benchmarks" / "named_words.toml").group(group)
    items = [data.items[row] for row in official.tolist()]
    named = claim.find_named(items, data.families[official], words)
    families = named.rows.families
    unseen = ~np.isin(official[named.at], data.parts["train"])
    encoder = resolve()
    options = {"image": arguments.image, "text": arguments.text}
    task = Task(
        named.space, named.rows, None, "masked", None, SEED, encoder, store, arguments.workspace
    )
    right, seconds = {}, {}
    for name, (method, fusion) in MODELS.items():
        began = time.perf_counter()
        given = {**options, **({"fusion": fusion} if fusion else {})}
        own = Task(*(getattr(task, n) for n in Task.__slots__[:-1]), given)
        found = claim.predictions(named, find_method(method), own)
        right[name], seconds[name] = found == named.truth, time.perf_counter() - began
        print(f"{group}, {name}: {right[name].mean():.3f} in {seconds[name]:.0f} s", flush=True)
    counts = np.bincount(named.truth, minlength=named.space.size)
    rows = []
    for name, hits in right.items():
        row: Row = {
            "kind": "claim",
            "group": group,
            "method": name,
            "backbones": options,
            "fingerprint": encoder.fingerprint[:12],
            "split": f"{claim.FOLDS}-fold by family",
            "condition": f"words of {group} masked",
            "shots": "all",
            "seed": SEED,
            "data_hash": named.rows.training.hash[:12],
            "products": len(named.rows),
            "families": len(np.unique(families)),
            "labels": dict(zip(named.space.groups[0].names, counts.tolist(), strict=True)),
            "left_out": {"several named": named.several, "too few families": named.rare},
            "seconds": round(seconds[name], 1),
            "versions": {
                "python": platform.python_version(),
                **{one: version(one) for one in ("fashiontag", "torch", "timm", "transformers")},
            },
        }
        for side, among in (("all", None), ("unseen", unseen)):
            chosen = np.ones(len(hits), bool) if among is None else among
            row[side] = {
                "products": int(chosen.sum()),
                "errors": int((~hits & chosen).sum()),
                "accuracy": _shown(claim.share(hits, families, among)),
            }
            if not MODELS[name][1]:
                continue
            for alone in ("picture", "title"):
                found = claim.repaired(right[alone], hits, families, among)
                row[side][f"mistaken by {alone}"] = {
                    "products": found.mistaken,
                    "right": found.right,
                    "share": _shown(found.share),
                }
                difference = claim.gain(hits[chosen], right[alone][chosen], families[chosen])
                row[side][f"gain over {alone}"] = _shown(difference)
        rows.append(row)
    return rows


def _shown(interval: Interval | None) -> list[float] | None:
    if interval is None:
        return None
    return [round(one, 4) for one in (interval.value, interval.low, interval.high)]


def page(rows: list[Row]) -> list[str]:
    """Return the lines of the page."""
    lines = ["# Pictures mistake material, titles mistake cut, both together neither?", ""]
    lines += [
        f"`{COMMAND}` · StyleSense's claim, on the products of fashion-products whose title names",
        "one material or one cut (`benchmarks/named_words.toml`); every word of the attribute is",
        "taken out of the title. Five folds, families whole; 95 % intervals over families. Towers",
        "frozen, from what can be had offline, in the place of ImageNet's and BERT's:",
        f"{rows[0]['backbones']['image']} (the embedded model's) and {rows[0]['backbones']['text']}"
        " (MiniLM). The embedded model was trained on captions of the photos of `backbone`, so",
        "*unseen* counts the others only: believe that column.",
    ]
    for group in dict.fromkeys(row["group"] for row in rows):
        of_group = [row for row in rows if row["group"] == group]
        first = of_group[0]
        labels = ", ".join(f"{name} {count}" for name, count in first["labels"].items())
        out = first["left_out"]
        lines += [
            "",
            f"## {group.capitalize()}: {first['products']} products, {first['families']} families",
            "",
            f"{labels}. Left out: {out['several named']} that name several, "
            f"{out['too few families']} of words that under {claim.LEAST_FAMILIES} families name.",
            "",
            *markdown.table(
                [
                    "", f"right, all {first['all']['products']}", "errors",
                    f"right, unseen {first['unseen']['products']}", "errors",
                    "picture's mistakes repaired (unseen)", "title's mistakes repaired (unseen)",
                    "gain over picture (unseen)", "gain over title (unseen)", "seconds",
                ],
                [_cells(row) for row in of_group],
            ),
        ]  # fmt: skip
    return [*lines, ""]


def _cells(row: Row) -> list[str]:
    cells = [row["method"]]
    for side in ("all", "unseen"):
        cells += [_interval(row[side]["accuracy"]), str(row[side]["errors"])]
    for side in ("picture", "title"):
        found = row["unseen"].get(f"mistaken by {side}")
        cells.append(
            f"{found['right']} of {found['products']}: {_interval(found['share'])}"
            if found
            else "–"
        )
    cells += [_interval(row["unseen"].get(f"gain over {side}")) for side in ("picture", "title")]
    return [*cells, f"{row['seconds']:.0f}"]


def _interval(three: list[float] | None) -> str:
    return "–" if three is None else f"{three[0]:.3f} [{three[1]:.3f}, {three[2]:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", default="mini", help="tower: mini, or a name of timm")
    parser.add_argument("--text", default="minilm", help="tower: minilm, bert-base, roberta-base")
    parser.add_argument("--limit", type=int, default=0, help="look at so many products only")
    parser.add_argument("--out", type=Path, default=RESULTS / "stylesense-claim.jsonl")
    parser.add_argument("--workspace", type=Path, default=Path(".fashiontag/lab"))
    parser.add_argument("--table", action="store_true", help="run nothing, write the page")
    arguments = parser.parse_args()
    arguments.workspace.mkdir(parents=True, exist_ok=True)
    rows = read_rows(arguments.out)
    mark = resolve().fingerprint[:12]
    with VectorStore.open(arguments.workspace) as store:
        for group in ("material", "cut") if not arguments.table else ():
            if any(row["group"] == group and row["fingerprint"] == mark for row in rows):
                continue
            fresh = measure(group, arguments, store)
            rows = [row for row in rows if row["group"] != group] + fresh
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            arguments.out.write_text(text, "utf-8")
    if rows:
        markdown.write(arguments.out.with_suffix(".md"), page(rows))


if __name__ == "__main__":
    main()
