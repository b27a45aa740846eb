"""What a user's own label files give: ``python -m benchmarks.own_labels WORKSPACE``.

Files as a user would write them, without titles (``benchmarks/own_labels``): seven kinds and seven
bags in text files, twenty shelves in words of a shop's own, twelve looks and seven materials of
which several may hold. `OBVIOUS` are pictures of val that were drawn at random among those whose
seller or title says the label, and kept by eye where anybody would say it of the picture alone,
before a model was asked. Other things are what none of the files but the shelves is about: val's
cosmetics and perfumes, people's own photos of clothes, and drawings of nothing. What the sellers'
types say (`SELLERS`) is judged on test too. Written to ``benchmarks/results/own-labels.md``; what
was looked at by eye is counted there by hand (`LOOKED`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import markdown, products
from benchmarks.fit_statistics import nothing_vectors
from benchmarks.paths import RESULTS, ROOT
from fashiontag.catalog import read_catalog
from fashiontag.encoders import resolve
from fashiontag.heads.statistics import Statistics
from fashiontag.heads.thresholds import Decider
from fashiontag.heads.zeroshot import Evidence, ZeroShot
from fashiontag.labels import load_labels
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed
from fashiontag.workspace.prompts import zero_shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fashiontag.datamodels import Item
    from fashiontag.labels import LabelSpace

RESULT = RESULTS / "own-labels.md"
FOLDER = ROOT / "benchmarks" / "own_labels"
OTHER = "Personal Care"
NEUTRAL = ", without its statistics, as any other model"

OBVIOUS = {
    "kinds.txt": {
        "t-shirt": ("6292", "3052", "19981", "14101"),
        "dress": ("41565", "29166", "29167", "25503"),
        "handbag": ("14882", "10736", "14807", "14886"),
        "watch": ("25626", "4695", "51545", "45030"),
        "jeans": ("21585", "11296", "11350", "11341"),
        "sunglasses": ("21324", "17215", "29866", "29872"),
        "sandals": ("15864", "32516", "20837", "34083"),
    },
    "look.toml": {
        "sports": ("1963", "23491", "13679", "31448"),
        "formal": ("22143", "22131", "22124", "27183"),
        "ethnic": ("25595", "22076", "34297", "24234"),
        "checked": ("11717", "11706", "11721", "17171"),
        "striped": ("17264", "32641", "12210", "14682"),
    },
    "material.toml": {
        "leather": ("24618", "19896", "22132", "22127"),
        "denim": ("26995", "20353", "27002", "24607"),
        "metal": ("19295", "33874", "23294", "19258"),
    },
}

KINDS = {
    "t-shirt": "Tshirts",
    "dress": "Dresses",
    "handbag": "Handbags",
    "watch": "Watches",
    "jeans": "Jeans",
    "sunglasses": "Sunglasses",
    "sandals": "Sandals|Sports Sandals",
}
BAGS = {
    "tote bag": "Handbags",
    "clutch": "Clutches",
    "backpack": "Backpacks|Rucksacks",
    "suitcase": "Trolley Bag",
    "laptop bag": "Laptop Bag",
    "waist bag": "Waist Pouch",
    "wallet": "Wallets",
}
SHELVES = {
    "tees": "Tshirts",
    "button-down shirts": "Shirts",
    "kurtas and tunics": "Kurtas|Kurtis|Tunics",
    "saris": "Sarees",
    "jeans": "Jeans",
    "chinos and slacks": "Trousers",
    "shorts": "Shorts|Lounge Shorts",
    "dresses": "Dresses",
    "hoodies and jackets": "Sweatshirts|Jackets",
    "running shoes": "Sports Shoes",
    "lace-ups and loafers": "Formal Shoes",
    "high heels": "Heels",
    "slippers and flip-flops": "Flip Flops",
    "handbags": "Handbags",
    "rucksacks": "Backpacks|Rucksacks",
    "wallets": "Wallets",
    "wristwatches": "Watches",
    "shades": "Sunglasses",
    "perfume": "Perfume and Body Mist",
}
SELLERS = {"kinds.txt": KINDS, "bags.txt": BAGS, "shelves.toml": SHELVES}
"""Which types of the sellers a label means."""

_UNCLEAR = {
    "kinds.txt": "Tops|Jeggings|Clutches|Flats|Flip Flops|Heels|Laptop Bag|Messenger Bag|Tunics"
    "|Kurtas|Kurtis",
    "bags.txt": "Messenger Bag|Duffel Bag",
    "shelves.toml": "Tops|Sandals|Flats|Casual Shoes|Sports Sandals|Sweaters|Track Pants|Laptop Bag"
    "|Messenger Bag|Clutches|Duffel Bag|Jeggings|Kurta Sets|Deodorant|Capris|Nehru Jackets"
    "|Tracksuits|Fragrance Gift Set|Lounge Pants|Waistcoat|Booties",
}
UNCLEAR = {name: types.split("|") for name, types in _UNCLEAR.items()}
"""Types that some would put under one of a file's labels, and others under none: left out."""

LOOKED = """
Of 60 given tags of val, 20 each of `kinds.txt`, `shelves.toml` and `look.toml`, drawn at random and
looked at, 51 are right with the embedded model and 53 with the weights shipped before it.
"""


