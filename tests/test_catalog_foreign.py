"""Tables and folders as they come from spreadsheets, shops and other programs."""

import openpyxl
import pytest
from fakes import color_picture

from fashiontag.catalog import Columns, read_catalog
from fashiontag.errors import CatalogError, UsageError


def put(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.fixture
def shop(tmp_path):
    return put(tmp_path / "shop", "a.jpg", "b.jpg", "000123.jpg")


def join(shop, content, name="t.csv", **columns):
    """Return the titles that a table gives, by id, and the warnings."""
    path = shop.parent / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    catalog = read_catalog(str(shop), path, Columns(**columns))
    titles = {item.id: item.title for item in catalog.items if item.title}
    return titles, " ".join(catalog.warnings)


# --- bytes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "caf\xe9".encode("latin-1"),
        "Größ".encode()[:-1] + b"\xc3",
        b"20 \x80",
        "é".encode() + b"\xe9",
    ],
    ids=["latin-1", "cut in half", "cp1252", "both in a line"],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_bad_byte_spoils_no_other_title(shop, cell, suffix):
    if suffix == "csv":
        content = "id,title,note\na,Größe,ü\nb,Röd,".encode() + cell + b"\n"
    else:
        content = '{"id": "a", "title": "Größe"}\n{"id": "b", "title": "Röd", "n": "'.encode()
        content += cell + b'"}\n'
    titles, warnings = join(shop, content, f"t.{suffix}")
    assert titles == {"a.jpg": "Größe", "b.jpg": "Röd"}
    line = content.count(b"\n")
    assert f"1 line of a file in UTF-8 holds other bytes, read as Windows-1252: line {line}." in (
        warnings
    )


def test_cells_may_be_long(shop):
    assert join(shop, f"id,title,html\na,Red,{'x' * 140_000}\nb,Blue,\n")[0] == {
        "a.jpg": "Red",
        "b.jpg": "Blue",
    }


# --- keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "ID,SKU,Name\n11,a,Red\n12,b,Blue\n",  # WooCommerce
        "id,title,image_link\n11,Red,https://x.y/p/a.jpg?v=2#z\n12,Blue,https://x.y/b.jpg\n",
        "Handle,Title,Variant SKU,Image Src\nred,Red,9,https://x.y/a.jpg\nblue,Blue,8,//x/b.jpg\n",
        "file,sku,title\nphoto1.png,a,Red\nphoto2.png,b,Blue\n",
    ],
    ids=["woocommerce", "merchant feed", "shopify", "file names of another folder"],
)
def test_the_column_that_matches_most_is_the_key(shop, text):
    assert join(shop, text)[0] == {"a.jpg": "Red", "b.jpg": "Blue"}


@pytest.mark.parametrize("text", ["id,title\n1,Red\n2,Blue\n", "SKU,ID,title\nx,1,R\ny,2,B\n"])
def test_a_table_of_which_nothing_joins_stops_the_run(shop, text):
    with pytest.raises(
        CatalogError, match=r"t\.csv: no row joins.*a key is '[1x]', an image '0001"
    ) as e:
        join(shop, text)
    assert "title" in str(e.value)


@pytest.mark.parametrize(
    "key", ["123", "123.0", "'000123", '"=""000123"""', "000123\u200b", "123.jpg"]
)
def test_a_spreadsheet_may_change_a_number(shop, key):
    assert join(shop, f"id,title\n{key},Red\n")[0] == {"000123.jpg": "Red"}


@pytest.mark.parametrize("hyphen", ["\u2010", "\u2011", "\u2013", "\u2212"])
def test_hyphens_are_one(shop, hyphen):
    put(shop, "AB-1.jpg")
    assert join(shop, f"sku,title\nAB{hyphen}1,Red\n")[0] == {"AB-1.jpg": "Red"}


def test_lost_zeros_join_only_where_one_image_fits(shop):
    put(shop, "0123.jpg")
    assert join(shop, "id,title\n123,Red\n")[0] == {}


