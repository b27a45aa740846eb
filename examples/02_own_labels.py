"""Sort products on a shop's own shelves: labels are a text file, not a training run."""

from collections import defaultdict
from pathlib import Path

from fashiontag import Tagger

HERE = Path(__file__).parent

tagger = Tagger.from_pretrained(labels=HERE / "own_labels.toml")
photos = sorted((HERE / "catalog").rglob("*.jpg"))

shelves = defaultdict(list)
for photo, product in zip(photos, tagger.tag(photos), strict=True):
    # No label won against "unknown": a person should look.
    shelf = product.labels("shelf") or ("(unsure)",)
    shelves[shelf[0]].append(photo.stem)

for shelf, products in sorted(shelves.items()):
    print(f"{shelf:12} {len(products):2}  {', '.join(products)}")
