"""Draw the example catalogue: pictures, the titles a merchant would send, and the truth.

Run `python examples/draw_catalog.py` to write `examples/catalog/` again; the same files come out.
`titles.csv` is for `fashiontag tag --titles`. `truth.csv` says what was drawn, in the words of
`prompts/fashion.toml`, and is for checking tags only. Titles are as messy as real ones: capitals,
markup, missing, and three that tell a lie.
"""

# One product a line, so that the catalogue reads as a table.
# ruff: noqa: E501

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

from drawing import draw_garment

SIZE, QUALITY = 384, 86


@dataclass(frozen=True)
class Product:
    """One drawn product and what its seller says of it."""

    image: str
    kind: str
    color: str
    pattern: str
    title: str | None  # None: the titles table has no row for it
    price: str = ""
    sleeve: str | None = None
    misleading: bool = False  # the title describes another product


# What the drawing calls differently from prompts/fashion.toml.
CATEGORY = {
    "shoe": "sneakers",
    "formal shoe": "formal shoes",
    "heel": "heels",
    "boot": "boots",
    "sandal": "sandals",
    "flip-flops": "flip flops",
    "bag": "handbag",
}
PATTERN = {"dotted": "polka dot", "graphic": "graphic print"}

# fmt: off
PRODUCTS = (
    Product("SKU-10432.jpg", "dress", "navy", "floral", "Women's Navy Floral Summer Dress - Sleeveless", "39.90", "sleeveless"),
    Product("SKU-10433.jpg", "t-shirt", "red", "solid", "Mens Red T-Shirt 100% Cotton Short Sleeve", "12.00", "short"),
    Product("SKU-10434.jpg", "shirt", "white", "striped", "Men&#39;s Striped Shirt, white &amp; black, long sleeve", "29.50", "long"),
    Product("SKU-10435.jpg", "jeans", "blue", "solid", "BLUE SLIM FIT JEANS MEN **SALE**", "34.99"),
    Product("SKU-10436.jpg", "skirt", "red", "solid", "Blue shirt, regular fit, cotton", "24.00", misleading=True),
    Product("SKU-10437.jpg", "shirt", "green", "checked", "<b>NEW</b> Checked casual shirt green", "27.00", "long"),
    Product("SKU-10438.jpg", "sweater", "maroon", "solid", "knitted jumper maroon, soft wool blend", "44.00"),
    Product("SKU-10439.jpg", "t-shirt", "yellow", "striped", "", "9.99", "short"),
    Product("SKU-10440.jpg", "jacket", "olive", "solid", "Olive bomber jacket w/ zip (unisex)", "59.00"),
    Product("SKU-10441.jpg", "dress", "black", "dotted", "Polka Dot Dress Black | Party | Short Sleeves", "42.00", "short"),
    Product("SKU-10442.jpg", "shorts", "beige", "solid", "Chino shorts beige men", "19.90"),
    Product("SKU-10443.jpg", "trousers", "grey", "solid", "Formal trousers - grey - size 32", "36.00"),
    Product("SKU-10444.jpg", "top", "pink", "floral", "Ladies top, pink with flowers&nbsp;- Size M", "17.50", "sleeveless"),
    Product("SKU-10445.jpg", "coat", "brown", "solid", "Women long coat BROWN winter", "119.00"),
    Product("SKU-10446.jpg", "hoodie", "purple", "graphic", "Purple hoodie, graphic print, kangaroo pocket", "33.00"),
    Product("SKU-10447.jpg", "polo shirt", "blue", "solid", None, sleeve="short"),
    Product("SKU-10448.jpg", "blazer", "navy", "solid", "Tailored blazer navy", "89.00"),
    Product("SKU-10449.jpg", "socks", "grey", "striped", "2 pack socks grey stripes", "6.50"),
    Product("SKU-10450.jpg", "skirt", "turquoise", "checked", "Turquoise check skirt, knee length", "26.00"),
    Product("SKU-10451.jpg", "t-shirt", "black", "graphic", "Graphic Tee Black Unisex", "15.00", "short"),
    Product("accessories/SKU-20011.jpg", "bag", "brown", "solid", "Brown leather handbag for women", "64.00"),
    Product("accessories/SKU-20012.jpg", "backpack", "black", "solid", "Women's pink floral dress, sleeveless", "31.00", misleading=True),
    Product("accessories/SKU-20013.jpg", "watch", "brown", "solid", "Analogue wrist watch, brown strap", "75.00"),
    Product("accessories/SKU-20014.jpg", "sunglasses", "black", "solid", "", "14.00"),
    Product("accessories/SKU-20015.jpg", "belt", "black", "solid", "MENS BELT BLACK", "18.00"),
    Product("accessories/SKU-20016.jpg", "tie", "red", "striped", "Silk tie &ndash; red striped", "16.00"),
    Product("accessories/SKU-20017.jpg", "scarf", "green", "checked", "Winter scarf green checked w. fringes", "21.00"),
    Product("accessories/SKU-20018.jpg", "cap", "blue", "solid", None),
    Product("accessories/SKU-20019.jpg", "wallet", "brown", "solid", "Wallet Brown Leather Men", "22.00"),
    Product("shoes/SKU-30001.jpg", "shoe", "white", "solid", "White sneakers lace-up unisex", "49.00"),
    Product("shoes/SKU-30002.jpg", "heel", "red", "solid", "Red high heels pumps", "54.00"),
    Product("shoes/SKU-30003.jpg", "boot", "brown", "solid", "Yellow scarf, dotted", "79.00", misleading=True),
    Product("shoes/SKU-30004.jpg", "sandal", "black", "solid", "Sandals women black", "28.00"),
    Product("shoes/SKU-30005.jpg", "flip-flops", "yellow", "solid", "beach flip flops - yellow!!", "8.00"),
    Product("shoes/SKU-30006.jpg", "formal shoe", "black", "solid", "Formal shoes black for men", "66.00"),
)
# fmt: on


def write(out: Path) -> None:
    """Write pictures, `titles.csv` and `truth.csv` below `out`."""
    for number, p in enumerate(PRODUCTS):
        path = out / p.image
        path.parent.mkdir(parents=True, exist_ok=True)
        # Seeds from 900,000 are kept for this catalogue: training draws below them.
        picture = draw_garment(
            p.kind, p.color, p.pattern, sleeve=p.sleeve, seed=900_000 + number, size=SIZE
        )
        picture.save(path, quality=QUALITY, optimize=True)
    with (out / "titles.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["image", "title", "price"])
        rows.writerows(
            # Sellers write the file's name and leave its folder out.
            [Path(p.image).name, p.title, p.price]
            for p in PRODUCTS
            if p.title is not None
        )
    with (out / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["image", "category", "color", "pattern"])
        rows.writerows(
            [p.image, CATEGORY.get(p.kind, p.kind), p.color, PATTERN.get(p.pattern, p.pattern)]
            for p in PRODUCTS
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "catalog")
    write(parser.parse_args().out)
