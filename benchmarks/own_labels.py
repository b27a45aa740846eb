"""What a user's own label files give: ``python -m benchmarks.own_labels WORKSPACE``.

Three files as a user would write them, without titles (``benchmarks/own_labels``): seven kinds in a
text file, twelve looks and seven materials of which several may hold. `OBVIOUS` are pictures of val
that were drawn at random among those whose seller or title says the label, and kept by eye where
anybody would say it of the picture alone, before a model was asked. Other things are what none of
the files is about: val's cosmetics and perfumes, and drawings of nothing. Written to
``benchmarks/results/own-labels.md``.
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
        shares = [f"{found[kind][:, column].mean():.3f}" for kind in ("val", "other", "nothing")]
        rows.append(
            [name, label.name, f"{tagged} of {len(obvious)}" if obvious else "", *shares, ""]
        )
    count = sum(map(len, OBVIOUS[name].values()))
    right = sum(
        found["val"][ids.index(one), space.column(f"{space.names[0]}={label}")]
        for label, chosen in OBVIOUS[name].items()
        for one in chosen
    )
    shares = [f"{found[kind].any(axis=1).mean():.3f}" for kind in ("val", "other", "nothing")]
    rows.append([name, "**any**", f"**{right} of {count}**", *shares])
    return rows


def vectors(workspace: Workspace, items: list[Item]) -> NDArray[np.float32]:
    rows = np.concatenate([window.images for window in embed(workspace, items)])
    return workspace.images.padded(rows, workspace.encoder.dim)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workspace", type=Path)
    place = parser.parse_args().workspace
    val, encoder = products.load(["val"]), resolve()
    lines = []
    with Workspace.open(place, encoder) as workspace:
        own = vectors(workspace, val.items("absent"))
        pictures = {
            "val": own,
            "other": own[val.attributes["masterCategory"] == OTHER],
            "nothing": nothing_vectors(encoder),
        }
        drawn = vectors(workspace, list(read_catalog(str(ROOT / "examples" / "catalog")).items))
        shipped = workspace.statistics
        for title, statistics in (
            ("The embedded model", shipped),
            ("The same without its statistics, as any other model", Statistics()),
        ):
            table = []
            for name in OBVIOUS:
                space = load_labels(FOLDER / name)
                head = zero_shot(workspace, space, statistics)
                table += rows_of(name, space, head, pictures, val.ids.tolist())
                hits = given(head, drawn)
                table[-1].append(f"{hits.any(axis=1).sum()} of {len(hits)}")
            head_line = ["file", "label", "obvious", "of val", "other things", "nothing", "drawn"]
            lines += [f"## {title}", "", *markdown.table(head_line, table), ""]
    obvious = sum(len(ids) for labels in OBVIOUS.values() for ids in labels.values())
    top = [
        "# A user's own label files", "",
        f"`python -m benchmarks.own_labels WORKSPACE` · {products.made_with(encoder)}.", "",
        f"Pictures without titles. Obvious: of {obvious} pictures of val that anybody would call "
        f"so. Other things: val's {len(pictures['other'])} of {OTHER}; nothing: "
        f"{len(pictures['nothing'])} drawings of nothing; drawn: those of `examples/catalog` that "
        "get a label.", "",
        "`kinds.txt` is exclusive, and there \"unknown\" is no more than the background: what is "
        "none of the seven is given the nearest too often. A stricter \"unknown\" that was fitted "
        "on lists of seven kinds kept .95 of the right ones and gave .02 of the other things one, "
        "but took nine tenths of their tags from groups of general words (apparel, men, casual).",
        "",
    ]  # fmt: skip
    markdown.write(RESULT, [*top, *lines])


if __name__ == "__main__":
    main()
