"""Sources, tables and titles: what becomes an item, and which title it gets."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import color_picture
from PIL import Image

from fashiontag.catalog import Columns, read_catalog
from fashiontag.errors import CatalogError, ImageError, UsageError

DATA = Path(os.environ.get("FASHIONTAG_DATA") or Path(__file__).parents[2] / "shared" / "data")
BROKEN = DATA / "broken"
needs_data = pytest.mark.skipif(not BROKEN.is_dir(), reason=f"no real data in {DATA}")


def put(folder, *names):
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"never opened here")
    return str(folder)


def ids(source):
    return [item.id for item in read_catalog(str(source)).items]


def titles_of(folder, table, text):
    """Write a titles table and return what the items of `folder` got from it."""
    file = folder.parent / table
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    catalog = read_catalog(str(folder), file)
    return {item.id: item.title for item in catalog.items if item.title}


@pytest.fixture
def shop(tmp_path):
    """Three pictures: a.jpg, b.PNG and sub/0042.jpg."""
    put(tmp_path / "shop", "a.jpg", "b.PNG", "sub/0042.jpg")
    return tmp_path / "shop"


# --- sources ---------------------------------------------------------------------------------


def test_a_folder_is_read_recursively_in_code_point_order(tmp_path):
    put(tmp_path, "b.jpg", "a/z.webp", "B.JPG", "a-1.gif", "a.png", "é.avif", "x.heic", "y.TIFF")
    put(tmp_path, "notes.txt", "tags.csv", "a.svg")
    assert ids(tmp_path) == [
        *("B.JPG", "a-1.gif", "a.png", "a/z.webp", "b.jpg", "x.heic", "y.TIFF", "é.avif")
    ]


def test_hidden_files_and_archive_leftovers_are_no_items(tmp_path):
    put(tmp_path, "ok.jpg", "._ok.jpg", ".hidden.jpg", ".cache/a.jpg", "__MACOSX/ok.jpg")
    assert ids(tmp_path) == ["ok.jpg"]


def test_a_folder_named_like_a_picture_is_a_folder(tmp_path):
    put(tmp_path, "dir_named.jpg/inside.jpg")
    assert ids(tmp_path) == ["dir_named.jpg/inside.jpg"]


def test_linked_files_and_folders_are_followed(tmp_path):
    put(tmp_path / "elsewhere", "real.jpg")
    shop = tmp_path / "shop"
    put(shop, "own.jpg")
    (shop / "link.jpg").symlink_to(tmp_path / "elsewhere" / "real.jpg")
    (shop / "folder").symlink_to(tmp_path / "elsewhere")
    (shop / "loop").symlink_to(shop)
    (shop / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    (shop / "again").symlink_to(tmp_path / "elsewhere")
    (shop / "up").symlink_to(tmp_path)
    assert ids(shop) == ["again/real.jpg", "dangling.jpg", "link.jpg", "own.jpg"]
    first = read_catalog(str(shop)).items[1]
    assert first.image.stamp() is None
    with pytest.raises(ImageError, match="no such file"):
        first.image.read()


def test_items_know_where_they_are(shop, monkeypatch):
    monkeypatch.chdir(shop.parent)
    catalog = read_catalog("shop/")
    assert (catalog.source, catalog.root) == ("shop/", str(shop))
    item = catalog.items[-1]
    assert (item.id, item.path) == ("sub/0042.jpg", "shop/sub/0042.jpg")
    assert item.image.locator == str(shop / "sub/0042.jpg")
    facts = (shop / "sub/0042.jpg").stat()
    assert item.image.stamp() == f"{facts.st_size}:{facts.st_mtime_ns}"
    assert item.image.read() == b"never opened here"


def test_one_image_is_a_source(shop):
    catalog = read_catalog(str(shop / "b.PNG"))
    assert [item.id for item in catalog.items] == ["b.PNG"]
    assert catalog.root == str(shop)


def test_a_glob_starts_at_the_first_folder_without_a_wildcard(shop):
    put(shop, "sub/deep/c.jpg", "a.txt")
    assert ids(shop / "*.*") == ["a.jpg", "b.PNG"]
    assert ids(shop / "**" / "*.jpg") == ["a.jpg", "sub/0042.jpg", "sub/deep/c.jpg"]
    assert ids(shop.parent / "*" / "sub" / "*.jpg") == ["shop/sub/0042.jpg"]
    assert ids(shop / "[ab].*") == ["a.jpg", "b.PNG"]
    assert read_catalog(str(shop / "*" / "*.jpg")).root == str(shop)


def test_brackets_in_a_folder_name_are_no_wildcard(tmp_path):
    put(tmp_path / "sale [2024]", "a.jpg", "b.png")
    assert ids(tmp_path / "sale [2024]") == ["a.jpg", "b.png"]
    assert ids(tmp_path / "sale [2024]" / "*.jpg") == ["a.jpg"]


def test_a_glob_follows_no_loop(shop):
    (shop / "loop").symlink_to(shop)
    assert ids(shop / "**" / "0042.jpg") == ["sub/0042.jpg"]


def test_a_name_that_is_no_unicode_is_shown_and_read(tmp_path):
    put(tmp_path, os.fsdecode(b"caf\xe9.jpg"))
    (item,) = read_catalog(str(tmp_path)).items
    assert item.id == r"caf\xe9.jpg"
    item.image.locator.encode()
    assert item.image.read()


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("missing", UsageError, "There is no"),
        ("notes.txt/*.jpg", UsageError, "There is no folder"),
        ("missing/*.jpg", UsageError, "There is no folder"),
        ("notes.txt", UsageError, "neither an image"),
        ("empty", CatalogError, "holds no image"),
        ("empty/*.jpg", CatalogError, "matches no image"),
    ],
)
def test_a_source_that_is_none_is_one_sentence(tmp_path, source, error, says):
    put(tmp_path, "notes.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=says) as caught:
        read_catalog(str(tmp_path / source))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pipe_named_like_a_picture_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (item,) = read_catalog(str(tmp_path)).items
    with pytest.raises(ImageError, match="not a file"):
        item.image.read()


# --- tables as sources -----------------------------------------------------------------------


def test_a_table_names_pictures_titles_and_fields(shop):
    table = shop / "list.csv"
    table.write_text("sku,image,name,price\n007,sub/0042.jpg,Red dress,10\n,gone.jpg,NA,\n")
    catalog = read_catalog(str(table))
    red, gone = catalog.items
    assert catalog.root == str(table)
    assert (red.id, red.path, red.title) == ("sub/0042.jpg", f"{shop}/sub/0042.jpg", "Red dress")
    assert red.fields == {"sku": "007", "price": "10"}
    assert (gone.id, gone.title) == ("gone.jpg", "NA")
    with pytest.raises(ImageError, match="no such file"):
        gone.image.read()


def test_an_address_in_a_table_is_said_to_be_one(shop):
    (shop / "web.csv").write_text("image\nhttps://example.com/a.jpg\n")
    (item,) = read_catalog(str(shop / "web.csv")).items
    with pytest.raises(ImageError, match="an address, and only files are read"):
        item.image.read()


def test_titles_replace_a_source_tables_own(shop):
    table = shop / "list.csv"
    table.write_text("image,title\na.jpg,own\nb.PNG,own too\n")
    titles = shop / "titles.csv"
    titles.write_text("id,title,colour\na,better,red\n")
    first, second = read_catalog(str(table), titles).items
    assert (first.title, first.fields["colour"]) == ("better", "red")
    assert second.title == ""


def test_a_table_from_windows_finds_its_pictures(shop):
    (shop / "list.csv").write_text("path\nsub\\0042.jpg\n")
    (item,) = read_catalog(str(shop / "list.csv")).items
    assert item.id == "sub\\0042.jpg"
    assert item.image.read()


def test_a_ragged_line_of_a_source_keeps_its_picture_and_loses_its_title(shop):
    (shop / "list.csv").write_text("image,title\na.jpg,Red, long dress\nnonsense,x,y\n")
    catalog = read_catalog(str(shop / "list.csv"))
    assert [(item.id, item.title) for item in catalog.items] == [("a.jpg", "")]
    assert "2 lines" in catalog.warnings[0]
    assert "line 2, 3" in catalog.warnings[0]


def test_a_repeated_path_is_one_item_unless_the_titles_differ(shop):
    table = shop / "list.csv"
    table.write_text("image,title\na.jpg,Red\na.jpg,Red\n,Blue\n")
    catalog = read_catalog(str(table))
    assert len(catalog.items) == 1
    assert ["repeat" in w or "no path" in w for w in catalog.warnings] == [True, True]
    table.write_text("image,title\na.jpg,Red\na.jpg,Blue\n")
    with pytest.raises(CatalogError, match=r"two different titles for 'a\.jpg'"):
        read_catalog(str(table))


def test_columns_asked_for_must_exist(shop):
    (shop / "list.csv").write_text("Foto;Bezeichnung\na.jpg;Rotes Kleid\n")
    source = str(shop / "list.csv")
    with pytest.raises(CatalogError, match=r"no path column.*Foto, Bezeichnung.*--path-column"):
        read_catalog(source)
    (item,) = read_catalog(source, columns=Columns(path="foto", title="Bezeichnung")).items
    assert item.title == "Rotes Kleid"
    with pytest.raises(UsageError, match=r"--path-column.*'Bild'.*Foto, Bezeichnung"):
        read_catalog(source, columns=Columns(path="Bild"))
    with pytest.raises(UsageError, match=r"--title-column.*'Titel'"):
        read_catalog(source, columns=Columns(path="Foto", title="Titel"))


@pytest.mark.parametrize("role", ["path", "id", "title"])
def test_a_column_option_without_a_table_is_refused(shop, role):
    with pytest.raises(UsageError, match=f"--{role}-column"):
        read_catalog(str(shop), columns=Columns(**{role: "x"}))


def test_all_formats_read_alike(shop):
    import openpyxl
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"image": "a.jpg", "title": "NA", "n": 1163.0, "x": None}]
    rows.append({"image": "b.PNG", "title": "null", "n": 7.5, "x": "00123"})
    pq.write_table(pa.Table.from_pylist(rows), shop / "t.parquet")
    (shop / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\nnot json\n")
    (shop / "t.csv").write_text("image,title,n,x\na.jpg,NA,1163,\nb.PNG,null,7.5,00123\n")
    (shop / "t.tsv").write_text("image\ttitle\tn\tx\na.jpg\tNA\t1163\t\nb.PNG\tnull\t7.5\t00123\n")
    book = openpyxl.Workbook()
    for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
        book.active.append(row)
    book.save(shop / "t.xlsx")
    for suffix in ("parquet", "jsonl", "csv", "tsv", "xlsx"):
        items = read_catalog(str(shop / f"t.{suffix}")).items
        assert [(item.id, item.title) for item in items] == [("a.jpg", "NA"), ("b.PNG", "null")]
        assert [item.fields for item in items] == [
            {"n": "1163", "x": ""},
            {"n": "7.5", "x": "00123"},
        ], suffix
    assert "line 3" in read_catalog(str(shop / "t.jsonl")).warnings[0]


def test_a_spreadsheets_number_format_keeps_leading_zeros(shop):
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["id", "title"])
    book.active.append([42, "Red dress"])
    book.active["A2"].number_format = "0000"
    book.save(shop.parent / "t.xlsx")
    assert read_catalog(str(shop), shop.parent / "t.xlsx").items[-1].title == "Red dress"


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "t.parquet", "t.jsonl"])
def test_a_file_that_is_not_what_its_name_says_is_one_sentence(shop, name):
    (shop.parent / name).write_bytes(b"PK\x03\x04\x00\x00\x00junk")
    with pytest.raises(CatalogError, match=name) as caught:
        read_catalog(str(shop), shop.parent / name)
    assert "\n" not in str(caught.value)


def test_a_missing_titles_file_is_the_command_lines_fault(shop):
    for name in ("gone.csv", "notes.txt"):
        with pytest.raises(UsageError, match=name):
            read_catalog(str(shop), shop.parent / name)


# --- titles ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "sub/0042.jpg",
        "0042.jpg",
        "0042",
        "SUB/0042.JPG",
        "sub\\0042.jpg",
        "./sub/0042.jpg",
        "shop/sub/0042.jpg",
        "C:\\photos\\sub\\0042.jpg",
        "/x/sub/0042",
        " 0042.jpg ",
        "0042.0",
        "００４２.jpg",
        "\u200b0042.jpg",
    ],
)
def test_a_key_is_forgiven_its_spelling(shop, key):
    assert titles_of(shop, "t.csv", f"image,title\n{key},Red\n") == {"sub/0042.jpg": "Red"}


@pytest.mark.parametrize("key", ["420", "other/0042.jpg", "0042.png", "c.jpg"])
def test_a_key_that_means_something_else_gives_no_title(shop, key):
    assert titles_of(shop, "t.csv", f"image,title\n{key},Red\n") == {}


def test_both_unicode_forms_and_cases_meet(tmp_path):
    put(tmp_path / "s", "Cafe\u0301 Größe.jpg")
    assert titles_of(tmp_path / "s", "t.csv", "id,title\nCAF\u00c9 GRÖSSE,Red\n")


def test_clip_retrieval_345_keys_with_and_without_the_extension_meet(shop):
    assert titles_of(shop, "t.csv", "id,title\na,Red\nb.png,Blue\n") == {
        "a.jpg": "Red",
        "b.PNG": "Blue",
    }


def test_wd14_same_stem_is_two_items_and_an_ambiguous_key(tmp_path):
    put(tmp_path / "s", "same.jpg", "same.png")
    text = "image,title\nsame.jpg,Red\nsame.png,Blue\n"
    assert titles_of(tmp_path / "s", "t.csv", text) == {"same.jpg": "Red", "same.png": "Blue"}
    with pytest.raises(CatalogError, match=r"line 2.*'same'.*same\.jpg and same\.png"):
        titles_of(tmp_path / "s", "t.csv", "image,title\nsame,Red\n")


def test_same_name_in_two_folders_needs_its_folder(tmp_path):
    put(tmp_path / "s", "a/1.jpg", "b/1.jpg", "1.jpg")
    text = "image,title\n1.jpg,top\nb/1.jpg,below\n"
    assert titles_of(tmp_path / "s", "t.csv", text) == {"1.jpg": "top", "b/1.jpg": "below"}
    (tmp_path / "s" / "1.jpg").unlink()
    with pytest.raises(CatalogError, match=r"a/1\.jpg and b/1\.jpg"):
        titles_of(tmp_path / "s", "t.csv", "image,title\n1.jpg,Red\n")


@pytest.mark.parametrize("keys", [("a.jpg", "a.jpg"), ("a.jpg", "A"), ("gone", "gone")])
def test_one_key_with_two_titles_is_an_error(shop, keys):
    text = "image,title\n{},Red dress\n{},Blue shirt\n".format(*keys)
    with pytest.raises(CatalogError, match=r"t\.csv.*'Red dress' in line 2.*'Blue shirt' in line"):
        titles_of(shop, "t.csv", text)


def test_a_repeated_key_with_the_same_or_no_title_is_fine(shop):
    text = "image,title\na.jpg,\na.jpg,Red\na.jpg,Red\na.jpg,\n"
    assert titles_of(shop, "t.csv", text) == {"a.jpg": "Red"}


def test_other_columns_are_fields_and_titles_are_cleaned(shop):
    (shop / "t.csv").write_text("id,colour,TITLE,x\na,red,<b>R</b>ed<br>dress,\n")
    item = read_catalog(str(shop), shop / "t.csv").items[0]
    assert (item.title, item.text) == ("<b>R</b>ed<br>dress", "Red dress")
    assert item.fields == {"colour": "red", "x": ""}


def test_unknown_images_are_one_counted_warning(shop):
    (shop / "t.csv").write_text("id,title\n" + "".join(f"x{n},t\n" for n in range(9)) + "a,Red\n")
    (warning,) = read_catalog(str(shop), shop / "t.csv").warnings
    assert "9 of 10 rows match no image: x0, x1, x2, x3, x4, …" in warning


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_detected(shop, delimiter):
    text = "id,price,title\na,10,red; long | 1\tx\n".replace(",", delimiter)
    if delimiter in "red; long | 1\tx":
        text = text.replace("red; long | 1\tx", '"red; long | 1\tx"')
    assert titles_of(shop, "t.csv", text) == {"a.jpg": "red; long | 1\tx"}


def test_excels_sep_line_names_the_delimiter(shop):
    assert titles_of(shop, "t.csv", "sep=;\r\nid;title\r\na;1,5 m\r\n") == {"a.jpg": "1,5 m"}


@pytest.mark.parametrize(
    ("encoding", "title"),
    [
        ("utf-8", "Röd 名前"),
        ("utf-8-sig", "Röd 名前"),
        ("utf-16", "Röd 名前"),
        ("utf-16-le", "Röd klänning"),
        ("latin-1", "Robe d'été"),
        ("cp1252", "Größe M, 20 €"),
        ("cp1251", "Платье красное летнее"),
        ("cp932", "赤いドレス 花柄"),
    ],
)
def test_the_encoding_is_detected(shop, encoding, title):
    assert titles_of(shop, "t.csv", f'id,title\na,"{title}"\n'.encode(encoding)) == {"a.jpg": title}


def test_kaggles_unquoted_commas_cost_their_own_line_only(shop):
    text = "id,productDisplayName,year\na,Nike Shirt,2011\nb,Red, long dress,2012\n0042,Belt,2013\n"
    (shop / "t.csv").write_text(text)
    catalog = read_catalog(str(shop), shop / "t.csv")
    assert [item.title for item in catalog.items] == ["Nike Shirt", "", "Belt"]
    assert "1 line " in catalog.warnings[0]
    assert "line 3" in catalog.warnings[0]


@pytest.mark.parametrize(
    "bad", ['"Red dress', '"Red dress\nx,"Blue', '"Red "maxi" 12" dress', 'Red, 12" heel']
)
def test_a_stray_quote_swallows_no_products(shop, bad):
    text = f"id,title\na,{bad}\nb,Blue\n0042,Belt\n"
    got = titles_of(shop, "t.csv", text)
    assert {name: title for name, title in got.items() if name != "a.jpg"} == {
        "b.PNG": "Blue",
        "sub/0042.jpg": "Belt",
    }


def test_quoted_cells_may_hold_lines_quotes_and_inches(shop):
    text = 'id,title\na,"Red, ""maxi""\ndress"\n\nb,Boots 12" heel\n0042,Boots 10" heel\n'
    assert titles_of(shop, "t.csv", text) == {
        "a.jpg": 'Red, "maxi"\ndress',
        "b.PNG": 'Boots 12" heel',
        "sub/0042.jpg": 'Boots 10" heel',
    }


def test_delimiters_left_at_the_end_of_a_line_are_forgiven(shop):
    assert titles_of(shop, "t.csv", "id,title,\na,Red,,,\nb,Blue,\n") == {
        "a.jpg": "Red",
        "b.PNG": "Blue",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("id,title\n", "no line below it"),
        ("id,price\na,1\n", "no title column.*id, price"),
        ("x,title\na,b\n", "no key column"),
    ],
)
def test_a_table_that_gives_no_titles_is_an_error_that_names_it(shop, text, says):
    with pytest.raises(CatalogError, match=rf"t\.csv.*{says}"):
        titles_of(shop, "t.csv", text)


# --- the real data ---------------------------------------------------------------------------


@needs_data
def test_broken_holds_the_items_that_its_readme_lists():
    got = ids(BROKEN)
    files = sorted(str(p.relative_to(BROKEN)) for p in BROKEN.rglob("*") if p.is_file())
    assert got == [
        name
        for name in files
        if not name.startswith(("._", "titles/")) and not name.endswith(".txt")
    ]
    assert "dir_named.jpg/inside.jpg" in got
    assert {"same_stem.jpg", "same_stem.png"} < set(got)


@needs_data
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("empty", "is empty"),
        ("header_only", "no line below"),
        ("no_title_column", "price"),
        ("duplicate_ids", "'red dress'.*'blue shirt'"),
    ],
)
def test_broken_titles_that_are_errors(name, says):
    with pytest.raises(CatalogError, match=rf"{name}\.csv.*{says}"):
        read_catalog(str(BROKEN), BROKEN / "titles" / f"{name}.csv")


@needs_data
@pytest.mark.parametrize(
    ("name", "text", "warns"),
    [
        ("bom_semicolon", "Röd klänning", ""),
        ("latin1", "Robe d'été à fleurs", ""),
        ("html", "Women's Navy Dress & belt", ""),
        ("formula", '=HYPERLINK("x")', ""),
        ("unknown_image", "", "1 of 1 rows match no image: missing.jpg"),
        ("nan_titles", "", ""),
        ("ragged", 'Red, sleeveless "maxi" dress', "line 3"),
        ("long_title", " ".join(["very long floral dress"] * 400), ""),
    ],
)
def test_broken_titles_that_are_read(name, text, warns):
    catalog = read_catalog(str(BROKEN), BROKEN / "titles" / f"{name}.csv")
    items = {item.id: item for item in catalog.items}
    assert items["ok_webp.webp"].text == text
    assert len(catalog.warnings) == bool(warns)
    assert all(warns in warning for warning in catalog.warnings)
    if name == "nan_titles":
        assert (items["ok_upper.JPG"].text, items["ok_cmyk.jpg"].text) == ("NA", "nan")


@needs_data
def test_the_whole_catalogue_joins_by_stem_with_one_warning():
    folder = DATA / "fashion-products"
    catalog = read_catalog(str(folder / "images"), folder / "styles.csv")
    assert len(catalog.items) == 21_447
    assert all(item.title for item in catalog.items)
    assert catalog.items[0].fields["articleType"]
    assert len(catalog.warnings) == 1
    assert "19531 of 40978 rows match no image" in catalog.warnings[0]


# --- data sets -------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """Two splits as Parquet: train has a picture and a row without one, test one picture."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    Image.new("RGB", (4, 4), "red").save(tmp_path / "red.png")
    features = datasets.Features(
        {
            "photo": datasets.Image(),
            "Name": datasets.Value("string"),
            "kind": datasets.ClassLabel(names=["dress", "belt"]),
            "sku": datasets.Value("int64"),
        }
    )
    red = {"bytes": (tmp_path / "red.png").read_bytes(), "path": None}
    rows = {"photo": [red, None], "Name": ["<b>Red</b>", None], "kind": [0, 1], "sku": [7, 8]}
    one = {"photo": [red], "Name": ["NA"], "kind": [1], "sku": [9]}
    folder = tmp_path / "set"
    folder.mkdir()
    datasets.Dataset.from_dict(rows, features).to_parquet(folder / "train.parquet")
    datasets.Dataset.from_dict(one, features).to_parquet(folder / "test.parquet")
    return folder


