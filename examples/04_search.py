"""Search a catalogue by words, by a picture, by both, and within tags."""

import csv
from pathlib import Path

from fashiontag import Tagger

CATALOG = Path(__file__).parent / "catalog"

with (CATALOG / "titles.csv").open(encoding="utf-8", newline="") as file:
    title_of = {row["image"]: row["title"] for row in csv.DictReader(file)}
photos = sorted(CATALOG.rglob("*.jpg"))

tagger = Tagger.from_pretrained()
tagger.tag(photos, [title_of.get(photo.name, "") for photo in photos])  # what is tagged is found

searches = {
    "red shoes": {"query": "red shoes"},
    "like this dress": {"image": CATALOG / "SKU-10441.jpg"},
    "this dress, but with flowers": {"query": "floral", "image": CATALOG / "SKU-10441.jpg"},
    "shirt, but not striped": {"query": "shirt", "minus": "striped"},
    "black, for men": {"query": "black", "where": "audience = men"},
}
for wanted, search in searches.items():
    print(f"\n{wanted}")
    for hit in tagger.search(**search, k=3):
        print(f"  {hit.rank}. {hit.score:.2f} {Path(hit.path).name:15} {hit.title}")