@pytest.mark.parametrize("key", ["8.90123E+12", "8,90123e+12", "1E+10"])
def test_digits_thrown_away_are_named(shop, key):
    assert "have lost digits" in join(shop, f'id,title\na,Red\n"{key}",Blue\n')[1]
    with pytest.raises(CatalogError, match="have lost digits"):
        join(shop, f'id,title\n"{key}",Red\n"2{key}",Blue\n')


@pytest.mark.parametrize(
    "address",
    ["https://cdn.x/A.JPG", "http://x/y/a.jpg?w=1/2#top", "https://x/s%2Fa.jpg", "//x/a.jpg"],
)
def test_an_address_is_its_path(shop, address):
    assert join(shop, f"image link,title\n{address},Red\n")[0] == {"a.jpg": "Red"}


@pytest.mark.parametrize(
    "header", ["Image Src", "IMAGE_LINK", "file name", "Image-Path", "image src "]
)
def test_columns_of_pictures_are_known_in_any_spelling(shop, header):
    assert join(shop, f"{header},title\na.jpg,Red\n")[0] == {"a.jpg": "Red"}
    (shop / "list.csv").write_text(f"{header},title\na.jpg,Red\n")
    assert [item.id for item in read_catalog(str(shop / "list.csv")).items] == ["a.jpg"]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("Handle,Title,Image Src\nr,Red,x/a.jpg\nr,,x/b.jpg\n", {"a.jpg": "Red", "b.jpg": "Red"}),
        ("id,title,image\n7,Red,a.jpg\n7,,b.jpg\n", {"a.jpg": "Red", "b.jpg": "Red"}),
        ("Handle,Title,Image Src\nr,Red,x/a.jpg\nq,,x/b.jpg\n", {"a.jpg": "Red"}),
        ("Title,Image Src\nRed,x/a.jpg\n,x/b.jpg\n", {"a.jpg": "Red"}),
    ],
    ids=["shopify", "merchant feed", "another product", "no product column"],
)
def test_a_further_picture_takes_the_title_of_its_product(shop, text, titles):
    assert join(shop, text)[0] == titles


# --- headers and workbooks -------------------------------------------------------------------

ABOVE = {
    "banner": ["Products of May, all shops;;", ""],
    "comments": ["# exported 2026-05-01", "# by me; and him"],
    "marketplace": ["TemplateType=x;Version=2;top rows", "Seller SKU;Product Name;Product type"],
}


@pytest.mark.parametrize("above", ABOVE.values(), ids=ABOVE.keys())
@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_the_header_is_found_below_what_stands_above(shop, above, suffix):
    lines = [*above, "item_sku;item_name;kind", "a;Red;x", "b;Blue;y"]
    path = shop.parent / f"t.{suffix}"
    if suffix == "csv":
        path.write_text("\n".join(lines))
    else:
        book = openpyxl.Workbook()
        for line in lines:
            book.active.append(line.split(";"))
        book.save(path)
    items = read_catalog(str(shop), path).items
    assert [item.title for item in items] == ["", "Red", "Blue"]


def test_a_header_of_unknown_names_is_said(shop):
    with pytest.raises(CatalogError, match="its columns are Foto, Bezeichnung"):
        join(shop, "Liste\n\nFoto;Bezeichnung\na;Rot\n")
    titles, _ = join(shop, "Liste\n\nFoto;Bezeichnung\na;Rot\n", id="Foto", title="bezeichnung")
    assert titles == {"a.jpg": "Rot"}


