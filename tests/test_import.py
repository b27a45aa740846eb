"""`fashiontag import`: every dialect's quirks, each with a feed that is made here."""

import gzip
import json
import re
from dataclasses import dataclass

import pytest
from fakes import color_picture
from PIL import Image, ImageDraw

from fashiontag.catalog import read_catalog
from fashiontag.catalog.feeds.addresses import picture_key, split_addresses
from fashiontag.cli import run
from fashiontag.errors import CatalogError, FashiontagError, UsageError
from fashiontag.workflows.importing import import_feed

SHOPIFY = "Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Name,Option1 Value,Variant SKU,"
SHOPIFY += "Image Src,Image Position,Variant Image\n"
GOOGLE = "id\ttitle\tdescription\tlink\timage link\tadditional image link\titem group id\tcolor\n"
WOO = "ID,Type,SKU,Name,Categories,Tags,Images,Parent,Attribute 1 name,Attribute 1 value(s)\n"
CDN = "https://cdn.shop.example/files"


@dataclass
class Imported:
    summary: object
    photos: list
    report: dict

    def of(self, key):
        """Return (variant, file name) of each photo of a product."""
        return [
            (photo["variant"], photo["url"].rpartition("/")[2])
            for photo in self.photos
            if photo["product"] == key
        ]


@pytest.fixture
def feed(tmp_path):
    def make(content, name="feed.csv", **options):
        source = tmp_path / name
        source.write_bytes(content if isinstance(content, bytes) else content.encode())
        return imported(source, tmp_path / "out", **options)

    return make


def imported(source, out, **options):
    summary = import_feed(str(source), out=out, **options)
    photos = [json.loads(line) for line in (out / "catalog.jsonl").read_text().splitlines()]
    report = json.loads((out / "import.json").read_text())
    counts = report["counts"]
    assert counts["rows"] == counts["used"] + counts["reported"]
    assert counts["photos"] == len(photos)
    ids = [photo["id"] for photo in photos]
    assert len(set(ids)) == len(ids)
    return Imported(summary, photos, report)


# Shopify


def test_shopify_image_rows_and_variant_rows_are_zipped(feed):
    found = feed(
        SHOPIFY
        + f"dress,Dress,<p>x</p>,ACME,,a,Color,Red,D-R,{CDN}/blue.jpg,1,{CDN}/red.jpg\n"
        + f"dress,,,,,,,Blue,D-B,{CDN}/red.jpg,2,{CDN}/blue.jpg\n"
        + f"dress,,,,,,,,,{CDN}/back.jpg,3,\n"
    )
    assert found.of("dress") == [("D-B", "blue.jpg"), ("D-R", "red.jpg"), (None, "back.jpg")]
    assert [photo["id"] for photo in found.photos] == ["dress/1", "dress/2", "dress/3"]
    assert {photo["title"] for photo in found.photos} == {"Dress"}
    assert found.photos[0]["fields"]["Option1 Value"] == "Blue"
    assert "Option1 Value" not in found.photos[2]["fields"]
    assert found.photos[2]["fields"]["Vendor"] == "ACME"


def test_shopify_a_photo_of_several_sizes_is_there_once(feed):
    found = feed(
        SHOPIFY
        + f"tee,Tee,,,,,Size,S,T-S,{CDN}/tee.jpg,1,{CDN}/tee.jpg\n"
        + f"tee,,,,,,,M,T-M,,,{CDN}/tee.jpg\n"
    )
    assert found.of("tee") == [("T-S", "tee.jpg")]
    assert found.photos[0]["variants"] == ["T-S", "T-M"]


def test_shopify_new_headers(feed):
    found = feed(
        "Title,URL handle,Description,SKU,Option1 name,Option1 value,Product image URL,"
        f"Variant image URL\nHat,hat,Warm,H-1,Color,Red,{CDN}/hat.jpg,{CDN}/red.jpg\n"
    )
    assert found.report["format"] == "shopify-csv"
    assert found.of("hat") == [(None, "hat.jpg"), ("H-1", "red.jpg")]
    assert found.photos[0]["description"] == "Warm"


