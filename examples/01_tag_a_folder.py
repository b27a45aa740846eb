"""Tag a folder of product photos, with the titles that came along."""

import csv
from pathlib import Path

from fashiontag import Tagger

CATALOG = Path(__file__).parent / "catalog"

with (CATALOG / "titles.csv").open(encoding="utf-8", newline="") as file:
    title_of = {row["image"]: row["title"] for row in csv.DictReader(file)}
photos = sorted(CATALOG.rglob("*.jpg"))
titles = [title_of.get(photo.name, "") for photo in photos]

tagger = Tagger.from_pretrained()
for photo, product in zip(photos, tagger.tag(photos, titles), strict=True):
    if product.status == "error":  # one unreadable photo doesn't stop the others
        print(f"{photo.name:15} {product.message}")
        continue
    cells = [" | ".join(product.labels(group)) for group in ("category", "color", "pattern")]
    print(f"{photo.name:15} {cells[0]:14} {cells[1]:16} {cells[2]:14} {product.title}")
