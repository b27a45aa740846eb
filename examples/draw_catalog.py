"""Make the example catalogue: drawings beside its photos, titles as merchants send them, the truth.

Run `python examples/draw_catalog.py` to write `examples/catalog/` again; the same files come out.
24 products are photos that ordinary people took (CC0, see `examples/catalog/README.md`) and stay as
they are; the others are drawn. `titles.csv` is for `fashiontag tag --titles`. `truth.csv` says what
the pictures show, in the words of `prompts/fashion.toml`, and is for checking tags only. Titles are
as messy as real ones: capitals, markup, missing, and three that tell a lie.
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
    """One product, and what its seller says of it."""

    image: str
    kind: str
    color: str
    pattern: str
    title: str | None  # None: the titles table has no row for it
    price: str = ""
    sleeve: str | None = None
    misleading: bool = False  # the title describes another product
    photo: str | None = None  # where clothing-dataset-small has it, below validation/; else drawn


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
    Product("SKU-10432.jpg", "dress", "navy", "floral", "Women's Navy Floral Summer Dress - Short Sleeves", "39.90", photo="dress/465ff2a7-d489-45c6-a97e-561ba597da54.jpg"),
    Product("SKU-10433.jpg", "t-shirt", "red", "solid", "Mens Red T-Shirt 100% Cotton Short Sleeve", "12.00", photo="t-shirt/aa6bb957-1ab8-4590-80d8-e9d825ffd6ff.jpg"),
    Product("SKU-10434.jpg", "shirt", "white", "striped", "Men&#39;s Striped Shirt, white &amp; grey, long sleeve", "29.50", photo="shirt/29f8cf36-3ae6-4558-9f42-82f330c15b3d.jpg"),
    Product("SKU-10435.jpg", "jeans", "blue", "solid", "BLUE SLIM FIT JEANS MEN **SALE**", "34.99", photo="pants/be08b4a1-37cb-46c0-8287-b1d59c0b6aa6.jpg"),
    Product("SKU-10436.jpg", "skirt", "red", "solid", "Blue shirt, regular fit, cotton", "24.00", misleading=True, photo="skirt/4d5d201a-11cb-4e5c-b291-9b8c833c4ddf.jpg"),
    Product("SKU-10437.jpg", "shirt", "pink", "checked", "<b>NEW</b> Checked casual shirt pink", "27.00", photo="shirt/5d97eab8-e62b-49cf-b73e-7cec4951d9c2.jpg"),
    Product("SKU-10438.jpg", "sweater", "maroon", "solid", "knitted jumper maroon, soft wool blend", "44.00", photo="longsleeve/c6256f9e-0ba4-406e-8143-96c174983f3a.jpg"),
    Product("SKU-10439.jpg", "t-shirt", "yellow", "solid", "", "9.99", photo="t-shirt/2a15cfb2-881f-47f2-a631-decf0a5ec2af.jpg"),
    Product("SKU-10440.jpg", "jacket", "olive", "solid", "Olive bomber jacket w/ zip (unisex)", "59.00", photo="outwear/2160a577-406a-4812-ada2-2a3cb30c2ba8.jpg"),
    Product("SKU-10441.jpg", "dress", "black", "dotted", "Polka Dot Dress Black | Party | Short Sleeves", "42.00", "short"),
    Product("SKU-10442.jpg", "shorts", "beige", "solid", "Chino shorts beige men", "19.90", photo="shorts/163d946e-7638-4069-92e0-1b02be330271.jpg"),
    Product("SKU-10443.jpg", "trousers", "grey", "solid", "Ladies trousers - grey - size 32", "36.00", photo="pants/1f3fe0f5-4724-43f8-bfce-6e22d1f1f5ba.jpg"),
    Product("SKU-10444.jpg", "dress", "pink", "solid", "Ladies dress, pink, cut-out waist&nbsp;- Size M", "17.50", photo="dress/35f5fecb-755a-45d6-ac3d-3feb8299dc87.jpg"),
    Product("SKU-10445.jpg", "coat", "brown", "solid", "Women long coat BROWN winter", "119.00", photo="outwear/ee4d62e7-6dbc-4131-a394-c199fa564250.jpg"),
    Product("SKU-10446.jpg", "long-sleeve t-shirt", "purple", "solid", "Purple long sleeve t-shirt", "33.00", photo="longsleeve/87846aa9-86cc-404a-af2c-7e8fe941081d.jpg"),
    Product("SKU-10447.jpg", "shorts", "blue", "solid", None, photo="shorts/73d0010c-e5f1-49aa-bc8d-222002cdb5b6.jpg"),
    Product("SKU-10448.jpg", "blazer", "navy", "solid", "Tailored blazer navy", "89.00", photo="longsleeve/36bde3bf-3a55-4a16-baf9-d34f4f5ae19a.jpg"),
    Product("SKU-10449.jpg", "t-shirt", "navy", "striped", "2 pack tees navy stripes", "6.50", photo="t-shirt/59939b5c-086b-45d6-bef8-bd1c889a543e.jpg"),
    Product("SKU-10450.jpg", "skirt", "black", "floral", "Floral skirt black, above the knee", "26.00", photo="skirt/2459a9ab-b654-4aef-be7c-89340da78cec.jpg"),
    Product("SKU-10451.jpg", "t-shirt", "black", "graphic", "Graphic Tee Black Women", "15.00", photo="t-shirt/28709ef4-cebf-40c5-8347-f59932bf9323.jpg"),
    Product("accessories/SKU-20011.jpg", "bag", "brown", "solid", "Brown leather handbag for women", "64.00"),
    Product("accessories/SKU-20012.jpg", "backpack", "black", "solid", "Women's pink floral dress, sleeveless", "31.00", misleading=True),
    Product("accessories/SKU-20013.jpg", "watch", "brown", "solid", "Analogue wrist watch, brown strap", "75.00"),
    Product("accessories/SKU-20014.jpg", "sunglasses", "black", "solid", "", "14.00"),
    Product("accessories/SKU-20015.jpg", "belt", "black", "solid", "MENS BELT BLACK", "18.00"),
    Product("accessories/SKU-20016.jpg", "tie", "red", "striped", "Silk tie &ndash; red striped", "16.00"),
    Product("accessories/SKU-20017.jpg", "scarf", "green", "checked", "Winter scarf green checked w. fringes", "21.00"),
    Product("accessories/SKU-20018.jpg", "cap", "black", "solid", None, photo="hat/de697750-a1ce-4595-8836-47e5be76d1da.jpg"),
    Product("accessories/SKU-20019.jpg", "wallet", "brown", "solid", "Wallet Brown Leather Men", "22.00"),
    Product("shoes/SKU-30001.jpg", "shoe", "white", "solid", "White sneakers lace-up unisex", "49.00", photo="shoes/454fd50e-89eb-412b-b16c-17f1730ed9b5.jpg"),
    Product("shoes/SKU-30002.jpg", "heel", "red", "solid", "Red high heels pumps", "54.00"),
    Product("shoes/SKU-30003.jpg", "boot", "brown", "solid", "Yellow scarf, dotted", "79.00", misleading=True, photo="shoes/5e577f40-dd22-4b40-9827-ce6cae5ac3fd.jpg"),
    Product("shoes/SKU-30004.jpg", "sandal", "black", "solid", "Sandals men black", "28.00", photo="shoes/d9218439-14f1-46fa-8c35-f17f112b08fe.jpg"),
    Product("shoes/SKU-30005.jpg", "flip-flops", "yellow", "solid", "beach flip flops - yellow!!", "8.00"),
    Product("shoes/SKU-30006.jpg", "formal shoe", "black", "solid", "Formal shoes black for men", "66.00", photo="shoes/65368501-a7a8-4552-9035-7e812b9b4828.jpg"),
)
# fmt: on


def write(out: Path) -> None:
    """Write the drawings, `titles.csv` and `truth.csv` below `out`."""
    for number, p in enumerate(PRODUCTS):
        if p.photo:
            continue
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