def test_a_data_set_gives_rows_titles_and_fields(dataset):
    from fashiontag.catalog.images import load_image

    catalog = read_catalog(f"hf:{dataset}")
    assert catalog.root == f"hf:{dataset}"
    items = {item.id: item for item in catalog.items}
    assert list(items) == ["train/0", "train/1", "test/0"]
    assert items["train/0"].path == f"hf:{dataset}/train/0"
    assert (items["train/0"].title, items["train/0"].text) == ("<b>Red</b>", "Red")
    assert items["train/0"].fields == {"kind": "dress", "sku": "7"}
    assert load_image(items["train/0"].image.read()).getpixel((0, 0)) == (255, 0, 0)
    assert items["train/0"].image.locator == f"hf:{dataset}/train/0"
    assert (items["train/1"].title, items["test/0"].title) == ("", "NA")
    with pytest.raises(ImageError, match="no picture"):
        items["train/1"].image.read()


def test_a_folder_of_classes_is_a_data_set_read_from_many_threads(dataset):
    from concurrent.futures import ThreadPoolExecutor

    red = (dataset.parent / "red.png").read_bytes()
    for number in range(20):
        file = dataset.parent / "classes" / "train" / ("belt" if number % 2 else "dress")
        file.mkdir(parents=True, exist_ok=True)
        (file / f"{number:02}.png").write_bytes(b"" if number == 7 else red)
    items = read_catalog(f"hf:{dataset.parent / 'classes'}").items
    assert {item.fields["label"] for item in items} == {"belt", "dress"}
    with ThreadPoolExecutor(8) as pool:
        pictures = list(pool.map(lambda item: item.image.read(), items))
    assert sorted(map(len, pictures)) == [0, *[len(red)] * 19]


