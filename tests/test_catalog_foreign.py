"""Tables and folders as they come from spreadsheets, shops and other programs."""

import openpyxl
import pytest

from fashiontag.catalog import Columns, read_catalog
from fashiontag.errors import CatalogError


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
