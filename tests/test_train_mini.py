"""What the training of the embedded model promises about what it has seen."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.train_mini import dictionary, texts, words
from fashiontag.encoders import resolve
from fashiontag.heads.statistics import Statistics


def test_open_vocabulary_has_thirty_words_with_values_that_the_catalogue_has():
    from fashiontag.labels import load_labels

    space = load_labels("fashion-products")
    vocabulary = words.open_vocabulary()
    assert sum(map(len, vocabulary.values())) >= 30
    for group, entries in vocabulary.items():
        names = {label.name for label in space.group(group).labels}
        for word, right in entries.items():
            assert set(right) <= names, word


@pytest.mark.parametrize(
    "text", ["Nike Trainers", "a crimson dress", "Pumps", "two pullovers", "frock"]
)
def test_a_text_with_an_open_vocabulary_word_is_refused(text):
    assert not words.Filter()(text)


@pytest.mark.parametrize(
    "text", ["Puma Men Blue Sneakers", "red dress", "a training shoe", "trainable"]
)
def test_other_texts_pass(text):
    assert words.Filter()(text)


def test_a_refused_word_leaves_its_place_in_the_sentence():
    split = words.Filter().split
    assert split("a photo of the Pullovers, red") == ("pullovers", "a photo of the {}, red")
    with pytest.raises(ValueError, match="no refused word"):
        split("a red dress")


def test_rounds_follow_each_other_and_the_last_one_ends():
    round_at = pytest.importorskip("benchmarks.train_mini.image").round_at
    assert round_at(0, [2, 1]) == (0, 0.0)
    assert round_at(60, [2, 1]) == (0, 0.5)
    assert round_at(120, [2, 1]) == (1, 0.0)
    assert round_at(150, [2, 1]) == (1, 0.5)
    assert round_at(200, [2, 1]) == (1, 1.0)


def test_no_prompt_or_composed_caption_holds_an_open_vocabulary_word():
    forbidden = words.words_pattern(w for g in words.open_vocabulary().values() for w in g)
    allowed = words.Filter()
    groups = words.build_groups(allowed, frozenset(), frozenset())
    for group in groups:
        for sentences in group.sentences:
            assert not [s for s in sentences if forbidden.search(s.lower())], group.name
    targets = words.Targets(groups)
    captions = words.Captions(targets, allowed)
    said = 0
    for articles in range(len(targets.groups["articleType"].labels)):
        for colour in range(len(targets.groups["baseColour"].labels)):
            text = captions.compose({"articleType": [articles], "baseColour": [colour]}, "Men")
            if text:
                said += 1
                assert not forbidden.search(text.lower()), text
    assert said > 1000
    assert captions.title("Nike Men Crimson T-shirt") is None


def test_held_out_types_are_no_labels():
    groups = words.build_groups(words.Filter(["jeans"]), frozenset({"Jeans"}), frozenset({"usage"}))
    names = {g.name: g for g in groups}
    assert "usage" not in names
    assert "occasion" not in names
    assert "Jeans" not in names["articleType"].labels


def test_no_caption_names_what_is_held_out():
    material = pytest.importorskip("benchmarks.train_mini.material")
    types, columns = frozenset({"Jeans", "Sports Shoes"}), frozenset({"usage"})
    allowed = words.Filter(material.held_words(types, columns))
    groups = words.build_groups(allowed, types, columns)
    captions = words.Captions(words.Targets(groups), allowed)
    named = re.compile(r"\b(jeans?|sports? shoes?|trainers?|casual|formal|sports?|ethnic)\b")
    for group in groups:
        for sentences in group.sentences[:-1]:
            assert not [s for s in sentences if named.search(s.lower())], group.name
    assert captions.title("Levis Men Blue Jeans") is None
    assert captions.title("Nike Women Sports Shoe") is None
    assert captions.title("Levis Men Casual Shirt") is None
    assert captions.title("Levis Men Blue Shirt") == "Levis Men Blue Shirt"


# As WordNet writes nouns: place, file, kind, number of words, the words, number of pointers.
NOUNS = """\
  1 This line belongs to the licence.
00000010 06 n 01 footwear 0 001 ~ 00000020 n 0000 | what is worn on feet
00000020 06 n 01 shoe 0 002 @ 00000010 n 0000 ~ 00000030 n 0000 | a covering for the foot
00000030 06 n 01 brogue 0 001 @ 00000020 n 0000 | a heavy shoe
00000040 10 n 01 brogue 0 000 | a way of speaking
00000050 06 n 03 backpack 0 rucksack 0 back_pack 0 000 | a bag carried on the back
"""


def test_a_dictionary_places_a_word_no_further_than_a_step_from_known_ones(tmp_path):
    (tmp_path / "data.noun").write_text(NOUNS)
    found = dictionary.Dictionary(tmp_path)
    known = {p: ["shoes"] for p in found.of("shoes", dictionary.ARTEFACTS)}
    known |= {p: ["backpack"] for p in found.of("backpack", dictionary.ARTEFACTS)}

    def near(word):
        return found.nearest(word, known, dictionary.ARTEFACTS)

    same, kind = dictionary.TRUST
    assert near("rucksacks") == {"backpack": same}
    assert near("brogues") == near("footwear") == {"shoes": kind}
    assert near("sandal") == {}
    assert "rucksack" in found.around(known)
    del known[found.of("shoes", dictionary.ARTEFACTS)[0]]
    assert near("brogues") == {}


def test_words_beside_minilm_are_those_that_captions_hold(tmp_path, monkeypatch):
    def flat(said, work, *, threads=2):
        return np.zeros((len(said), texts.MINILM), np.float16)

    monkeypatch.setattr(texts, "embed", flat)
    texts.remember_words(["Nike shoes", "nike cap", "Nike's tee"], tmp_path)
    nike, also, unknown = texts.read(["NIKE", "Nike Xyz", "Xyz"], tmp_path)
    assert np.array_equal(nike, also)
    assert abs(np.linalg.norm(nike.astype(float)) - 1) < 0.01
    assert not unknown.any()


def test_the_sibling_loads_and_borrows_the_constants_of_what_was_held_out():
    folder = Path(__file__).parents[1] / "benchmarks" / "train_mini" / "sibling"
    encoder = resolve(f"local-dir:{folder}")  # which checks its self-test
    assert encoder.encode_texts(["a red dress"]).vectors.shape == (1, encoder.dim)
    statistics = Statistics.load(encoder.folder, encoder.dim)
    assert statistics.groups.keys() >= {"fashion-products/articleType", "fashion/category"}
    assert not statistics.groups.keys() & {"fashion-products/usage", "fashion/occasion"}
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 12e6
