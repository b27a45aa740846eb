"""Sort products on a shop's own shelves: labels are a text file, not a training run."""

import csv
from collections import defaultdict
from pathlib import Path

from fashiontag import Tagger

HERE = Path(__file__).parent
CATALOG = HERE / "catalog"

with (CATALOG / "titles.csv").open(encoding="utf-8", newline="") as file:
    title_of = {row["image"]: row["title"] for row in csv.DictReader(file)}
photos = sorted(CATALOG.rglob("*.jpg"))
titles = [title_of.get(photo.name, "") for photo in photos]

tagger = Tagger.from_pretrained(labels=HERE / "own_labels.toml")
shelves = defaultdict(list)
for photo, product in zip(photos, tagger.tag(photos, titles), strict=True):
    # No label won against "unknown": a person should look.
    shelf = product.labels("shelf") or ("(unsure)",)
    feel = "".join(f" [{word}]" for word in product.labels("feel"))
    shelves[shelf[0]].append(photo.stem + feel)

for shelf, products in sorted(shelves.items()):
    print(f"{shelf:12} {len(products):2}  {', '.join(products)}")
