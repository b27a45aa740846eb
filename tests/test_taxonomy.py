"""Our labels in Shopify's and Google's words: every id is there, and allowed where it goes."""

import csv
import json
import os
from pathlib import Path

import pytest

from fashiontag.cli import run
from fashiontag.errors import CatalogError, LabelFileError, UsageError
from fashiontag.labelcheck import taxonomy_remarks
from fashiontag.labels import load_labels, parse_labels
from fashiontag.names import fold
from fashiontag.sinks.feedcolumns import Entries
from fashiontag.taxonomy import CATEGORY, NONE, Taxonomy, entries
from fashiontag.workflows.exporting import ExportOptions, export_feed

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("FASHIONTAG_DATA", ROOT.parent / "shared" / "data"))
PINNED = DATA / "taxonomy" / "shopify-apparel.json"
GOOGLE = DATA / "taxonomy" / "google-apparel.txt"
pinned = pytest.mark.skipif(not PINNED.is_file(), reason=f"no pinned taxonomy in {DATA}")

SMALL = {
    "version": "toy-1",
    "verticals": [
        {
            "categories": [
                {
                    "id": "gid://shopify/TaxonomyCategory/aa-1",
                    "full_name": "Clothes > Dresses",
                    "attributes": [{"handle": "color"}, {"handle": "neckline"}],
                    "google_id": 2271,
                },
                {
                    "id": "gid://shopify/TaxonomyCategory/aa-2",
                    "full_name": "Clothes > Hats",
                    "attributes": [{"handle": "color"}],
                },
            ]
        }
    ],
    "attributes": [
        {"handle": "color", "name": "Color", "values": [{"handle": "color__red"}]},
        {"handle": "neckline", "name": "Neckline", "values": [{"handle": "neckline__boat"}]},
        {"handle": "fit", "name": "Fit", "values": [{"handle": "fit__slim"}]},
    ],
}


@pytest.fixture
def small(tmp_path) -> Taxonomy:
    path = tmp_path / "taxonomy.json"
    path.write_text(json.dumps(SMALL))
    return Taxonomy.load(path)


def space(**groups):
    content = {
        name: {"shopify": attribute, "labels": [{"name": n, **kw} for n, kw in labels.items()]}
        for name, (attribute, labels) in groups.items()
    }
    return parse_labels({"groups": content}, "toy", "toy.toml")


both = pytest.mark.parametrize("shipped", ["fashion", "fashion-products"])


@both
@pinned
def test_every_default_label_is_in_the_pinned_taxonomy_or_says_why_not(shipped) -> None:
    labels = load_labels(shipped)
    assert taxonomy_remarks(labels, Taxonomy.load(PINNED)) == ()
    assert taxonomy_remarks(labels, Taxonomy.load(GOOGLE)) == ()


@both
def test_every_default_label_has_an_entry_or_a_reason(shipped) -> None:
    for group in load_labels(shipped).groups:
        assert group.shopify
        for label in group.labels if not group.shopify.startswith(NONE) else ():
            assert label.shopify, label
            if label.shopify.startswith(NONE):
                assert label.shopify.removeprefix(NONE).strip(), label
            elif group.shopify == CATEGORY:
                assert label.google.isdigit(), label


@both
@pinned
def test_every_value_is_allowed_for_every_category_it_can_be_written_to(shipped) -> None:
    space, taxonomy = load_labels(shipped), Taxonomy.load(PINNED)
    says = Entries(space, taxonomy)
    everything = {fold(group.name): group.names for group in space.groups}
    main = next(group for group in space.groups if group.shopify == CATEGORY)
    written = 0
    for label in main.labels:
        given = {**everything, fold(main.name): [label.name]}
        (category,) = (
            map(taxonomy.find, entries(label.shopify)) if entries(label.shopify) else [None]
        )
        for column in says.columns():
            for value in says.of(column, given, None):
                assert category, label
                assert column.entry in category.attributes, (label, value)
                assert value in taxonomy.values[column.entry], (label, value)
                written += 1
    assert written > 1000


@pinned
def test_what_lies_outside_the_pinned_part_is_left_empty() -> None:
    category = {label.name: label for label in load_labels().group("category").labels}
    for name in ("suitcase", "umbrella", "perfume", "lipstick"):
        assert "outside" in category[name].shopify
        assert entries(category[name].shopify) == entries(category[name].google) == ()