def test_shopify_metafield_and_market_columns_are_fields(feed):
    found = feed(
        "Handle,Title,Image Src,Color (product.metafields.shopify.color-pattern),"
        f"Price / International\nhat,Hat,{CDN}/hat.jpg,red; blue,12\n"
    )
    assert found.photos[0]["fields"] == {
        "Color (product.metafields.shopify.color-pattern)": "red; blue",
        "Price / International": "12",
    }


def test_shopify_default_title_is_no_option(feed):
    found = feed(SHOPIFY + f"hat,Hat,,,,,Title,Default Title,,{CDN}/hat.jpg,1,{CDN}/hat.jpg\n")
    assert found.of("hat") == [(None, "hat.jpg")]
    assert found.report["counts"]["variants"] == 0


def test_shopify_a_variant_without_sku_is_its_options(feed):
    found = feed(SHOPIFY + f"hat,Hat,,,,,Color,Red,,{CDN}/hat.jpg,1,{CDN}/hat.jpg\n")
    assert found.of("hat") == [("Red", "hat.jpg")]


def test_shopify_continuation_rows_further_down_go_on_with_their_product(feed):
    found = feed(
        SHOPIFY
        + f"a,A,,,,,,,,{CDN}/a1.jpg,1,\nb,B,,,,,,,,{CDN}/b.jpg,1,\na,,,,,,,,,{CDN}/a2.jpg,2,\n"
    )
    assert [photo["id"] for photo in found.photos] == ["a/1", "b/1", "a/2"]
    assert found.report["counts"]["products"] == 2


def test_duplicate_handles_are_reported_and_never_merged(feed):
    found = feed(
        SHOPIFY
        + f"a,A,,,,,,,,{CDN}/a.jpg,1,\nb,B,,,,,,,,{CDN}/b.jpg,1,\n"
        + f"a,Another,,,,,,,,{CDN}/other.jpg,1,\na,,,,,,,,,{CDN}/other2.jpg,2,\n"
    )
    assert found.of("a") == [(None, "a.jpg")]
    assert found.report["counts"]["reported"] == 2
    assert "a in line 4, a in line 5" in found.report["warnings"][0]


def test_rows_without_a_handle_are_reported(feed):
    found = feed(SHOPIFY + f"a,A,,,,,,,,{CDN}/a.jpg,1,\n,Nobody,,,,,,,,{CDN}/n.jpg,1,\n")
    assert found.report["counts"] | {"rows": 2, "reported": 1} == found.report["counts"]
    assert "line 3" in found.report["warnings"][0]


def test_a_product_without_photos_is_used_and_said(feed):
    found = feed(SHOPIFY + f"a,A,,,,,,,,,,\nb,B,,,,,,,,{CDN}/b.jpg,1,\n")
    assert found.report["counts"]["products"] == 2
    assert "products have no photo: a." in found.report["warnings"][0]


def test_eans_that_a_spreadsheet_rounded_name_no_variant(feed):
    found = feed(
        SHOPIFY
        + f"a,A,,,,,Color,Red,8.90E+12,{CDN}/a.jpg,1,{CDN}/a.jpg\n"
        + f'a,,,,,,,Blue,"8,90E+12",{CDN}/b.jpg,1,{CDN}/b.jpg\n'
    )
    assert found.of("a") == [("Red", "a.jpg"), ("Blue", "b.jpg")]
    assert "2 SKUs were rounded by a spreadsheet" in found.report["warnings"][0]


