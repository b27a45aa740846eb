"""Words and styles: one splitter for evidence, search and families, and what it must not split."""

import doctest
import unicodedata

import pytest

from fashiontag import words
from fashiontag.labels import load_labels
from fashiontag.words import COLOURS, read, says_something, split, style


def test_the_examples_are_true() -> None:
    assert doctest.testmod(words).failed == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Women's half-sleeve Café №5", ["womens", "half", "sleeve", "cafe", "5"]),
        ("women`s WOMEN´S womenʼs T_shirt", ["womens", "womens", "womens", "t", "shirt"]),
        ("e\u0301te\u0301 été ÉTÉ", ["ete", "ete", "ete"]),
        ("Straße ﬁne 501™ 10㎝", ["strasse", "fine", "501", "10"]),
        ("Ёлка, Йога", ["елка", "иога"]),
        ("प्यारा कुर्ता", ["प्यारा", "कुर्ता"]),
        ("เสื้อเชิ้ต", ["เสื้อเชิ้ต"]),
        ("فُسْتَان שִׂמְלָה", ["فُسْتَان", "שִׂמְלָה"]),
        ("ガウン 드레스", ["ガウン", "드레스"]),
        ("❤️ red❤️dress 👗", ["red", "dress"]),
        ("!!! — ", []),
    ],
)
def test_a_word_is_letters_digits_and_marks(text: str, found: list[str]) -> None:
    assert split(text) == [unicodedata.normalize("NFKC", word) for word in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *((text, False) for text in ("", "-", "N/A", "n.a.", "#N/A", "None", "null", "untitled")),
        *((text, False) for text in ("4711", "SKU 4711", "AW12-TSH-001", "B07XK2Q9", "IMG_01.JPG")),
        *((text, False) for text in ("👗", "❤️ 👠", "XL", "Item No. 5", "T", "NK-2231-BLK")),
        *((text, True) for text in ("Red", "501 Jeans", "T-shirt", "👗 dress", "Levis 501")),
        *((text, True) for text in ("red-shirt-12.jpg", "पीला", "靴", "V-neck", "No. 5 scarf")),
    ],
)
def test_what_says_nothing(text: str, found: bool) -> None:
    assert says_something(text) is found


def test_a_context_ends_where_the_phrase_does() -> None:
    words, context = read("Dress with belt, red (no silk) - cotton")
    assert context.aside is not None
    assert [word for word, aside in zip(words, context.aside, strict=True) if aside] == ["belt"]
    assert [words[at] for at in context.denied] == ["silk"]
    assert [words[at] for at in context.companions] == ["belt"]


def test_for_people_is_no_aside() -> None:
    for text in ("Shoes for men", "Shoes for all women", "Shoes for kids in blue"):
        words, context = read(text)
        aside = context.aside or [False] * len(words)
        assert not any(aside[: words.index("in") if "in" in words else None])
    assert read("Case for watches")[1].companions == {2}


def test_splitting_what_was_split_changes_nothing() -> None:
    text = "Robe d'été №5 ﬁne प्यारा कुर्ता เสื้อ فُسْتَان שִׂמְלָה ガウン İstanbul"
    assert split(" ".join(split(text))) == split(text)


def test_a_style_is_a_title_but_for_colours_and_numbers() -> None:
    polo = style("Acme Men Red Polo Shirt 32")
    assert polo == style("ACME men Navy-Blue polo shirt") == ("acme", "men", "polo", "shirt")
    assert style("Acme Men Polo T20 Shirt") != polo
    assert style("Polo Shirt Acme Men") != polo
    assert style("Other Men Polo Shirt") != polo
    assert style("") == style("Red Shirt") == style("Polo Shirt 3 Red") == ()


def test_every_colour_of_the_label_file_that_is_one_word_is_a_colour_here() -> None:
    labels = load_labels("fashion").group("color").labels
    terms = [split(term) for label in labels for term in label.terms]
    assert {term[0] for term in terms if len(term) == 1} <= COLOURS