def test_a_data_set_takes_titles_by_id(dataset):
    (dataset.parent / "t.csv").write_text("id,title\ntrain/1,Belt\n")
    items = read_catalog(f"hf:{dataset}", dataset.parent / "t.csv").items
    assert [item.title for item in items] == ["", "Belt", ""]


def test_one_parquet_file_and_a_saved_data_set_are_data_sets(dataset):
    import datasets

    assert ids(f"hf:{dataset / 'test.parquet'}") == ["train/0"]
    saved = datasets.load_dataset(str(dataset))
    saved.save_to_disk(dataset.parent / "saved")
    assert ids(f"hf:{dataset.parent / 'saved'}") == ["train/0", "train/1", "test/0"]
    saved["test"].save_to_disk(dataset.parent / "one")
    assert ids(f"hf:{dataset.parent / 'one'}") == ["test/0"]


def test_a_data_set_without_pictures_or_column_says_so(dataset):
    import datasets

    datasets.Dataset.from_dict({"x": [1]}).to_parquet(dataset.parent / "plain.parquet")
    with pytest.raises(CatalogError, match=r"no column of the type Image.*x"):
        read_catalog(f"hf:{dataset.parent / 'plain.parquet'}")
    with pytest.raises(UsageError, match=r"--title-column.*'Titel'.*Name, kind, sku"):
        read_catalog(f"hf:{dataset}", columns=Columns(title="Titel"))