def workbook(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, (state, rows) in sheets.items():
        sheet = book.create_sheet(name)
        sheet.sheet_state = state
        for row in rows:
            sheet.append(row)
    book.save(path)


@pytest.mark.parametrize(
    "sheets",
    [
        {"old": ("hidden", [["id", "title"], ["a", "Old"]])},
        {"Cover": ("visible", [["Our catalogue"], ["made in May"]])},
        {"lists": ("veryHidden", [["id", "title"], ["b", "Old"]]), "empty": ("visible", [])},
    ],
    ids=["hidden", "cover", "very hidden and empty"],
)
def test_the_sheet_with_the_table_is_read_and_said(shop, sheets):
    path = shop.parent / "t.xlsx"
    workbook(path, {**sheets, "Products": ("visible", [["id", "title"], ["a", "Red"]])})
    catalog = read_catalog(str(shop), path)
    assert [item.title for item in catalog.items] == ["", "Red", ""]
    assert "sheets, 'Products' was read" in catalog.warnings[0]


@pytest.mark.parametrize("said", ["A1", "A1:A1", "B7:C9"])
def test_a_sheet_may_lie_about_its_size(shop, said):
    import zipfile

    path = shop.parent / "t.xlsx"
    workbook(shop.parent / "o.xlsx", {"x": ("visible", [["id", "title"], ["a", "Red"]])})
    with zipfile.ZipFile(shop.parent / "o.xlsx") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name).replace(b'ref="A1:B2"', f'ref="{said}"'.encode())
            new.writestr(name, data)
    assert read_catalog(str(shop), path).items[1].title == "Red"


@pytest.mark.parametrize("formula", ['="Red"', "=B3", '=CONCATENATE("R","ed")'])
def test_formulas_never_calculated_are_said(shop, formula):
    path = shop.parent / "t.xlsx"
    workbook(path, {"x": ("visible", [["id", "title"], ["a", formula], ["b", "Blue"]])})
    catalog = read_catalog(str(shop), path)
    assert [item.title for item in catalog.items] == ["", "", "Blue"]
    assert "1 formulas in title were never calculated" in " ".join(catalog.warnings)


# --- items of tables -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("sku,size,image,title\n1,S,a.jpg,Red\n2,M,a.jpg,Red M\n", ["1", "2"]),
        ("id,sku,image,title\n7,1,a.jpg,Red\n7,2,a.jpg,Red\n", ["1", "2"]),
        ("id,image,title\n7,a.jpg,Red\n7,b.jpg,Red\n", ["a.jpg", "b.jpg"]),
        ("id,image,title\n7,a.jpg,Red\n,b.jpg,Red\n", ["a.jpg", "b.jpg"]),
    ],
    ids=["a row per size", "variants", "photos of one product", "an id missing"],
)
def test_a_row_is_an_item_where_the_table_has_an_id(shop, text, items):
    (shop / "list.csv").write_text(text)
    catalog = read_catalog(str(shop / "list.csv"))
    assert [item.id for item in catalog.items] == items
    assert {item.path.rpartition("/")[2] for item in catalog.items} <= {"a.jpg", "b.jpg"}


def test_the_column_of_items_can_be_named(shop):
    (shop / "list.csv").write_text("code,image,title\n1,a.jpg,Red\n2,a.jpg,Blue\n")
    source = str(shop / "list.csv")
    catalog = read_catalog(source, columns=Columns(item="Code"))
    assert [(item.id, item.title) for item in catalog.items] == [("1", "Red"), ("2", "Blue")]
    with pytest.raises(UsageError, match=r"--item-id.*'x'.*code, image"):
        read_catalog(source, columns=Columns(item="x"))
    with pytest.raises(UsageError, match="--item-id"):
        read_catalog(str(shop), columns=Columns(item="code"))


def test_titles_join_a_tables_items_by_picture_too(shop):
    (shop / "list.csv").write_text("sku,image\n1,a.jpg\n2,b.jpg\n")
    (shop / "t.csv").write_text("file,title\na,Red\nb,Blue\n")
    items = read_catalog(str(shop / "list.csv"), shop / "t.csv").items
    assert [(item.id, item.title) for item in items] == [("1", "Red"), ("2", "Blue")]


