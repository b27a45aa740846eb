"""Fit what pixels say of colours on ``backbone``: ``python -m benchmarks.fit_colours``.

A multinomial logistic regression on the histograms of `fashiontag.colours`, with the colours that
sellers entered for at least `LEAST` photos. Its strength was chosen on `val`. Writes
``fashiontag/colours.safetensors``; fit the constants (`benchmarks.fit_statistics`) after it.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression

from benchmarks import products
from fashiontag import colours
from fashiontag.catalog.images import load_image
from fashiontag.labels import load_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from fashiontag.datamodels import Item

LEAST = 15
STRENGTH = 1.5
"""Inverse of the penalty; of .5, 1.5, 5 and 15 this is best on `val`, beside the tower."""

MORE = {
    "Multi": ("multicolour", "multicolor", "multicoloured", "multi-coloured"),
    "Grey": ("gray",),
    "Turquoise Blue": ("turquoise",),
    "Off White": ("off-white",),
}
"""What people call a colour beside the words that the label file has for titles."""


def histograms(items: Iterable[Item]) -> NDArray[np.float32]:
    def one(item: Item) -> NDArray[np.float32]:
        return colours.histogram(colours.thumbnail(load_image(item.image.read())))

    with ThreadPoolExecutor(2) as pool:
        return np.stack(list(pool.map(one, items)))


def main() -> None:
    group = load_labels("fashion-products").group("baseColour")
    found = {split: products.load([split]) for split in ("backbone", "val")}
    entered = {split: of.attributes["baseColour"] for split, of in found.items()}
    counted = Counter(entered["backbone"].tolist())
    names = [label for label in group.labels if counted[label.name] >= LEAST]
    place = {label.name: at for at, label in enumerate(names)}
    truth = {s: np.array([place.get(v, -1) for v in entered[s].tolist()]) for s in found}
    shares = {split: histograms(of.items("absent")) for split, of in found.items()}
    known = truth["backbone"] >= 0
    model = LogisticRegression(C=STRENGTH, max_iter=300)
    seen, wanted = shares["backbone"][known], truth["backbone"][known]
    # Things of one plain colour are rarer in photos than in people's questions.
    plain = seen**2 / np.linalg.norm(seen**2, axis=1, keepdims=True)
    model.fit(np.concatenate([seen, plain]), np.concatenate([wanted, wanted]))
    for split in found:
        rows = truth[split] >= 0
        right = model.predict(shares[split][rows]) == truth[split][rows]
        print(f"{split}: {len(rows):,} photos, pixels alone right in {right.mean():.3f}")
    called = [
        ",".join(dict.fromkeys((one.name, *one.words, *MORE.get(one.name, ())))) for one in names
    ]
    save_file(
        {
            "weights": np.ascontiguousarray(model.coef_.T, np.float16),
            "offset": np.ascontiguousarray(model.intercept_, np.float16),
        },
        colours.TABLE,
        metadata={"names": "|".join(called)},
    )
    colours.TABLE.chmod(0o644)
    print(f"{len(names)} colours → {colours.TABLE}")


if __name__ == "__main__":
    main()