def test_both_layouts_and_googles_file_are_read(small, tmp_path) -> None:
    assert small.version == "toy-1"
    assert small.categories["aa-1"].attributes == {"color", "neckline"}
    assert small.values["neckline"] == {"boat"}
    for text in ("aa-2", "gid://shopify/TaxonomyCategory/aa-2", "Clothes > Hats"):
        assert small.find(text).id == "aa-2"
    assert small.find("Hats") is None
    path = tmp_path / "google.txt"
    path.write_text("# Google_Product_Taxonomy_Version: 2019-07-10\n173 - A > Hats\n")
    assert Taxonomy.load(path) == Taxonomy("2019-07-10", google={"173": "A > Hats"})


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ({"kind": ("category", {"dress": {"shopify": "aa-9"}})}, "kind=dress: no category 'aa-9'"),
        (
            {"kind": ("category", {"dress": {"shopify": "aa-1", "google": "9"}})},
            "kind=dress: Google's id of aa-1 is 2271",
        ),
        ({"c": ("color", {"red": {"shopify": "rouge"}})}, "c=red: no value 'rouge' of color"),
        ({"c": ("hue", {"red": {"shopify": "none: x"}})}, "c: no attribute 'hue'"),
        (
            {
                "kind": ("category", {"dress": {"shopify": "aa-1", "google": "2271"}}),
                "cut": ("fit", {"slim": {"shopify": "slim"}}),
            },
            "cut: no category of the file may have 'fit'",
        ),
        ({"c": ("color", {"red": {}})}, 'c=red; write shopify = "…", or "none: WHY"'),
    ],
)
def test_what_a_taxonomy_has_not_is_said(small, groups, says) -> None:
    (remark,) = taxonomy_remarks(space(**groups), small)
    assert says in remark


def test_ids_change_nothing_that_is_tagged() -> None:
    bare = parse_labels({"groups": {"c": {"labels": ["red"]}}}, "toy", "toy.toml")
    told = space(c=("color", {"red": {"shopify": "red"}}))
    assert told.hash == bare.hash
    assert parse_labels(told.content(), "toy", "").content() == told.content() != bare.content()
    with pytest.raises(LabelFileError, match="shopify is a number"):
        space(c=("color", {"red": {"shopify": 13}}))


def test_the_command_shows_entries_and_complains_in_a_sentence(tmp_path, capsys) -> None:
    path = tmp_path / "taxonomy.json"
    path.write_text(json.dumps(SMALL))
    assert run(["labels", "--taxonomy", str(path), "--json"], debug=True) == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)["taxonomy"]
    assert facts["version"] == "toy-1"
    assert len(facts["labels"]) == load_labels().size
    assert "are not in the taxonomy toy-1" in said.err
    for text, error in (("{}", CatalogError), ('{"version": 1, "attributes": []}', CatalogError)):
        path.write_text(text)
        with pytest.raises(error, match=r"taxonomy\.json is no taxonomy"):
            Taxonomy.load(path)
    with pytest.raises(UsageError, match="There is no taxonomy"):
        Taxonomy.load(tmp_path / "gone.json")


SHOP = {
    "dress": "category=dress|color=red|neckline=boat neck|sleeve=long sleeve|audience=women",
    "sunnies": "category=sunglasses|color=black|neckline=boat neck|closure=zip",
    "brolly": "category=umbrella|color=red",
    "scent": "category=perfume",
    "mine": "category=t-shirt|color=maroon, red|neckline=v-neck",
    "teal": "category=dress|color=teal|color=navy|pattern=floral",
}
THERE = {"mine": ("Apparel & Accessories > Clothing > Shorts", "white")}
FIELDS = {
    "colour": "Farbe (product.metafields.shopify.color-pattern)",
    "neckline": "Neckline (product.metafields.shopify.neckline)",
    "sleeve": "Sleeve length type (product.metafields.shopify.sleeve-length-type)",
}


