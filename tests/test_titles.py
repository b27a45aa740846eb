"""What a title's words say under the shipped labels: one test for each kind of misreading."""

import pytest

from fashiontag.heads.lexical import TitleMatcher
from fashiontag.labels import LabelSpace, load_labels, parse_labels

FASHION = TitleMatcher(load_labels("fashion"))
PRODUCTS = TitleMatcher(load_labels("fashion-products"))


def named(title: str, matcher: TitleMatcher = FASHION, brand: str = "") -> set[str]:
    """Return the tags that a title decides for, without those that it names besides."""
    (scores,) = matcher.score([title], [brand])
    return {matcher.space.tags[column] for column in (scores == 1).nonzero()[0]}


def of(group: str, title: str, matcher: TitleMatcher = FASHION, brand: str = "") -> set[str]:
    tags = (tag.split("=") for tag in named(title, matcher, brand))
    return {label for name, label in tags if name == group}


def space(**groups: object) -> LabelSpace:
    return parse_labels({"groups": groups}, "own", "own.toml")


@pytest.mark.parametrize(
    "title",
    [
        "not leather",
        "Bag, no leather",
        "Non-Leather Wallet",
        "non leather laptop bag",
        "leather-free shoes",
        "shoes free of leather",
        "not made of real leather",
        "no suede or leather",
        "without any leather",
        "Belt w/o leather",
        "isn't leather",
    ],
)
def test_what_is_denied_is_no_evidence(title: str) -> None:
    assert of("material", title) == set()


@pytest.mark.parametrize(
    ("group", "title", "found"),
    [
        ("pattern", "T-shirt, no stripes", set()),
        ("pattern", "shirt without checks", set()),
        ("pattern", "striped shirt, not floral", {"striped"}),
        ("sleeve", "dress without sleeves", {"sleeveless"}),
        ("sleeve", "top, no sleeves", {"sleeveless"}),
        ("material", "leather jacket, not suede", {"leather"}),
        ("material", "non-stretch cotton trousers", {"cotton"}),
        ("category", "no leather belt", {"belt"}),
        ("category", "dress without belt", {"dress"}),
        ("category", "not a dress shirt", set()),
        ("category", "dress, belt not included", {"dress"}),
        ("category", "Dress (belt sold separately)", {"dress"}),
        ("audience", "not for men", set()),
    ],
)
def test_a_denial_reaches_no_further_than_its_word(group: str, title: str, found: set[str]) -> None:
    assert of(group, title) == found


@pytest.mark.parametrize(
    "title",
    [
        "cotton free size kurta",
        "Cotton T-shirt, free shipping",
        "No. 5 cotton scarf",
        "no iron cotton shirt",
    ],
)
def test_what_only_looks_like_a_denial_denies_nothing(title: str) -> None:
    assert of("material", title) == {"cotton"}


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("suede effect boots", set()),
        ("silk-feel polyester blouse", {"polyester"}),
        ("denim-look leggings", set()),
        ("faux suede jacket", set()),
        ("silk like scarf", set()),
        ("imitation pearl earrings", set()),
        ("artificial silk sari", set()),
    ],
)
def test_what_something_is_like_is_no_material(title: str, found: set[str]) -> None:
    assert of("material", title) == found


@pytest.mark.parametrize(
    "title",
    [
        "faux leather jacket",
        "vegan leather bag",
        "PU leather belt",
        "leatherette wallet",
        "imitation leather shoes",
        "synthetic leather sandals",
        "alternative leather bag",
        "leather-look leggings",
    ],
)
def test_faux_leather_is_a_label_of_its_own(title: str) -> None:
    assert of("material", title) == {"faux leather"}


def test_a_look_is_a_colour_all_the_same() -> None:
    assert of("color", "silver look ring") == {"silver"}
    assert of("color", "gold effect bangle") == {"gold"}
    assert named("Faux black leather jacket") == {"category=jacket", "color=black"}


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("dress with belt", {"dress"}),
        ("shirt and tie set", {"shirt"}),
        ("Kurta with Dupatta", {"kurta"}),
        ("Shirt & Tie", {"shirt"}),
        ("Skirt with matching leggings", {"skirt"}),
        ("Dress w/ belt and scarf", {"dress"}),
        ("Jacket for jeans", {"jacket"}),
        ("strap for watches", set()),
        ("Black and White Shirt", {"shirt"}),
        ("Men Rebel with a Cause T-shirt", {"t-shirt"}),
        ("Earring & Pendant Set", {"jewellery set"}),
        ("Shirt, tie and belt", {"shirt"}),
        ("dresses, watches", {"watch"}),
    ],
)
def test_what_comes_with_it_is_not_the_head(title: str, found: set[str]) -> None:
    assert of("category", title) == found


