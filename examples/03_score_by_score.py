"""Look at scores: what the picture says, what the title adds, and when no tag is given."""

from pathlib import Path

from drawing import draw_nothing

from fashiontag import Tagger

photo = Path(__file__).parent / "catalog" / "accessories" / "SKU-20012.jpg"  # a black backpack
landscape = draw_nothing("landscape", seed=1)

cases = {
    "picture alone": (photo, ""),
    "with its title": (photo, "School backpack, black"),
    "with a wrong title": (photo, "Women's pink floral dress, sleeveless"),
    "a landscape": (landscape, ""),
}
tagger = Tagger.from_pretrained()
for case, (picture, title) in cases.items():
    (product,) = tagger.tag([picture], [title])
    print(f"\n{case}: {product.title or 'no title'}")
    for tag in product.tags:
        if tag.group in ("category", "color"):
            bar = "#" * round(20 * tag.score)
            print(f"  {tag.group:9} {tag.label:12} {tag.score:.2f} {bar:20} from {tag.source}")
    if not product.labels("category"):
        print("  category  (none: 'unknown' scored higher than every label)")
