"""Should vectors be centred before cosines? ``python -m benchmarks.centring``.

Centring each modality is the usual advice for web-trained models. Top-1 by plain cosine, pictures
of `val` against the prompts of ``fashion-products``, with means of `pool`'s pictures and of all
prompts taken off or not. Written to ``benchmarks/results/centring.md``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import markdown, products
from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.paths import RESULTS
from benchmarks.zeroshot import right
from fashiontag.encoders import resolve
from fashiontag.heads.statistics import unit
from fashiontag.labels import load_labels
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed
from fashiontag.workspace.prompts import zero_shot

RESULT = RESULTS / "centring.md"


def main() -> None:
    """Measure the four ways; write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workspace", type=Path, help="keep vectors here between runs")
    arguments = parser.parse_args()
    encoder, space = resolve(), load_labels("fashion-products")
    val = products.load(["val"])
    with (
        tempfile.TemporaryDirectory() as scratch,
        Workspace.open(arguments.workspace or Path(scratch), encoder) as workspace,
    ):

        def pictures(split: str) -> np.ndarray:
            items = products.load([split]).items("absent")
            rows = [window.images for window in embed(workspace, items)]
            return workspace.images.padded(np.concatenate(rows), encoder.dim)

        images, mean = pictures("val"), pictures("pool").mean(axis=0)
        prompts = zero_shot(workspace, space).prompts
    families = FamilyBootstrap(val.families)
    plain: dict[str, np.ndarray] = {}
    rows, differences = [], []
    for name, seen, asked in (
        ("as they are", images, prompts),
        ("prompts centred", images, unit(prompts - prompts.mean(axis=0))),
        ("pictures centred", unit(images - mean), prompts),
        ("both centred", unit(images - mean), unit(prompts - prompts.mean(axis=0))),
    ):
        cosines = seen @ asked.T
        hits = {
            group: right(
                np.array(space.group(group).names)[cosines[:, space.span(group)].argmax(axis=1)],
                val.attributes[group],
            )
            for group in space.names
        }
        plain = plain or hits
        rows.append([name, *(str(families.mean(hits[group])) for group in space.names)])
        if hits is not plain:
            means = (families.mean(plain[group] - hits[group]) for group in space.names)
            differences.append([name, *map(str, means)])
    lines = [
        "# Centring, or not", "",
        f"`python -m benchmarks.centring` · {products.made_with(encoder)}", "",
        f"Split val, {len(val.ids):,} pictures, titles absent, top-1 by plain cosine, 95 % "
        "intervals over families.", "",
        *markdown.table(["", *space.names], rows), "",
        "As they are, minus the other, paired:", "",
        *markdown.table(["", *space.names], differences), "",
    ]  # fmt: skip
    markdown.write(RESULT, lines)


if __name__ == "__main__":
    main()
