"""`fashiontag export`: a patch of the shop's own file, and nothing else changed by a byte."""

import csv
import gzip
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from fakes import ColorEncoder, color_picture

from fashiontag.catalog import read_catalog
from fashiontag.cli import run
from fashiontag.errors import CatalogError, UsageError
from fashiontag.workflows.exporting import ExportOptions, export_feed
from fashiontag.workflows.importing import import_feed
from fashiontag.workflows.indexing import index_source
from fashiontag.workspace import Workspace

CDN = "https://cdn.shop.example/files"
SHOPIFY = (
    "Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Name,Option1 Value,Variant SKU,Image Src,"
    "Variant Image,Google Shopping / Gender\r\n"
    f'dress,Dress,"<p>a ""b""\r\nc</p>","ACME",,"summer, sale",Color,Red,D-R,{CDN}/r.jpg,'
    f"{CDN}/r.jpg,\r\n"
    f"dress,,,,,,,Blue,D-B,{CDN}/b.jpg,{CDN}/b.jpg,\r\n"
    f'hat,Hut größe,,, "" ,Navy,,,,{CDN}/h.jpg,,""\r\n'
    f"bag,Bag,,,Bags,,,,,{CDN}/bag.jpg,,male\r\n"
    "\r\n,nobody,,,,,,,,,,\r\n"
)
TSV = (
    "id\ttitle\tgender\timage link\titem group id\tcolor\tproduct type\n"
    f"A1\tRed dress\t\t{CDN}/1.jpg\tG\t\t\n"
    f"A2\tBlue dress\tfemale\t{CDN}/2.jpg\tG\tmy blue\t\n"
    f'B\t5" heels\t\t{CDN}/3.jpg\t\t\tShoes\n'
)
XML = f"""<?xml version='1.0' encoding='iso-8859-1'?>
<rss xmlns:g="http://base.google.com/ns/1.0"><channel><!-- kept -->
  <item>
    <g:id>A1</g:id>
    <title><![CDATA[Kleid für R&D]]></title>
    <g:image_link>{CDN}/1.jpg</g:image_link>
    <g:item_group_id>G</g:item_group_id>
    <g:color/>
    <g:gender ></g:gender>
  </item>
  <item>
    <g:id>A2</g:id>
    <g:image_link>{CDN}/2.jpg</g:image_link>
    <g:item_group_id>G</g:item_group_id>
    <g:gender>female</g:gender>
  </item>
</channel></rss>
"""
WOO = (
    "ID,Type,SKU,Name,Categories,Tags,Images,Parent,Attribute 1 name,Attribute 1 value(s),"
    "Attribute 2 name,Attribute 2 value(s)\n"
    f"11,variation,S-R,Red,,,{CDN}/r.jpg,id:10,Color,Red,,\n"
    f'10,variable,S,Shirt,,"a\\, b",{CDN}/m.jpg,,Color,"Red, Blue",Material,\n'
)
FEEDS = {
    "shopify-csv": ("shop.csv", SHOPIFY.encode()),
    "google-tsv": ("google.tsv", TSV.encode("utf-16")),
    "google-xml": ("google.xml", XML.encode("iso-8859-1")),
    "woocommerce-csv": ("woo.csv", b"\xef\xbb\xbf" + WOO.encode()),
}
TAGS = {
    "dress/1": "category=dress|color=red|audience=women",
    "dress/2": "category=dress|color=blue|audience=women",
    "hat/1": "category=hat|color=navy|audience=unisex",
    "bag/1": "category=handbag|audience=women",
    "G/1": "category=dress|color=red|audience=women",
    "G/2": "category=dress|color=blue|audience=women",
    "B/1": "category=heels|color=red|audience=women",
    "S/1": "category=shirt|material=cotton|color=red",
    "S/2": "category=shirt|material=cotton, organic|color=red",
    "gone/1": "category=dress",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Import a feed, and return what patches it."""
    monkeypatch.chdir(tmp_path)

    def make(kind, tags=TAGS, **options):
        name, data = FEEDS[kind]
        source = tmp_path / name
        source.write_bytes(data)
        import_feed(str(source), out=tmp_path / "catalogue")
        table = None
        if tags is not None:
            table = tmp_path / "tags.csv"
            with table.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["id", "status", "tags"])
                writer.writerows([key, "ok", cell] for key, cell in tags.items())
        out = tmp_path / f"out-{name}"
        chosen = ExportOptions(memory=tmp_path / "exports.json", **options)
        summary = export_feed(table, kind, tmp_path / "catalogue", out, chosen)
        return summary, data, out.read_bytes()

    return make


@pytest.mark.parametrize("kind", FEEDS)
@pytest.mark.parametrize("tags", [None, {}])
def test_without_tags_the_file_comes_out_as_it_is(shop, kind, tags):
    _, before, after = shop(kind, {"nobody/1": ""} if tags == {} else None)
    assert after == before


@pytest.mark.parametrize("kind", FEEDS)
@pytest.mark.parametrize("add_columns", [False, True])
def test_the_result_reads_in_again_to_the_same_catalogue(shop, tmp_path, kind, add_columns):
    _, before, after = shop(kind, add_columns=add_columns)
    assert after != before
    again = tmp_path / f"again-{FEEDS[kind][0]}"
    again.write_bytes(after)
    first = import_feed(str(tmp_path / FEEDS[kind][0]), out=tmp_path / "one")
    second = import_feed(str(again), out=tmp_path / "two")
    assert first.counts == second.counts
    photos = [
        [{**json.loads(line), "fields": 0} for line in (tmp_path / name / "catalog.jsonl").open()]
        for name in ("one", "two")
    ]
    assert photos[0] == photos[1]


def test_shopify_only_empty_cells_and_tags_differ(shop):
    summary, before, after = shop("shopify-csv")
    expected = (
        before.decode()
        .replace('"ACME",,"summer, sale"', '"ACME",dress,"summer, sale, dress, red, blue, women"')
        .replace(f"{CDN}/r.jpg,{CDN}/r.jpg,\r\n", f"{CDN}/r.jpg,{CDN}/r.jpg,female\r\n")
        .replace(
            f' "" ,Navy,,,,{CDN}/h.jpg,,""', f' "" ,"Navy, hat, unisex",,,,{CDN}/h.jpg,,"unisex"'
        )
        .replace(f"Bags,,,,,{CDN}", f'Bags,"handbag, women",,,,{CDN}')
    )
    assert after.decode() == expected
    assert summary.kept == {"Type": 2, "Google Shopping / Gender": 1}  # `""` with blanks is text
    assert any("gone" in sentence for sentence in summary.warnings)


def test_google_tsv_in_utf_16_colours_belong_to_variants(shop):
    _, before, after = shop("google-tsv")
    assert after.decode("utf-16") == (
        before.decode("utf-16")
        .replace(f"dress\t\t{CDN}/1.jpg\tG\t\t", f"dress\tfemale\t{CDN}/1.jpg\tG\tred\tdress")
        .replace("my blue\t", "my blue\tdress")
        .replace(f"heels\t\t{CDN}/3.jpg\t\t\t", f"heels\tfemale\t{CDN}/3.jpg\t\tred\t")
    )


def test_google_xml_fills_empty_elements_and_those_that_an_item_lacks(shop):
    _, before, after = shop("google-xml")
    assert after.decode("iso-8859-1") == (
        before.decode("iso-8859-1")
        .replace("<g:color/>", "<g:color>red</g:color>")
        .replace("<g:gender ></g:gender>", "<g:gender >female</g:gender>")
        .replace(
            "<g:gender>female</g:gender>",
            "<g:gender>female</g:gender>\n    <g:color>blue</g:color>",
        )
    )


def test_woocommerce_fills_the_product_and_escapes_commas(shop):
    _, before, after = shop("woocommerce-csv")
    assert after.decode() == (
        before.decode()
        .replace('Shirt,,"a\\, b"', 'Shirt,shirt,"a\\, b, shirt, cotton, red"')
        .replace("Material,\n", "Material,cotton\n")
    )


def test_columns_are_added_at_the_end_only_when_asked_for(shop):
    _, _, after = shop("shopify-csv", add_columns=True)
    rows = list(csv.reader(io.StringIO(after.decode(), newline="")))
    assert rows[0][-3:] == [
        "Product Category",
        "Google Shopping / Age Group",
        "Google Shopping / Google Product Category",
    ]
    assert [row[-2] for row in rows[1:4]] == ["adult", "", ""]


def test_a_gzipped_feed_comes_out_unpacked_or_packed(tmp_path):
    source = tmp_path / "shop.csv.gz"
    source.write_bytes(gzip.compress(SHOPIFY.encode()))
    export_feed(None, "shopify-csv", source, tmp_path / "plain.csv")
    export_feed(None, "shopify-csv", source, tmp_path / "packed.csv.gz")
    assert (tmp_path / "plain.csv").read_bytes() == SHOPIFY.encode()
    assert gzip.decompress((tmp_path / "packed.csv.gz").read_bytes()) == SHOPIFY.encode()


def test_only_what_was_published_goes_out(shop, tmp_path):
    tags = [
        {"group": "category", "label": "dress", "decision": "publish", "method": "probe"},
        {"group": "color", "label": "red", "decision": "review", "method": "probe"},
        {"group": "audience", "label": "women", "decision": "review", "method": "person"},
    ]
    shop("shopify-csv", None)
    table = tmp_path / "tags.jsonl"
    table.write_text(json.dumps({"id": "dress/1", "status": "ok", "tags": tags}) + "\n")
    export_feed(table, "shopify-csv", tmp_path / "catalogue", tmp_path / "o.csv")
    text = (tmp_path / "o.csv").read_text()
    assert '"summer, sale, dress, women"' in text


def test_replace_overwrites_the_tool_and_never_a_person(shop, tmp_path):
    shop("shopify-csv")
    first = (tmp_path / "out-shop.csv").read_text().replace("Bags", "My bags")
    (tmp_path / "next.csv").write_text(first)
    table = tmp_path / "new.csv"
    table.write_text("id,tags\ndress/1,category=skirt\nbag/1,category=belt\nhat/1,category=hat\n")
    memory = ExportOptions(memory=tmp_path / "exports.json", replace=("Type", "Tags"))
    summary = export_feed(table, "shopify-csv", tmp_path / "next.csv", tmp_path / "3.csv", memory)
    rows = list(csv.DictReader((tmp_path / "3.csv").open()))
    cells = {row["Handle"]: (row["Type"], row["Tags"]) for row in rows if row["Title"]}
    assert cells["dress"] == ("skirt", "summer, sale, skirt")
    assert cells["bag"] == ("My bags", "belt")
    assert cells["hat"][1] == "Navy, hat"
    assert summary.kept["Type"] == 2


def test_the_guide_says_what_happens(tmp_path, monkeypatch, capsys):
    """Its commands but `tag`, whose rows are written here: that needs the model."""
    root = Path(__file__).parents[1]
    guide = (root / "docs" / "feeds.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "examples" / "shop.csv", tmp_path)
    shutil.copytree(root / "examples" / "catalog", tmp_path / "images")
    commands = re.findall(r"^    (fashiontag .+)$", guide, re.MULTILINE)
    first, tag, last, *_ = (command for command in commands if "://" not in command)
    assert tag == "fashiontag tag shop"
    assert run(first.split()[1:], debug=True) == 0
    (tmp_path / "tags.csv").write_text(
        "id,tags\nsummer-dress/1,category=dress\n"
        "red-tee/1,category=t-shirt|color=red|material=cotton|sleeve=short sleeve|audience=men\n"
        "flip-flops/1,category=flip flops|audience=men\n"
    )
    assert run([*last.split()[1:], "--into", "shop"], debug=True) == 0
    for line in capsys.readouterr().out.splitlines():
        said = re.sub(r"in [0-9.]+ s", "in 0.0 s", line)
        assert "shop-tagged" in said or f"    {said}\n" in guide
    assert '"t-shirt, red, cotton, short sleeve, men"' in (tmp_path / "shop-tagged.csv").read_text()


def test_wrong_calls_are_one_sentence(shop, tmp_path):
    shop("shopify-csv")
    with pytest.raises(UsageError, match="--as etsy"):
        export_feed(None, "etsy", tmp_path / "catalogue")
    options = ExportOptions(replace=("Title",))
    with pytest.raises(UsageError, match="no column that tags fill"):
        export_feed(None, "shopify-csv", tmp_path / "catalogue", options=options)
    with pytest.raises(UsageError, match="is read by this export"):
        export_feed(None, "shopify-csv", tmp_path / "shop.csv", tmp_path / "shop.csv")
    with pytest.raises(CatalogError, match=r"recognised would be google-tsv"):
        export_feed(None, "google-tsv", tmp_path / "shop.csv")
    with pytest.raises(CatalogError, match="no columns id and tags"):
        export_feed(tmp_path / "shop.csv", "shopify-csv", tmp_path / "catalogue")
    with pytest.raises(UsageError, match="no imported catalogue"):
        export_feed(None, "shopify-csv", tmp_path)


def test_the_command_finds_the_catalogue_that_was_tagged(shop, tmp_path, capsys):
    shop("shopify-csv", None)
    assert run(["export", "--as", "shopify-csv"], debug=False) == 2
    assert "give --into FILE" in capsys.readouterr().err
    for name in ("r", "b", "h", "bag"):
        color_picture(tmp_path / "images" / f"{name}.jpg", "red")
    import_feed(str(tmp_path / "shop.csv"), images="images", out=tmp_path / "catalogue")
    with Workspace.open(tmp_path / ".fashiontag", ColorEncoder()) as workspace:
        index_source(workspace, read_catalog("catalogue"), keep_titles=True)
    assert run(["export", "--as", "shopify-csv"], debug=True) == 0
    assert (tmp_path / "shop-tagged.csv").read_bytes() == SHOPIFY.encode()


def test_a_closed_element_at_an_items_end_is_not_taken_for_an_open_one(tmp_path):
    feed = '<rss xmlns:g="http://base.google.com/ns/1.0"><channel>'
    feed += "<item><g:id>A</g:id><g:image_link>a.jpg</g:image_link><g:size/></item>"
    feed += "<item><g:id>B</g:id><g:color>x</g:color></item></channel></rss>"
    (tmp_path / "feed.xml").write_text(feed)
    (tmp_path / "tags.csv").write_text("id,tags\nA/1,color=red\n")
    out = tmp_path / "out.xml"
    export_feed(tmp_path / "tags.csv", "google-xml", tmp_path / "feed.xml", out)
    assert out.read_text() == feed.replace("<g:size/>", "<g:size/><g:color>red</g:color>")


def test_a_line_of_another_encoding_is_filled_in_its_own(tmp_path):
    lines = ["Handle,Title,Type,Image Src\n", "a,Mütze,,a.jpg\n", "b,Bär,,b.jpg\n"]
    data = lines[0].encode() + lines[1].encode() + lines[2].encode("cp1252")
    (tmp_path / "feed.csv").write_bytes(data)
    (tmp_path / "tags.csv").write_text("id,tags\na/1,category=Hüte\nb/1,category=Hüte\n")
    out = tmp_path / "out.csv"
    export_feed(tmp_path / "tags.csv", "shopify-csv", tmp_path / "feed.csv", out)
    first, second = (line.replace(",,", ",Hüte,") for line in lines[1:])
    assert out.read_bytes() == lines[0].encode() + first.encode() + second.encode("cp1252")