def given(head: ZeroShot, pictures: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which labels `tag` gives pictures without a title: (n, t)."""
    count, space = len(pictures), head.space
    nothing = np.zeros((count, space.size), np.float32)
    scores = head.score(Evidence(pictures, pictures, np.zeros(count, bool), nothing))
    rows = Decider(space).decide(scores)
    return space.multi_hot([[tag.tag for tag in row] for row in rows])


def rows_of(
    name: str, space: LabelSpace, head: ZeroShot, pictures: dict[str, NDArray[np.float32]],
    ids: list[str],
) -> list[list[str]]:  # fmt: skip
    """Return a row per label: obvious pictures that have it, and how many of all get it."""
    found = {kind: given(head, rows) for kind, rows in pictures.items()}
    rows = []
    for column, label in enumerate(space.labels):
        obvious = OBVIOUS[name].get(label.name, ())
        tagged = sum(found["val"][ids.index(one), column] for one in obvious)
        shares = [f"{found[kind][:, column].mean():.3f}" for kind in pictures]
        rows.append(
            [name, label.name, f"{tagged} of {len(obvious)}" if obvious else "", *shares, ""]
        )
    count = sum(map(len, OBVIOUS[name].values()))
    right = sum(
        found["val"][ids.index(one), space.column(f"{space.names[0]}={label}")]
        for label, chosen in OBVIOUS[name].items()
        for one in chosen
    )
    shares = [f"{found[kind].any(axis=1).mean():.3f}" for kind in pictures]
    rows.append([name, "**any**", f"**{right} of {count}**", *shares])
    return rows


def judged(
    space: LabelSpace, head: ZeroShot, pictures: NDArray[np.float32], types: NDArray[np.str_],
    home: NDArray[np.float32], nothing: NDArray[np.float32], name: str,
) -> list[str]:  # fmt: skip
    """Return what a file's labels are given to, and how often that is what the seller says."""
    found = given(head, pictures)
    names = [label.name for label in space.labels]
    means = {kind: label for label, kinds in SELLERS[name].items() for kind in kinds.split("|")}
    truth = np.array([names.index(means[kind]) if kind in means else -1 for kind in types])
    theirs, others = truth >= 0, (truth < 0) & ~np.isin(types, UNCLEAR[name])
    hit = found.any(axis=1)
    right = found[np.arange(len(truth)), truth]
    return [
        name, f"{theirs.sum():,}", f"{hit[theirs].mean():.3f}", f"{right[theirs & hit].mean():.3f}",
        f"{others.sum():,}", f"{hit[others].mean():.3f}",
        f"{given(head, home).any(axis=1).mean():.3f}",
        f"{given(head, nothing).any(axis=1).mean():.3f}",
    ]  # fmt: skip


def vectors(workspace: Workspace, items: list[Item]) -> NDArray[np.float32]:
    rows = np.concatenate([window.images for window in embed(workspace, items)])
    return workspace.images.padded(rows, workspace.encoder.dim)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--other", help="a model more, as for `fashiontag --model`")
    parser.add_argument("--test", action="store_true", help="judge `SELLERS` on test too")
    options = parser.parse_args()
    splits = {split: products.load([split]) for split in ("val", "test")[: 1 + options.test]}
    clothes = read_catalog(str(products.data_folder() / "clothing-small" / "validation"))
    lines = []
    for encoder in [resolve(), *([resolve(options.other)] if options.other else [])]:
        with Workspace.open(options.workspace, encoder) as workspace:
            own = {name: vectors(workspace, one.items("absent")) for name, one in splits.items()}
            home, nothing = vectors(workspace, list(clothes.items)), nothing_vectors(encoder)
            val, examples = splits["val"], read_catalog(str(ROOT / "examples" / "catalog"))
            pictures = {
                "val": own["val"],
                "other": own["val"][val.attributes["masterCategory"] == OTHER],
                "home": home,
                "nothing": nothing,
            }
            drawn = vectors(workspace, list(examples.items))
            for kind, statistics in (("", workspace.statistics), (NEUTRAL, Statistics())):
                title = "The embedded model" if encoder.name == resolve().name else "Weights before"
                lines += [f"## {title} ({encoder.fingerprint[:12]}){kind}", ""]
                table = []
                for split, known in splits.items():
                    for name in SELLERS:
                        space = load_labels(FOLDER / name)
                        head = zero_shot(workspace, space, statistics)
                        types = known.attributes["articleType"]
                        row = judged(space, head, own[split], types, home, nothing, name)
                        table.append([split, *row])
                top = ["split", "file", "theirs", "given", "right of those", "no label's", "given",
                       "clothes at home", "nothing"]  # fmt: skip
                lines += [*markdown.table(top, table), ""]
                table = []
                for name in OBVIOUS:
                    space = load_labels(FOLDER / name)
                    head = zero_shot(workspace, space, statistics)
                    table += rows_of(name, space, head, pictures, val.ids.tolist())
                    hits = given(head, drawn)
                    table[-1].append(f"{hits.any(axis=1).sum()} of {len(hits)}")
                top = ["file", "label", "obvious", "of val", "other things", "clothes at home",
                       "nothing", "examples"]  # fmt: skip
                lines += [*markdown.table(top, table), ""]
    obvious = sum(len(ids) for labels in OBVIOUS.values() for ids in labels.values())
    top = [
        "# A user's own label files", "",
        "`python -m benchmarks.own_labels WORKSPACE --test --other local-dir:FOLDER` (the folder: "
        "the weights that were shipped before, from the history of `fashiontag/encoders/mini`) · "
        f"{products.made_with(resolve())}.", "",
        "Pictures without titles. First what sellers say. Theirs: products whose type is one of the"
        " file's labels; no label's: those whose type is none of them, where that is clear; at "
        f"home: {len(clothes.items)} photos of clothes that people took; nothing: {len(nothing)} "
        f"drawings of nothing. Then by label. Obvious: of {obvious} pictures of val that anybody "
        f"would call so. Other things: val's {len(pictures['other'])} of {OTHER}; examples: those "
        "of `examples/catalog` that get a label.", "", *LOOKED.split("\n")[1:-1], "",
    ]  # fmt: skip
    markdown.write(RESULT, [*top, *lines])


if __name__ == "__main__":
    main()