@pytest.mark.parametrize(
    ("group", "title", "found"),
    [
        ("length", "3/4 sleeve top", set()),
        ("length", "3/4 pants", {"three-quarter"}),
        ("category", "ear rings", {"earrings"}),
        ("category", "key ring", {"key ring"}),
        ("category", "top handle bag", {"handbag"}),
        ("category", "belt bag", {"waist bag"}),
        ("category", "cap sleeve dress", {"dress"}),
        ("category", "tie-dye T-shirt", {"t-shirt"}),
        ("category", "sweat shirt", {"sweatshirt"}),
        ("category", "polo collar", set()),
        ("style", "classic fit shirt", set()),
        ("color", "blue denim jacket", {"blue"}),
        ("material", "denim jacket", {"denim"}),
        ("category", "mini dress", {"dress"}),
    ],
)
def test_a_longer_term_hides_the_words_in_it(group: str, title: str, found: set[str]) -> None:
    assert of(group, title) == found


def test_a_kind_hides_only_what_it_is_not() -> None:
    assert of("subCategory", "belt bag", PRODUCTS) == {"Bags"}
    assert of("subCategory", "key ring", PRODUCTS) == set()
    assert of("subCategory", "pendant set", PRODUCTS) == {"Jewellery"}
    assert of("subCategory", "messenger bag", PRODUCTS) == {"Bags"}


@pytest.mark.parametrize(
    ("group", "title"),
    [
        ("color", "mint condition vintage coat"),
        ("color", "rust-proof chain"),
        ("season", "spring-loaded umbrella"),
        ("material", "cotton candy dress"),
        ("color", "rust resistant watch"),
        ("category", "ring spun"),
        ("audience", "Spider Man print"),
        ("category", "Jean Paul Gaultier"),
        ("audience", "Baby Doll Nightwear"),
        ("audience", "baby pink top"),
    ],
)
def test_an_idiom_names_nothing(group: str, title: str) -> None:
    assert of(group, title) == set()


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Old Navy skirt", {"category=skirt"}),
        ("Old Navy blue skirt", {"category=skirt", "color=blue"}),
        ("Red Tape Men Black Boots", {"audience=men", "color=black", "category=boots"}),
        ("White Stuff dress", {"category=dress"}),
        ("Pink Floyd T-shirt", {"category=t-shirt"}),
        ("Cotton On polyester dress", {"category=dress", "material=polyester"}),
        ("Denim & Supply shirt", {"category=shirt"}),
        ("Guess Jeans watch", {"category=watch"}),
    ],
)
def test_brands_that_are_label_words_are_no_evidence(title: str, found: set[str]) -> None:
    assert named(title) == found


@pytest.mark.parametrize(
    ("title", "brand", "found"),
    [
        ("Olive Women Skirt", "Olive", {"audience=women", "category=skirt"}),
        ("Olive Women Olive Skirt", "OLIVE", {"audience=women", "category=skirt", "color=olive"}),
        ("Orange Culture shirt", "Orange Culture", {"category=shirt"}),
        ("Silk & Steel ring", "Silk and Steel", {"category=ring"}),
        ("Silk and Steel ring", "SILK+STEEL", {"category=ring"}),
        ("Red shirt", "Nike", {"category=shirt", "color=red"}),
    ],
)
def test_a_brand_is_taken_out_where_it_stands_first(
    title: str, brand: str, found: set[str]
) -> None:
    assert named(title, brand=brand) == found


def test_a_group_of_brands_keeps_its_labels() -> None:
    own = TitleMatcher(space(brand={"labels": ["Olive", "Nike"]}, tone={"labels": ["olive"]}))
    assert named("Olive skirt", own, "Olive") == {"brand=Olive"}


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Sneakers for men and women", {"unisex"}),
        ("Women's & Men's watch", {"unisex"}),
        ("ladies and gents scarf", {"unisex"}),
        ("Perfume for him & her", {"unisex"}),
        ("Socks for boys and girls", {"kids"}),
        ("female sandals", {"women"}),
        ("Male boots", {"men"}),
        ("bag for her", {"women"}),
        ("Damen Sandalen schwarz", {"women"}),
        ("Herren Schuhe", {"men"}),
        ("eau de toilette pour homme", {"men"}),
        ("Schuhe schwarz", set()),
    ],
)
def test_both_sexes_are_neither(title: str, found: set[str]) -> None:
    assert of("audience", title) == found