def test_a_data_set_that_cannot_be_had_is_one_sentence_soon():
    code = (
        "import time, datasets, huggingface_hub\n"
        "from fashiontag.catalog import read_catalog\n"
        "start = time.monotonic()\n"
        "try:\n    read_catalog('hf:nobody/nothing-here')\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
        "print(time.monotonic() - start)\n"
    )
    for extra in ({"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **extra},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        said, seconds = done.stdout.splitlines()
        assert said.startswith("CatalogError hf:nobody/nothing-here")
        assert "HF_HUB_OFFLINE" in said or "folder" in said
        assert float(seconds) < 5
        assert done.stderr == ""


def test_reading_a_catalogue_of_files_loads_no_heavy_library(shop):
    (shop / "t.csv").write_text("id,title\na,Red &amp; white\n")
    code = (
        "import sys, pathlib, fashiontag.catalog as c\n"
        "c.read_catalog(sys.argv[1], pathlib.Path(sys.argv[1], 't.csv'))\n"
        "print({'PIL', 'pandas', 'pyarrow', 'datasets', 'torch', 'openpyxl'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(shop)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("img/*.png", ["b.png", "a.png"]),
        ("img/*/*.png", ["x/1.png", "y/1.png"]),
        ("img/?", ["x", "y"]),
    ],
)
def test_several_sources_give_the_ids_of_the_quoted_glob(tmp_path, monkeypatch, pattern, names):
    for name in ("a.png", "b.png", "x/1.png", "y/1.png"):
        color_picture(tmp_path / "img" / name, "red")
    monkeypatch.chdir(tmp_path)
    given = [f"img/{name}" for name in names]
    told = read_catalog([*given, given[0]])  # one that is named twice is one
    wanted = read_catalog("img/*/*.png" if pattern == "img/?" else pattern)
    assert [item.id for item in told.items] == [item.id for item in wanted.items]
    assert [item.path for item in told.items] == [item.path for item in wanted.items]
    assert (told.root, told.complete) == (wanted.root, False)


@pytest.mark.parametrize("wrong", ["img/gone.png", "table.csv", "hf:beans"])
def test_of_several_sources_each_is_a_picture_or_folder_that_is_there(tmp_path, monkeypatch, wrong):
    color_picture(tmp_path / "img/a.png", "red")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=wrong):
        read_catalog(["img/a.png", wrong])