def test_shopify_json_points_to_pictures_by_id(feed):
    product = {
        "id": 1,
        "handle": "dress",
        "title": "Dress",
        "body_html": "<p>x</p>",
        "tags": ["a", "b"],
        "variants": [
            {"id": 11, "sku": "D-R", "option1": "Red", "featured_image": {"src": f"{CDN}/r.jpg"}},
            {"id": 12, "sku": "", "option1": "Blue", "image_id": 102},
            {"id": 13, "sku": "D-G", "option1": "Green"},
        ],
        "images": [
            {"id": 101, "src": f"{CDN}/r.jpg?v=1"},
            {"id": 102, "src": f"{CDN}/b.jpg"},
            {"id": 103, "src": f"{CDN}/g.jpg", "variant_ids": [13]},
            {"id": 104, "src": f"{CDN}/back.jpg"},
        ],
    }
    found = feed(json.dumps({"products": [product, product]}), "products.json")
    assert found.report["format"] == "shopify-json"
    names = [("D-R", "r.jpg?v=1"), ("12", "b.jpg"), ("D-G", "g.jpg"), (None, "back.jpg")]
    assert found.of("dress") == names
    assert found.report["counts"]["reported"] == 1  # the handle comes twice


# Google


def test_google_tsv_further_pictures_are_joined_by_commas(feed):
    found = feed(
        GOOGLE
        + f"A1\tRed\td\t\t{CDN}/1.jpg\t{CDN}/2.jpg,{CDN}/3.jpg?x=w_1,h_2\tG\tred\n"
        + f"A2\tBlue\td\t\t{CDN}/4.jpg\t{CDN}/3.jpg?x=w_1,h_2\tg\tblue\n"
    )
    assert found.report["format"] == "google-tsv"
    assert found.of("G") == [
        ("A1", "1.jpg"),
        ("A1", "2.jpg"),
        ("A1", "3.jpg?x=w_1,h_2"),
        ("A2", "4.jpg"),
    ]
    assert found.photos[2]["variants"] == ["A1", "A2"]  # and a group's case says nothing
    assert [photo["title"] for photo in found.photos][::3] == ["Red", "Blue"]
    assert found.photos[3]["fields"]["color"] == "blue"


def test_google_tsv_header_with_underscores(feed):
    found = feed(f"id\ttitle\timage_link\nA\tRed\t{CDN}/1.jpg\n", "feed.txt")
    assert found.of("A") == [("A", "1.jpg")]


def test_google_an_id_again_is_reported(feed):
    found = feed(f"id\ttitle\timage_link\nA\tRed\t{CDN}/1.jpg\nA\tRed\t{CDN}/2.jpg\n")
    assert found.of("A") == [("A", "1.jpg")]
    assert found.report["counts"]["reported"] == 1