@pytest.mark.parametrize("kind", ["bytes and path", "bytes alone", "binary", "path alone"])
def test_pictures_inside_parquet_are_read(shop, kind):
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = [color_picture(shop / f"{name}.png", name).read_bytes() for name in ("red", "blue")]
    cells = {
        "bytes and path": [{"bytes": one, "path": f"{n}.png"} for n, one in enumerate(data)],
        "bytes alone": [{"bytes": one, "path": None} for one in data],
        "binary": data,
        "path alone": [{"bytes": None, "path": "r.png"}, {"bytes": None, "path": "b.png"}],
    }[kind]
    (shop / "r.png").write_bytes(data[0])
    (shop / "b.png").write_bytes(data[1])
    pq.write_table(
        pa.table({"image": cells, "title": ["Red", "Blue"]}), shop / "p.parquet", row_group_size=1
    )
    if kind == "path alone":
        struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = pa.table({"image": pa.array(cells, struct), "title": ["Red", "Blue"]})
        pq.write_table(table, shop / "p.parquet")
    items = read_catalog(str(shop / "p.parquet")).items
    names = {"bytes and path": ["0.png", "1.png"], "path alone": ["r.png", "b.png"]}
    assert [item.id for item in items] == names.get(kind, ["0", "1"])
    assert [item.image.read() for item in items] == data
    assert [(item.title, item.fields) for item in items] == [("Red", {}), ("Blue", {})]


def test_pictures_inside_a_table_of_titles_are_their_names(shop):
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = [{"bytes": b"x", "path": "a.jpg"}, {"bytes": b"y", "path": "b.jpg"}]
    pq.write_table(pa.table({"image": cells, "title": ["Red", "Blue"]}), shop.parent / "t.parquet")
    assert [i.title for i in read_catalog(str(shop), shop.parent / "t.parquet").items] == [
        *("", "Red", "Blue"),
    ]


# --- folders ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".heif", ".HIF", ""])
def test_pictures_of_rare_endings_are_items(tmp_path, ending):
    color_picture(tmp_path / "x.png", "red").rename(tmp_path / f"x{ending}")
    (tmp_path / "LICENCE").write_text("all rights reserved")
    catalog = read_catalog(str(tmp_path))
    assert [item.id for item in catalog.items] == [f"x{ending}"]
    assert catalog.warnings == (f"{tmp_path}: 1 files are no pictures: no ending (1).",)


def test_what_is_passed_over_is_counted_by_ending(tmp_path):
    put(tmp_path, "a.jpg", "b.psd", "sub/c.PSD", "d.mp4", "titles.csv", "._a.jpg")
    (warning,) = read_catalog(str(tmp_path)).warnings
    assert warning.endswith("3 files are no pictures: .psd (2), .mp4 (1).")
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(CatalogError, match=r"holds no image.*\.psd \(2\)"):
        read_catalog(str(tmp_path))


@pytest.mark.parametrize("target", ["real", "real/deep", "../outside"])
def test_a_linked_folder_is_followed_once(tmp_path, target):
    shop = put(tmp_path / "shop", "real/deep/a.jpg")
    put(tmp_path / "outside", "b.jpg")
    for name in ("one", "two"):
        (shop / name).symlink_to(shop / target)
    items = [item.id for item in read_catalog(str(shop)).items]
    assert items == [*(["one/b.jpg"] if "outside" in target else []), "real/deep/a.jpg"]


# --- what is said, and what joins back ---------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "error", "warning"),
    [
        (
            b"id,name2,note\na,Gr\xc3\xb6\xc3\x9fe,\xc3\xbc\nb,x,caf\xe9\n",
            "no title",
            "other bytes",
        ),
        (b"id,title,note\nx,A,\xc3\xbc\ny,B,caf\xe9\n", "no row joins", "other bytes"),
        (b"id,title\n8.9E+12,A\ny,B\n", "no row joins", "lost digits"),
        (b"id,title,note\na,\xc3\xbc,\na,B,caf\xe9\n", "two different", "other bytes"),
    ],
)
def test_warnings_survive_the_error_that_follows(shop, content, error, warning):
    with pytest.raises(CatalogError, match=error) as raised:
        join(shop, content)
    assert warning in " ".join(raised.value.__notes__)


def test_warnings_on_the_source_survive_an_error_of_its_titles(shop):
    put(shop, "x.psd")
    with pytest.raises(CatalogError) as raised:
        join(shop, b"id,title\nx,A\ny,B\n")
    assert ".psd (1)" in " ".join(raised.value.__notes__)


