"""Words and styles: one splitter for evidence, search and families, and what it must not split."""

import doctest
import unicodedata

import pytest

from fashiontag import words
from fashiontag.labels import load_labels
from fashiontag.words import COLOURS, split, style


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