RSS = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<link>https://shop.example</link>
<item><title>Long for search</title><link>https://shop.example/p/1</link>
<g:id>A1</g:id><g:title>Red &amp; warm</g:title><g:image_link>/i/1.jpg</g:image_link>
<g:additional_image_link>https://shop.example/i/2.jpg</g:additional_image_link>
<g:additional_image_link>https://shop.example/i/3.jpg,https://shop.example/i/4.jpg
</g:additional_image_link><g:item_group_id>G</g:item_group_id>
<g:shipping><g:country>DE</g:country></g:shipping></item>
<item><g:title>No id</g:title></item>
</channel></rss>"""


def test_google_rss(feed):
    found = feed(RSS, "feed.xml")
    assert found.report["format"] == "google-xml"
    assert found.of("G") == [("A1", "1.jpg"), ("A1", "2.jpg"), ("A1", "3.jpg"), ("A1", "4.jpg")]
    assert found.photos[0]["url"] == "https://shop.example/i/1.jpg"  # relative to the item's link
    assert found.photos[0]["title"] == "Red & warm"
    assert found.report["counts"]["reported"] == 1


def test_google_prefix_lost(feed):
    found = feed(RSS.replace("<g:", "<").replace("</g:", "</"), "feed.xml")
    assert [name for _, name in found.of("G")] == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]


def test_google_atom(feed):
    found = feed(
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">'
        '<entry><g:id>A</g:id><title>Hat</title><summary>Warm</summary><link href="https://s.example'
        '/p"/><g:image_link>//s.example/a.jpg</g:image_link></entry></feed>',
        "feed.xml",
    )
    assert found.of("A") == [("A", "a.jpg")]
    assert (found.photos[0]["description"], found.photos[0]["url"]) == (
        "Warm",
        "https://s.example/a.jpg",
    )


# WooCommerce


def test_woocommerce_variations_before_their_parent(feed):
    found = feed(
        WOO
        + f"11,variation,S-R,Shirt - Red,,,{CDN}/r.jpg,id:10,Color,Red\n"
        + f"12,variation,,Shirt - Blue,,,{CDN}/b.jpg,SHIRT,Color,Blue\n"
        + f'10,variable,SHIRT,Shirt,Men > Shirts,a,"{CDN}/main.jpg, {CDN}/r.jpg",,Color,"Red,'
        + ' Blue"\n'
    )
    assert found.report["format"] == "woocommerce-csv"
    assert found.of("SHIRT") == [("S-R", "r.jpg"), ("12", "b.jpg"), (None, "main.jpg")]
    assert found.photos[0]["fields"]["Color"] == "Red"
    assert found.photos[2]["fields"]["Color"] == "Red|Blue"


def test_woocommerce_commas_inside_terms(feed):
    found = feed(
        WOO
        + f'1,variable,S,Shirt,,,{CDN}/a.jpg,,Color,"Red\\, dark, Blue"\n'
        + f'2,variation,,,,,{CDN}/b.jpg,S,Color,"Red\\, dark"\n'
    )
    assert found.photos[0]["fields"]["Color"] == "Red, dark|Blue"
    assert found.photos[1]["fields"]["Color"] == "Red, dark"
    assert found.photos[1]["title"] == "Shirt"  # its parent's, for it has none


def test_woocommerce_grouped_products_are_products_of_their_own(feed):
    found = feed(
        WOO.replace("Parent", "Grouped products,Parent")
        + f'1,simple,A,Cup,,,{CDN}/cup.jpg,,,,\n2,grouped,SET,Set,,,{CDN}/set.jpg,"A, B",,,\n'
    )
    assert (found.of("A"), found.of("SET")) == ([(None, "cup.jpg")], [(None, "set.jpg")])
    assert found.photos[1]["fields"]["Grouped products"] == "A, B"


def test_woocommerce_a_lost_parent_is_said(feed):
    found = feed(WOO + f"2,variation,V,Red,,,{CDN}/b.jpg,id:7,,\n")
    assert found.of("7") == [("V", "b.jpg")]
    assert "id:7 in line 2" in found.report["warnings"][0]


# Pages


def page(head="", body=""):
    return f"<!DOCTYPE html><html><head><title>x</title>{head}</head><body>{body}</body></html>"


def json_ld(text):
    return f'<script type="application/ld+json">{text}</script>'


@pytest.fixture
def pages(tmp_path):
    def make(*contents):
        folder = tmp_path / "pages"
        folder.mkdir()
        for number, content in enumerate(contents, start=1):
            (folder / f"{number}.html").write_text(content)
        return imported(folder, tmp_path / "out")

    return make


def test_json_ld_keeps_quot_inside_strings(pages):
    found = pages(
        page(json_ld('{"@type":"Product","sku":"A","name":"13&quot; bag","image":"/a.jpg"}'))
    )
    assert found.photos[0]["title"] == "13&quot; bag"


def test_json_ld_with_comments_and_a_trailing_comma(pages):
    found = pages(
        page(
            json_ld(
                '{"@type":"Product", // the product\n"sku":"A", /* "sku":"B", */\n'
                '"name":"a // b, }","image":["https://s.example/a.jpg",],}'
            )
        )
    )
    assert (found.photos[0]["title"], found.photos[0]["product"]) == ("a // b, }", "A")


def test_json_ld_graph_group_and_variants(pages):
    found = pages(
        page(
            '<link rel="canonical" href="https://s.example/p/1">'
            + json_ld(
                json.dumps(
                    {
                        "@graph": [
                            {"@type": "WebPage"},
                            {"@id": "#i", "@type": "ImageObject", "contentUrl": "/main.jpg"},
                            {
                                "@type": "ProductGroup",
                                "productGroupID": "G",
                                "name": "Shirt",
                                "image": {"@id": "#i"},
                                "brand": {"name": "ACME"},
                                "hasVariant": [
                                    {
                                        "@type": "Product",
                                        "sku": "R",
                                        "name": "Red shirt",
                                        "color": "red",
                                        "image": [{"url": "//s.example/r.jpg"}],
                                    }
                                ],
                            },
                        ]
                    }
                )
            )
        )
    )
    assert found.of("G") == [(None, "main.jpg"), ("R", "r.jpg")]
    assert found.photos[0]["url"] == "https://s.example/main.jpg"
    assert found.photos[1]["fields"] == {
        "productGroupID": "G", "brand": "ACME", "sku": "R", "color": "red",
    }  # fmt: skip


def test_microdata_then_open_graph_then_nothing(pages):
    microdata = (
        '<div itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Hat</h1>'
        '<meta itemprop="sku" content="H"><img itemprop="image" src="https://s.example/h.jpg">'
        '<div itemprop="brand" itemscope><span itemprop="name">ACME</span></div>'
        '<div itemprop="isRelatedTo" itemscope itemtype="https://schema.org/Product">'
        '<span itemprop="name">Glove</span></div></div>'
    )
    graph = (
        '<meta property="og:type" content="product"><meta property="og:title" content="Scarf">'
        '<meta property="og:url" content="https://s.example/scarf">'
        '<meta property="og:image" content="/s.jpg">'
    )
    found = pages(page(body=microdata), page(graph), page())
    assert [photo["title"] for photo in found.photos] == ["Hat", "Scarf"]
    assert found.photos[0]["fields"]["brand"] == "ACME"
    assert found.photos[1]["product"] == "https://s.example/scarf"
    assert found.photos[1]["id"] == "https:%2F%2Fs.example%2Fscarf/1"
    assert found.report["counts"] | {"rows": 3, "reported": 1} == found.report["counts"]
    assert "pages show no product" in found.report["warnings"][0]


# Encodings, delimiters, addresses


TABLE = f"Handle,Title,Image Src\nmütze,Mütze „warm“ €5,{CDN}/a.jpg\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings(feed, encoding):
    found = feed(TABLE.encode(encoding))
    assert (found.photos[0]["product"], found.photos[0]["title"]) == ("mütze", "Mütze „warm“ €5")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiters(feed, delimiter):
    found = feed(TABLE.replace(",", delimiter))
    assert found.photos[0]["product"] == "mütze"


def test_mixed_encodings_are_read_line_by_line_and_said(feed):
    found = feed(TABLE.encode() + f"bär,Bär,{CDN}/b.jpg\n".encode("cp1252"))
    assert [photo["product"] for photo in found.photos] == ["mütze", "bär"]
    assert "1 lines are no UTF-8, as the others are" in found.report["warnings"][0]


def test_gzip_and_excels_line_that_names_the_delimiter(feed):
    data = gzip.compress(b"sep=;\r\n" + TABLE.replace(",", ";").replace("\n", "\r\n").encode())
    found = feed(data, "feed.csv.gz")
    assert found.photos[0]["product"] == "mütze"
    assert (found.summary.out / "original.csv.gz").read_bytes() == data


def test_line_breaks_and_quotes_inside_cells(feed):
    body = '"<p>one\r\n\r\n""two"", three</p>"'
    found = feed(f"Handle,Title,Body (HTML),Image Src\r\na,A,{body},{CDN}/a.jpg\r\n")
    assert found.photos[0]["description"] == '<p>one\r\n\r\n"two", three</p>'


def test_a_quote_that_never_closes_costs_its_own_line(feed):
    found = feed(f'Handle,Title,Image Src\na,"A,{CDN}/a.jpg\nb,B,{CDN}/b.jpg\nc,C,{CDN}/c.jpg\n')
    assert [photo["product"] for photo in found.photos] == ["b", "c"]
    assert found.report["counts"]["reported"] == 1


def test_a_quote_inside_a_cell_is_a_letter(feed):
    found = feed(f'Handle,Title,Image Src\na,5" heels,{CDN}/a.jpg\nb,"B ""x""",{CDN}/b.jpg\n')
    assert [photo["title"] for photo in found.photos] == ['5" heels', 'B "x"']