@pytest.mark.parametrize(
    ("text", "keys", "cells"),
    [
        ("id,title\na,Red\n", ("id",), ("a",)),
        ("image,sku,title\na.jpg,S1,Red\n", ("sku",), ("S1",)),
        ("ID,SKU,Name\n7,a,Red\n", ("SKU", "ID"), ("a", "7")),
        ("image,title\na.jpg,Red\n", (), ()),
        ("image_link,title\nhttps://x/a.jpg?v=1,Red\n", ("image_link",), ("https://x/a.jpg?v=1",)),
    ],
)
def test_an_item_keeps_the_names_that_its_table_has_for_it(shop, text, keys, cells):
    (shop.parent / "t.csv").write_text(text)
    catalog = read_catalog(str(shop), shop.parent / "t.csv")
    assert catalog.keys == keys
    named = {item.id: item.keys for item in catalog.items}
    assert named == {"000123.jpg": ("",) * len(keys), "a.jpg": cells, "b.jpg": ("",) * len(keys)}


def test_a_tables_sku_that_names_no_item_is_kept(shop):
    (shop / "l.csv").write_text("sku,image,title\nS,a.jpg,Red\nS,b.jpg,Blue\n")
    (shop / "t.csv").write_text("id,file,title\n7,a,Red\n8,b,Blue\n")
    catalog = read_catalog(str(shop / "l.csv"), shop / "t.csv")
    assert catalog.keys == ("sku", "file", "id")
    assert [item.keys for item in catalog.items] == [("S", "a", "7"), ("S", "b", "8")]


@pytest.mark.parametrize(
    "text", ["id,title\na,\nb,\n", "id,title,price\na, ,\nb,,\n", "id,title\nx,Red\na,\nb,\n"]
)
def test_titles_that_are_all_blank_stop_the_run(shop, text):
    with pytest.raises(CatalogError, match="no row that joins to an image has a 'title', or any"):
        join(shop, text)


@pytest.mark.parametrize("text", ["id,title,price\na,,5\nb,,\n", "id,title,brand\na,,\nb,,X\n"])
def test_blank_titles_beside_other_columns_are_said(shop, text):
    assert "the pictures decide alone" in join(shop, text)[1]


def test_a_title_of_a_photo_is_of_all_its_rows(shop):
    (shop / "l.csv").write_text("sku,image\n1,a.jpg\n2,a.jpg\n3,b.jpg\n")
    (shop / "t.csv").write_text("file,title\na,Red\nb,Blue\n")
    items = read_catalog(str(shop / "l.csv"), shop / "t.csv").items
    assert [item.title for item in items] == ["Red", "Red", "Blue"]


@pytest.mark.parametrize("name", ["new/c.jpg", "new/x/c.JPG"])
def test_an_address_joins_a_picture_in_any_folder(shop, name):
    put(shop, name)
    titles, _ = join(shop, "image_link,title\nhttps://cdn.x/files/2/c.jpg?v=1,Red\n")
    assert titles == {name: "Red"}


@pytest.mark.parametrize("pattern", ["{}/*", "{}/**", "{}/*.psd", "{}/[ac]*"])
def test_what_a_glob_matches_and_no_picture_is_is_counted(shop, pattern):
    put(shop, "a.psd", "c.psd", "sub/d.psd", "titles.csv")
    source = pattern.format(shop)
    if source.endswith("psd"):
        with pytest.raises(CatalogError, match="matches no image"):
            read_catalog(source)
        return
    count = 3 if "**" in pattern else 2
    assert read_catalog(source).warnings == (
        f"{source}: {count} files are no pictures: .psd ({count}).",
    )


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("ftp://host/x.csv", "Nothing here reads ftp://"),
        ("gopher://host/shop/", "Nothing here reads gopher://"),
        ("https://shop.example/feed.xml", "which `fashiontag import` reads"),
    ],
)
def test_an_address_is_no_folder_that_is_missing(source, says):
    with pytest.raises(UsageError) as error:
        read_catalog(source)
    assert says in str(error.value)
    assert "There is no" not in str(error.value)