def test_without_a_label_for_both_neither_is_ahead() -> None:
    own = TitleMatcher(space(who={"labels": ["men", "women"]}))
    assert own.score(["men and women", "women's"]).tolist() == [[0.5, 0.5], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Nike Men Magnetic Blue Perfume", {"audience=men", "category=perfume"}),
        ("Absolute Forever Silk Green Eye Liner", {"category=eye make-up", "color=green"}),
        ("Absolute White Intense Skin Cover", set()),
        ("Cotton Fresh deodorant", {"category=deodorant"}),
        ("Velvet White day cream", {"category=skin care"}),
        ("Leather perfume", {"category=perfume"}),
        ("Leather perfume bag", {"category=bag", "material=leather"}),
        ("Lipstick print silk scarf", {"category=scarf", "material=silk"}),
    ],
)
def test_a_group_that_cannot_apply_says_nothing(title: str, found: set[str]) -> None:
    assert named(title) == found


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Black Fur Zip Clutch", set()),
        ("Leather strap watch", set()),
        ("Canvas bag with leather trim", {"canvas"}),
        ("Pearl button cotton shirt", {"cotton"}),
        ("Leather zip wallet", {"leather"}),
    ],
)
def test_a_part_is_not_the_product(title: str, found: set[str]) -> None:
    assert of("material", title) == found


TEES = TitleMatcher(
    space(
        shelf={
            "labels": [{"name": "Shirts", "words": ["shirt"]}, {"name": "Tees", "words": ["tee"]}]
        }
    )
)


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Solid T-shirt", {"shelf=Tees"}),
        ("T Shirt", {"shelf=Tees"}),
        ("tshirts", {"shelf=Tees"}),
        ("Solid Shirt", {"shelf=Shirts"}),
        ("Dress-shirt", {"shelf=Shirts"}),
        ("X-shirt", set()),
        ("Undershirts", set()),
        ("M-Shirt", {"shelf=Shirts"}),
    ],
)
def test_a_word_inside_a_longer_one_is_not_it(title: str, found: set[str]) -> None:
    assert named(title, TEES) == found


def test_a_tee_is_a_t_shirt_unless_another_label_says_so() -> None:
    own = TitleMatcher(space(shelf={"labels": ["tee", "T-shirt"]}))
    assert named("T-shirt", own) == {"shelf=T-shirt"}
    assert named("tees", own) == {"shelf=tee"}


@pytest.mark.parametrize(
    ("label", "titles"),
    [
        ("Jeans", ["jean", "jeans"]),
        ("Scarves", ["scarf", "scarves"]),
        ("Watches", ["watch", "watches"]),
        ("Dresses", ["dress"]),
        ("Accessories", ["accessory"]),
        ("Man", ["men"]),
        ("Hoodies", ["hoodie", "hoody"]),
        ("scarf", ["scarves"]),
        ("Track Pants", ["track pant"]),
    ],
)
def test_singular_and_plural_are_one(label: str, titles: list[str]) -> None:
    own = TitleMatcher(space(shelf={"labels": [label]}))
    assert own.score(titles).all()


def test_another_word_is_no_singular() -> None:
    own = TitleMatcher(space(shelf={"labels": ["Shorts", "Flats", "Briefs", "Glasses", "Tights"]}))
    assert not own.score(["short sleeve", "flat front", "in brief", "glass bead", "tight"]).any()


def test_what_a_label_calls_itself_outranks_anothers_plural() -> None:
    labels = ["Perfumes", {"name": "Fragrance", "words": ["perfume"]}]
    assert named("perfume", TitleMatcher(space(shelf={"labels": labels}))) == {"shelf=Fragrance"}


def test_marks_are_letters_of_a_word() -> None:
    own = TitleMatcher(space(tone={"exclusive": False, "labels": ["पीला", "पोली", "पाल", "เสื้อ"]}))
    assert named("पीला कुर्ता", own) == {"tone=पीला"}
    assert named("पोली", own) == {"tone=पोली"}
    assert named("पाल", own) == {"tone=पाल"}
    assert named("เสือ", own) == set()