def test_short_rows_are_used_and_long_rows_reported(feed):
    found = feed(f"Handle,Title,Image Src,Tags\na,A,{CDN}/a.jpg\nb,B,{CDN}/b.jpg,x,y\n")
    assert [photo["product"] for photo in found.photos] == ["a"]
    assert [sentence.split(": ")[1][:6] for sentence in found.report["warnings"]] == [
        "1 rows", "1 rows",
    ]  # fmt: skip


def test_the_same_picture_under_several_addresses():
    addresses = (
        "https://cdn.example/a.jpg",
        "//cdn.example/a.jpg?v=17",
        "http://CDN.example/a_150x150.jpg",
        "https://cdn.example/a-1024x768.jpg?width=80",
        "https://cdn.example/a_600x.jpg",
    )
    assert len({picture_key(address) for address in addresses}) == 1
    others = ("https://cdn.example/a_30x40.jpg", "https://cdn.example/a.jpg?id=5")
    assert len({picture_key(address) for address in (*others, *addresses)}) == 3


def test_thumbnails_give_way_to_the_picture_and_are_said(feed):
    found = feed(
        SHOPIFY
        + f"a,A,,,,,Color,Red,R,{CDN}/a_150x150.jpg,1,{CDN}/a.jpg\n"
        + f"a,,,,,,,,,{CDN}/b.jpg?width=80,2,\n"
    )
    assert found.of("a") == [("R", "a.jpg"), (None, "b.jpg?width=80")]
    assert "1 addresses are thumbnails" in found.report["warnings"][0]