@pytest.fixture
def exported(tmp_path):
    """Patch a file with all that a taxonomy says of `SHOP`, and return its rows by handle."""

    def make(taxonomy: Path | None, **options):
        columns = ["Handle", "Title", "Image Src", "Product Category", *FIELDS.values()]
        columns.append("Google Shopping / Google Product Category")
        with (tmp_path / "shop.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(columns)
            for name in SHOP:
                category, colour = THERE.get(name, ("", ""))
                picture = f"https://x.example/{name}.jpg"
                table.writerow([name, name, picture, category, colour, "", "", ""])
        with (tmp_path / "tags.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "tags"])
            table.writerows([f"{name}/1", tags] for name, tags in SHOP.items())
        out = tmp_path / "out.csv"
        done = export_feed(
            tmp_path / "tags.csv",
            "shopify-csv",
            tmp_path / "shop.csv",
            out,
            ExportOptions(taxonomy=taxonomy, **options),
        )
        with out.open(newline="") as file:
            rows = {row["Handle"]: row for row in csv.DictReader(file)}
        found = {
            name: [row[c] for c in ("Product Category", *FIELDS.values(), columns[-1])]
            for name, row in rows.items()
        }
        return found, " ".join(done.warnings)

    return make


def test_without_a_taxonomy_categories_are_written_and_no_attributes(exported) -> None:
    found, said = exported(None)
    assert found["dress"] == ["aa-1-4", "", "", "", "2271"]
    assert found["mine"] == [*THERE["mine"], "", "", "212"]
    assert found["brolly"] == found["scent"] == [""] * 5
    assert "umbrella: no category of Shopify's (in Home & Garden" in said
    assert "perfume: no category of Google's (in Health & Beauty" in said


@pinned
def test_attributes_are_written_where_the_category_may_have_them(exported) -> None:
    found, said = exported(PINNED)
    assert found["dress"] == ["aa-1-4", "red", "boat", "long", "2271"]
    assert found["sunnies"] == ["aa-2-27", "black", "", "", "178"]
    assert found["brolly"] == found["scent"] == [""] * 5
    assert found["mine"] == [*THERE["mine"], "", "", "212"]  # shorts, as a person said, have none
    assert found["teal"] == ["aa-1-4", "navy", "", "", "2271"]  # teal has no equivalent
    sunglasses = "Apparel & Accessories > Clothing Accessories > Sunglasses"
    assert f"neckline: not for products of category '{sunglasses}' (1)" in said
    assert "color: not for products of no known category (1)" in said  # an umbrella's
    taxonomy = Taxonomy.load(PINNED)
    for category, colour, neckline, sleeve, google in found.values():
        known = taxonomy.find(category)
        assert not category or known
        for handle, values in (
            ("color", colour),
            ("neckline", neckline),
            ("sleeve-length-type", sleeve),
        ):
            for value in filter(None, values.split("; ")):
                assert value == "white" or value in taxonomy.values[handle]
                assert value == "white" or handle in known.attributes
        assert not google or google in taxonomy.google


def test_ids_that_another_release_has_not_are_left_out_and_said(exported, tmp_path) -> None:
    other = dict(SMALL, version="toy-2")
    (tmp_path / "other.json").write_text(json.dumps(other))
    found, said = exported(tmp_path / "other.json")
    assert found["dress"] == ["", "", "", "", "2271"]
    assert "dress: aa-1-4 is not in the taxonomy toy-2" in said


@pinned
def test_metafields_that_the_file_lacks_are_added_only_when_asked_for(exported, tmp_path) -> None:
    exported(PINNED, add_columns=True)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["Target gender (product.metafields.shopify.target-gender)"] == "female"
    assert rows[0]["Age group (product.metafields.shopify.age-group)"] == "adults"
    assert not any("Color (" in name for name in rows[0])  # there, under the shop's own name
    assert not any("Bag/Case" in name for name in rows[0])  # nothing to say there


@pytest.mark.parametrize("product", ["dress", "brolly"])
def test_google_gets_its_id_in_its_own_feed(tmp_path, product) -> None:
    (tmp_path / "feed.tsv").write_text(
        f"id\ttitle\timage link\tgoogle product category\n{product}\tT\thttps://x.example/1.jpg\t\n"
    )
    (tmp_path / "tags.csv").write_text(f'id,tags\n{product}/1,"{SHOP[product]}"\n')
    out = tmp_path / "out.tsv"
    export_feed(tmp_path / "tags.csv", "google-tsv", tmp_path / "feed.tsv", out)
    assert out.read_text().splitlines()[1].endswith("2271" if product == "dress" else "\t")
