"""What the training of the embedded model promises about what it has seen."""

import pytest

from benchmarks.train_mini import words


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