def test_relative_addresses_without_a_shop_are_said(feed):
    found = feed(f"Handle,Title,Image Src\na,A,/files/a.jpg\nb,B,//{CDN[8:]}/b.jpg\n")
    assert [photo["url"] for photo in found.photos] == ["/files/a.jpg", f"{CDN}/b.jpg"]
    assert "1 addresses of pictures are relative" in found.report["warnings"][0]


def test_addresses_that_hold_commas():
    assert split_addresses("a.jpg, b.jpg") == ["a.jpg", "b.jpg"]
    assert split_addresses("https://a/w_1,h_2/a.jpg ,//b/c.jpg") == [
        "https://a/w_1,h_2/a.jpg", "//b/c.jpg",
    ]  # fmt: skip


# Pictures


def test_pictures_by_file_name_sku_and_id(feed, tmp_path):
    images = tmp_path / "images"
    for name in ("sub/Red.JPG", "S-1.jpg", "hat_1.png", "hat_2.png", "twice/x.jpg", "two/x.jpg"):
        color_picture(images / name, "red")
    found = feed(
        SHOPIFY
        + f"a,A,,,,,Color,Red,S-0,{CDN}/red_150x150.jpg?v=2,1,\n"
        + f"a,,,,,,,Blue,S-1,{CDN}/nowhere.jpg,2,{CDN}/nowhere.jpg\n"
        + f"b,B,,,,,,,,{CDN}/x.jpg,1,\n"
        + f"c,C,,,,,,,,{CDN}/gone.jpg,1,\n"
        + "hat,Hat,,,,,,,,,,\n",
        images=str(images),
    )
    paths = {photo["id"]: photo["path"] for photo in found.photos}
    assert paths == {
        "a/1": "../images/sub/Red.JPG",
        "a/2": "../images/S-1.jpg",
        "b/1": None,
        "c/1": None,
        "hat/1": "../images/hat_1.png",
        "hat/2": "../images/hat_2.png",
    }
    assert found.report["counts"]["missing"] == 2
    assert any("fit several files" in sentence for sentence in found.report["warnings"])


