"""One way to compare names: what is forgiven, and who asks."""

import doctest

import pytest

from fashiontag import names
from fashiontag.names import fold


def test_the_examples_are_true() -> None:
    assert doctest.testmod(names).failed == 0


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Levi’s", "levi's"),
        ("Levi`s", "LEVI´S"),
        ("  off   white ", "Off White"),
        ("off\u00a0white", "off white"),
        ("e\u0301te\u0301.jpg", "ÉTÉ.JPG"),
        ("ＲＥＤ", "red"),
        ("red\u200b", "\ufeffred"),
        ("Straße", "STRASSE"),
    ],
)
def test_spellings_of_one_name_fold_to_one(text: str, other: str) -> None:
    assert fold(text) == fold(other) == fold(fold(text))


@pytest.mark.parametrize(("text", "other"), [("été", "ete"), ("t-shirt", "t shirt"), ("a", "b")])
def test_other_names_stay_apart(text: str, other: str) -> None:
    assert fold(text) != fold(other)