def test_a_catalogue_is_read_as_items(feed, tmp_path):
    color_picture(tmp_path / "images" / "a.jpg", "red")
    feed(
        SHOPIFY + f"x/y,A&amp;B,,ACME,,,,,,{CDN}/a.jpg,1,\nx/y,,,,,,,,,{CDN}/b.jpg,2,\n",
        images=str(tmp_path / "images"),
    )
    first, second = read_catalog(str(tmp_path / "out")).items
    assert (first.id, first.title, first.text) == ("x%2Fy/1", "A&amp;B", "A&B")
    assert first.fields["product"] == "x/y"
    assert first.fields["Vendor"] == "ACME"
    assert first.image.read() == (tmp_path / "images" / "a.jpg").read_bytes()
    assert second.path == f"{CDN}/b.jpg"
    with pytest.raises(OSError, match="not among the imported pictures"):
        second.image.read()


# Bad feeds: one sentence, nothing half-written

LAUGHS = (
    '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><rss><item><image_link>&b;'
    "</image_link></item></rss>"
)
EXTERNAL = (
    '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><item><image_link>&x;'
    "</image_link></item></rss>"
)
BAD = {
    "truncated": (RSS[:-60], "feed.xml", "cut off"),
    "mixed": (RSS.encode().replace(b"warm", b"w\xe4rm"), "feed.xml", "mixes encodings"),
    "laughs": (LAUGHS, "feed.xml", "declares entities"),
    "external": (EXTERNAL, "feed.xml", "declares entities"),
    "error-page": (page("<title>Log in</title>"), "feed.csv", "a web page (x)"),
    "other-xml": ("<a><b/></a>", "feed.xml", "no Google feed"),
    "big-cell": (b'Handle,Title\na,"' + b"x" * 50_000_000 + b'"\n', "feed.csv", "line 2: a row"),
    "big-element": (RSS.replace("Red", "x" * 50_000_000), "feed.xml", "million characters"),
    "empty": ("", "feed.csv", "is empty"),
    "header-only": (SHOPIFY, "feed.csv", "gives no product"),
    "other-table": ("a,b\n1,2\n", "feed.csv", "recognised would be"),
    "binary": (b"PK\x03\x04" + b"\0\1" * 20 + b"x" * 200, "feed.csv", "is no text"),
    "half-gzip": (gzip.compress(RSS.encode() * 99)[:-20], "feed.xml.gz", "can't be unpacked"),
    "half-json": ('{"products": [{"id"', "products.json", "no whole JSON"),
    "other-json": ('{"errors": "x"}', "products.json", 'no list "products"'),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_feeds(feed, tmp_path, name):
    content, file, sentence = BAD[name]
    with pytest.raises(FashiontagError) as error:
        feed(content, file)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_a_format_that_isn_t_there(feed):
    with pytest.raises(UsageError, match="no format 'etsy'"):
        feed(TABLE, format="etsy")
    with pytest.raises(CatalogError, match="is google-xml, not shopify-csv"):
        feed(RSS, "feed.xml", format="shopify-csv")


def test_a_folder_is_replaced_whole_and_nothing_else_is(feed, tmp_path):
    feed(TABLE)
    feed(TABLE.replace("mütze", "hut"))
    assert "hut" in (tmp_path / "out" / "catalog.jsonl").read_text()
    with pytest.raises(FashiontagError):
        feed("a,b\n")
    assert "hut" in (tmp_path / "out" / "catalog.jsonl").read_text()
    (tmp_path / "out" / "import.json").unlink()
    with pytest.raises(UsageError, match="no imported catalogue"):
        feed(TABLE)


def test_the_command_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    inside = re.sub("https://[^/]+/", "http://127.0.0.1/", TABLE)
    (tmp_path / "shop.csv").write_text(inside)
    assert run(["import", "shop.csv"], debug=True) == 0
    said = capsys.readouterr()
    assert "shopify-csv: 1 rows, 1 products, 0 variants, 1 photos, 1 missing" in said.out
    assert "inside this network, where --allow-private lets it be asked" in " ".join(
        said.err.split()
    )
    assert run(["import", "shop.csv", "--no-download", "--json"], debug=True) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["counts"]["missing"] == 1
    assert "network" not in said.err


def test_what_a_killed_import_left_is_removed_by_the_next(feed, tmp_path):
    (tmp_path / ".out.0123abcd.part" / "inside").mkdir(parents=True)
    feed(TABLE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["feed.csv", "out"]


def test_a_stray_quote_far_from_another_costs_its_own_line(feed):
    rows = "".join(f"p{number},P,{CDN}/{number}.jpg\n" for number in range(100_000))
    found = feed(f'Handle,Title,Image Src\na,"A,{CDN}/a.jpg\n{rows}')
    assert found.report["counts"]["products"] == 100_000
    assert found.report["counts"]["reported"] == 1


def test_two_stray_quotes_cost_their_own_lines_and_none_between(feed):
    rows = (f'a,"A,{CDN}/a.jpg', f"b,B,{CDN}/b.jpg", f'c,"C,{CDN}/c.jpg', f'd,"D" x,{CDN}/d.jpg')
    found = feed("\n".join(("Handle,Title,Image Src", *rows, "")))
    assert [(photo["product"], photo["title"]) for photo in found.photos] == [
        ("b", "B"), ("d", "D x"),
    ]  # fmt: skip
    assert found.report["counts"]["reported"] == 2


# Proposals


def drawn(path, colour, box):
    picture = Image.new("RGB", (120, 160), "white")
    ImageDraw.Draw(picture).ellipse(box, fill=colour)
    picture.save(path)


def test_products_of_one_words_and_outline_are_proposed_and_not_joined(feed, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    wide, narrow = (10, 20, 110, 140), (55, 5, 65, 155)
    rows = [
        ("polo-navy", "Acme Cotton Polo Shirt Navy XL", "navy", wide),
        ("polo-red", "<b>Acme</b> Cotton Polo Shirt, red 42", "red", wide),
        ("polo-grey", "Acme cotton polo shirt grey", "grey", (12, 22, 108, 138)),
        ("scarf", "Acme Cotton Polo Shirt Green", "green", narrow),
        ("tee", "Acme Cotton Polo Tee Red", "red", wide),
        ("shirt-1", "Red shirt", "red", wide),
        ("shirt-2", "Blue shirt", "blue", wide),
        ("away", "Acme Cotton Polo Shirt Black", None, None),
    ]
    for key, _, colour, box in rows:
        if colour:
            drawn(pictures / f"{key}.png", colour, box)
    lines = [f'{key},"{title}",,,,,,,,{CDN}/{key}.png,1,\n' for key, title, *_ in rows]
    found = feed(SHOPIFY + "".join(lines), images=str(pictures))
    assert found.report["proposed_products"] == [["polo-navy", "polo-red", "polo-grey"]]
    assert found.summary.proposed == (("polo-navy", "polo-red", "polo-grey"),)
    assert found.summary.counts["products"] == len(rows)
    assert not any("polo-red" in warning for warning in found.summary.warnings)


def test_a_broken_picture_proposes_nothing(feed, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for key in ("a", "b"):
        (pictures / f"{key}.png").write_bytes(b"\x89PNG broken")
    lines = [f"{key},Acme Cotton Polo Shirt,,,,,,,,{CDN}/{key}.png,1,\n" for key in ("a", "b")]
    assert feed(SHOPIFY + "".join(lines), images=str(pictures)).report["proposed_products"] == []
