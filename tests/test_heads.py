"""Lexical evidence, zero-shot scores and decisions, on vectors that can be read by eye."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fashiontag
from fashiontag import colours
from fashiontag.errors import ModelError
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.statistics import GroupConstants, Moments, Statistics, unit
from fashiontag.heads.thresholds import Decider
from fashiontag.heads.zeroshot import TOLD, Evidence, Scores, ZeroShot, ensemble
from fashiontag.labels import LabelSpace, parse_labels

SPACE = parse_labels(
    {
        "groups": {
            "kind": {
                "labels": [
                    {"name": "shirt", "words": ["t-shirt", "shirt"], "implies": ["part=top"]},
                    "dress",
                    {"name": "shirt dress", "aliases": ["shirtdress"]},
                    {"name": "shorts", "implies": ["part=bottom"]},
                    {"name": "watch", "visible": True},
                ]
            },
            "part": {"labels": ["top", "bottom"]},
            "colour": {"exclusive": False, "labels": ["red", "blue", "navy blue"]},
            "fibre": {"visible": False, "labels": ["silk", "cotton"]},
        }
    },
    "toy",
    "toy.toml",
)


def named(title: str) -> dict[str, float]:
    scores = TitleMatcher(SPACE).score([title])[0]
    return {tag: float(scores[column]) for column, tag in enumerate(SPACE.tags) if scores[column]}


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("RED T-Shirts", {"kind=shirt": 1.0, "colour=red": 1.0}),
        ("men's tshirt", {"kind=shirt": 1.0}),
        ("T shirt in navy-blue", {"kind=shirt": 1.0, "colour=navy blue": 1.0}),
        ("red and blue", {"colour=red": 1.0, "colour=blue": 1.0}),
        ("shirt dress", {"kind=shirt dress": 1.0}),
        ("shirt with a dress", {"kind=shirt": 1.0, "kind=dress": 0.5}),
        ("dresses, watches", {"kind=dress": 0.5, "kind=watch": 1.0}),
        ("short sleeve", {}),
        ("hundred blues", {"colour=blue": 1.0}),
        ("", {}),
        ("!!! — ", {}),
    ],
)
def test_titles_name_labels(title: str, found: dict[str, float]) -> None:
    assert named(title) == found


def test_a_group_may_say_that_the_first_label_named_decides() -> None:
    colours = {"labels": ["red", "blue"], "first_named": True}
    space = parse_labels({"groups": {"colour": colours}}, "toy", "toy.toml")
    scores = TitleMatcher(space).score(["red shirt, blue collar"])
    np.testing.assert_array_equal(scores, [[1.0, 0.5]])


def test_prompts_are_normalised_before_and_after_averaging() -> None:
    # fashion-clip #31: text vectors that were not normalised ranked long prompts first
    mean = ensemble([np.array([[1, 0], [0, 1]], np.float32), np.array([[0, 1]], np.float32)])
    np.testing.assert_allclose(np.linalg.norm(mean, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(mean[0], [0.7071, 0.7071], atol=1e-4)


DIM = SPACE.size + 1
AXES = np.eye(DIM, dtype=np.float32)
"""Label k points along axis k, the background along the last."""


def statistics() -> Statistics:
    """Constants under which the axis that a vector points along wins."""
    flat = Moments(np.zeros(DIM, np.float32), np.zeros(DIM, np.float32), np.eye(DIM).astype("f4"))
    exclusive = GroupConstants(10, 3, 10, 10, 6, 3, cut_alone=0.4, cut=0.4)
    several = GroupConstants(8, 4, 8, 8, 6, 4, cut_alone=0.5, cut=0.5)
    return Statistics(flat, flat, np.zeros(DIM, np.float32), exclusive, several)


def score(
    images: np.ndarray, titles: np.ndarray | None = None, words: np.ndarray | None = None
) -> Scores:
    head = ZeroShot(SPACE, AXES[:-1], [AXES[-1:]] * 4, statistics())
    count = len(images)
    return head.score(
        Evidence(
            images=images,
            titles=np.zeros((count, DIM), np.float32) if titles is None else titles,
            titled=np.full(count, titles is not None or words is not None),
            words=np.zeros((count, SPACE.size), np.float32) if words is None else words,
        )
    )


def tags(scores: Scores, row: int = 0) -> dict[str, str]:
    given = Decider(SPACE).decide(scores)[row]
    return {f"{tag.group}={tag.label}": tag.source for tag in given}


def axis(tag: str) -> np.ndarray:
    return AXES[[SPACE.column(tag)]]


def test_a_picture_alone_gives_its_label_and_the_parent() -> None:
    assert tags(score(axis("kind=shirt") + axis("part=top"))) == {
        "kind=shirt": "image",
        "part=top": "image",
    }


def test_a_picture_of_nothing_stays_empty() -> None:
    assert tags(score(AXES[-1:])) == {}


def test_a_child_without_a_plausible_parent_is_not_given() -> None:
    space = parse_labels(
        {
            "groups": {
                "kind": {"labels": [{"name": "shirt", "implies": ["part=top"]}, "hat"]},
                "part": {"labels": ["top", "bottom", "foot"]},
            }
        },
        "toy",
        "toy.toml",
    )
    none = np.zeros((1, 2), np.float32)
    for top, expected in ((0.05, {"part=foot"}), (0.3, {"kind=shirt", "part=top"})):
        labels = np.array([[0.9, 0.1, top, 0.2, 0.6]], np.float32)
        marks = np.zeros((1, 5), bool)
        scores = Scores(labels, none, marks, marks, none)
        assert {f"{t.group}={t.label}" for t in Decider(space).decide(scores)[0]} == expected


def test_a_parent_is_at_least_as_likely_as_its_child() -> None:
    scores = score(axis("kind=shirt"))
    by_name = {tag.label: tag.score for tag in Decider(SPACE).decide(scores)[0]}
    assert by_name["top"] >= by_name["shirt"]


def test_sources_say_what_a_tag_rests_on() -> None:
    blank = np.zeros((1, SPACE.size), np.float32)
    words = blank.copy()
    words[0, SPACE.column("kind=dress")] = 1
    agree = score(axis("kind=dress"), axis("kind=dress"), words)
    assert tags(agree)["kind=dress"] == "both"
    told = score(unit(axis("colour=red") + axis("kind=shirt")), axis("kind=dress"), words)
    assert tags(told) == {"kind=dress": "title", "colour=red": "image"}


def test_an_invisible_label_needs_its_word_in_the_title() -> None:
    column = SPACE.column("fibre=silk")
    assert "fibre=silk" not in tags(score(axis("fibre=silk")))
    words = np.zeros((1, SPACE.size), np.float32)
    words[0, column] = 1
    assert tags(score(axis("kind=dress"), axis("fibre=silk"), words))["fibre=silk"] == "title"


def test_what_a_picture_cannot_show_it_cannot_contradict() -> None:
    space = parse_labels(
        {"groups": {"who": {"labels": ["men", "women", {"name": "kids", "visible": False}]}}},
        "toy",
        "toy.toml",
    )
    head = ZeroShot(space, AXES[:3], [AXES[-1:]], statistics())
    words = np.array([[0, 0, 1]], np.float32)
    evidence = Evidence(AXES[:1], np.zeros((1, DIM), np.float32), np.array([True]), words)
    ((given,),) = Decider(space).decide(head.score(evidence))
    assert (given.label, given.source) == ("kids", "title")


def named_alone(group: str, *labels: str) -> np.ndarray:
    words = np.zeros((1, SPACE.size), np.float32)
    words[0, [SPACE.column(f"{group}={label}") for label in labels]] = 1
    return words


def test_what_a_title_names_alone_is_given_where_the_picture_splits_its_vote() -> None:
    # three kinds at once: none of them reaches the cut
    split = unit(axis("kind=shirt") * 1.02 + axis("kind=watch") * 1.01 + axis("kind=shorts"))
    nothing = np.zeros_like(split)
    assert tags(score(split)).keys().isdisjoint({"kind=shirt", "kind=watch", "kind=shorts"})
    for kind in ("shirt", "watch", "shorts"):
        scores = score(split, nothing, named_alone("kind", kind))
        assert tags(scores)[f"kind={kind}"]
        assert scores.labels[0, SPACE.column(f"kind={kind}")] >= TOLD - 1e-6
        span = SPACE.span("kind")
        np.testing.assert_allclose(
            scores.labels[:, span].sum() + scores.unknown[0, 0], 1, atol=1e-5
        )


def test_what_a_picture_plainly_contradicts_is_not_believed() -> None:
    words = named_alone("kind", "dress")
    assert "kind=dress" not in tags(score(axis("kind=shirt"), None, words))  # behind by ten logits
    leaning = unit(axis("kind=shirt") + axis("kind=dress") * 0.4)  # by less than word and leeway
    assert "kind=dress" in tags(score(leaning, None, words))


def test_only_one_named_label_and_only_a_weighty_word_are_believed_so() -> None:
    split = unit(axis("kind=shirt") + axis("kind=watch") + axis("kind=dress"))
    both = score(split, None, named_alone("kind", "shirt", "watch"))
    assert both.labels[0, SPACE.span("kind")].max() < TOLD
    head = ZeroShot(SPACE, AXES[:-1], [AXES[-1:]] * 4, statistics())
    light = replace(head.statistics.exclusive, words=2.0)  # as of seasons
    head.statistics = replace(head.statistics, exclusive=light)
    titled, blank = np.array([True]), np.zeros((1, DIM), np.float32)
    scores = head.score(Evidence(split, blank, titled, named_alone("kind", "watch")))
    assert scores.labels[0, SPACE.span("kind")].max() < TOLD


def test_a_named_label_of_which_nothing_is_left_is_believed_all_the_same() -> None:
    head = ZeroShot(SPACE, AXES[:-1], [AXES[-1:]] * 4, statistics())
    head.statistics = replace(
        head.statistics, exclusive=replace(head.statistics.exclusive, title=400.0)
    )  # e^-400 is 0 in single precision
    split = unit(axis("kind=shirt") + axis("kind=dress"))
    named = named_alone("kind", "dress")
    scores = head.score(Evidence(split, axis("kind=shirt"), np.array([True]), named))
    assert scores.labels[0, SPACE.column("kind=dress")] == pytest.approx(TOLD)
    assert scores.labels[0, SPACE.span("kind")].sum() + scores.unknown[0, 0] == pytest.approx(1)


def test_a_group_of_one_label_says_where_it_comes_from() -> None:
    space = parse_labels({"groups": {"shelf": {"labels": ["dress"]}}}, "one", "one.toml")
    head = ZeroShot(space, AXES[:1], [AXES[-1:]], statistics())
    titled, blank = np.array([True]), np.zeros((1, DIM), np.float32)
    for picture, word, source in ((AXES[:1], 0, "image"), (AXES[:1], 1, "both")):
        words = np.array([[word]], np.float32)
        ((given,),) = Decider(space).decide(head.score(Evidence(picture, blank, titled, words)))
        assert given.source == source


def test_scores_do_not_depend_on_the_other_products() -> None:
    rng = np.random.default_rng(0)
    images = unit(rng.normal(size=(50, DIM)).astype(np.float32))
    alone = score(images[:1])
    among = score(images)
    np.testing.assert_allclose(alone.labels[0], among.labels[0], atol=1e-6)
    np.testing.assert_allclose(alone.unknown[0], among.unknown[0], atol=1e-6)


def test_exclusive_groups_share_one_with_unknown() -> None:
    scores = score(unit(np.random.default_rng(1).normal(size=(9, DIM)).astype(np.float32)))
    span = SPACE.span("kind")
    np.testing.assert_allclose(scores.labels[:, span].sum(1) + scores.unknown[:, 0], 1, atol=1e-5)
    assert scores.labels.min() >= 0
    assert scores.labels.max() <= 1


def test_every_label_and_unknown_can_be_asked_for() -> None:
    table = Decider(SPACE).all_scores(score(axis("kind=dress")), 0)
    assert set(table["kind"]) == {"shirt", "dress", "shirt dress", "shorts", "watch", "unknown"}
    assert set(table["colour"]) == {"red", "blue", "navy blue"}


def test_where_unknown_has_the_majority_the_picture_gives_nothing() -> None:
    head = ZeroShot(SPACE, AXES[:-1], [AXES[-1:]] * 4, statistics())
    # red, but of no kind that the label file has
    red, red_dress = axis("colour=red"), unit(axis("colour=red") + axis("kind=dress"))
    assert head.blank(np.concatenate([AXES[-1:], red, red_dress])).tolist() == [True, True, False]
    # a model that was measured to be less sure of "nothing" is refused sooner
    lead = head.lead(red_dress)[0]
    for blank, expected in ((lead - 0.1, [True, True, True]), (lead + 0.1, [True, True, False])):
        own = replace(head.statistics.exclusive, blank=float(blank))
        head.statistics = replace(head.statistics, groups={f"{SPACE.name}/kind": own})
        assert head.blank(np.concatenate([AXES[-1:], red, red_dress])).tolist() == expected
    assert tags(score(red)) == {}
    assert tags(score(red_dress)) == {"kind=dress": "image", "colour=red": "image"}
    # the title is believed all the same, and says so
    words = np.zeros((1, SPACE.size), np.float32)
    words[0, SPACE.column("kind=dress")] = 1
    assert tags(score(AXES[-1:], words=words)) == {"kind=dress": "title"}
    # where it is known to be a product, of a kind that was left out, its colour still ranks
    nothing, titled = np.zeros((1, DIM), np.float32), np.array([False])
    evidence = Evidence(red, nothing, titled, np.zeros_like(words))
    assert head.score(evidence).labels[0, SPACE.span("colour")].max() == 0
    ranked = head.score(evidence, refuse=False).labels[0]
    assert ranked[SPACE.span("colour")].argmax() == 0


def test_on_a_busy_ground_less_is_enough_to_show_nothing() -> None:
    head = ZeroShot(SPACE, AXES[:-1], [AXES[-1:]] * 4, statistics())
    picture = np.repeat(unit(axis("kind=dress") + AXES[-1:] / 2), 3, axis=0)
    own = replace(head.statistics.exclusive, blank=float(head.lead(picture)[0]) + 1)
    head.statistics = replace(head.statistics, groups={f"{SPACE.name}/kind": own})
    measured = np.zeros((3, colours.size()), np.float32)
    measured[:, -1] = colours.WHITE, colours.PLAIN, colours.BUSY
    assert head.blank(picture, measured).tolist() == [False, False, True]
    head.statistics = replace(head.statistics, image=None)  # nobody measured that model's
    assert not head.blank(picture, measured).any()


def test_statistics_survive_a_round_trip(tmp_path) -> None:
    moments = Moments.fit(unit(np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32)))
    own = GroupConstants(1, 2, 3, 4, 5, 6, 0.1, 0.2, "val")
    saved = Statistics(moments, moments, np.ones(4, np.float32), groups={"toy/kind": own})
    saved.save(tmp_path / "statistics.safetensors")
    loaded = Statistics.load(tmp_path, 4)
    assert loaded.of("toy", "kind", exclusive=True) == own
    assert loaded.of("toy", "else", exclusive=True) == saved.exclusive
    np.testing.assert_array_equal(loaded.image.covariance, moments.covariance)


def test_statistics_of_another_model_are_refused(tmp_path) -> None:
    moments = Moments.fit(unit(np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32)))
    Statistics(moments, moments, np.ones(4, np.float32)).save(tmp_path / "statistics.safetensors")
    with pytest.raises(ModelError, match="4 dimensions"):
        Statistics.load(tmp_path, 8)
    (tmp_path / "statistics.safetensors").write_bytes(b"half a file")
    with pytest.raises(ModelError, match="can't be read"):
        Statistics.load(tmp_path, 4)


def test_a_model_without_statistics_says_so() -> None:
    neutral = Statistics.load(None, 512)
    assert not neutral.fitted
    head = ZeroShot(SPACE, AXES[:-1], [AXES[-1:]] * 4, neutral)
    scores = head.score(
        Evidence(
            axis("kind=dress"),
            np.zeros((1, DIM), np.float32),
            np.array([False]),
            np.zeros((1, SPACE.size), np.float32),
        )
    )
    assert tags(scores)["kind=dress"] == "image"


def open_space(count: int) -> LabelSpace:
    names = [f"mood {number}" for number in range(count)]
    return parse_labels({"groups": {"mood": {"exclusive": False, "labels": names}}}, "own", "own")


KINDS = 40


def open_scores(
    count: int, cosines: np.ndarray, statistics: Statistics, named: np.ndarray | None = None
) -> Scores:
    """Score pictures that have these cosines, (n, count), with the labels, and 0 with all kinds.

    `named` are the labels that their titles name, shape (n, count).
    """
    dim = count + KINDS + 1
    axes = np.eye(dim, dtype=np.float32)
    usual = 0.02 * np.sin(np.arange(KINDS))  # so that cosines with the reference vary
    pictures = np.hstack([cosines, np.broadcast_to(usual, (len(cosines), KINDS))])
    rest = np.sqrt(1 - (pictures**2).sum(axis=1, keepdims=True))
    images = np.hstack([pictures, rest]).astype(np.float32)
    space = open_space(count)
    head = ZeroShot(space, axes[:count], [axes[-1:] * 0], statistics, axes[count:-1])
    words = np.zeros((len(images), count), np.float32) if named is None else named
    titled = np.full(len(images), named is not None)
    return head.score(Evidence(images, images, titled, words.astype(np.float32)))


def shipped_open() -> Statistics:
    folder = Path(fashiontag.__file__).parent / "encoders" / "mini"
    return Statistics(open=Statistics.load(folder, 256).open)


@pytest.mark.parametrize("constants", [Statistics(), shipped_open()], ids=["neutral", "embedded"])
@pytest.mark.parametrize("count", [1, 2, 7, 12, 60])
def test_a_picture_can_reach_every_label_of_a_users_open_group(
    count: int, constants: Statistics
) -> None:
    plain = np.zeros((count + 1, count))
    plain[np.arange(count), np.arange(count)] = 0.3  # the last picture is of none
    scores = open_scores(count, plain, constants)
    given = [[tag.label for tag in row] for row in Decider(open_space(count)).decide(scores)]
    assert given == [[f"mood {number}"] for number in range(count)] + [[]]


@pytest.mark.parametrize("constants", [Statistics(), shipped_open()], ids=["neutral", "embedded"])
def test_a_score_of_an_open_group_depends_on_no_other_label_and_no_other_picture(
    constants: Statistics,
) -> None:
    rng = np.random.default_rng(1)
    cosines = rng.uniform(0, 0.15, (5, 12))
    many = open_scores(12, cosines, constants).labels
    np.testing.assert_allclose(
        open_scores(3, cosines[:, :3], constants).labels, many[:, :3], atol=1e-5
    )
    np.testing.assert_array_equal(open_scores(12, cosines[2:3], constants).labels, many[2:3])


@pytest.mark.parametrize("constants", [Statistics(), shipped_open()], ids=["neutral", "embedded"])
@pytest.mark.parametrize("cosine", [0.0, 0.02, -0.02])
def test_a_titles_word_gives_a_label_of_a_users_open_group(
    constants: Statistics, cosine: float
) -> None:
    named = np.eye(7)[[2]]
    scores = open_scores(7, np.full((1, 7), cosine), constants, named)
    (row,) = Decider(open_space(7)).decide(scores)
    assert [(tag.label, tag.source) for tag in row] == [("mood 2", "title")]


# --- labels under others ------------------------------------------------------------------------

TREE = parse_labels(
    {
        "groups": {
            "kind": {
                "labels": [
                    "hat",
                    {"name": "shoes", "words": ["shoe"]},
                    {"name": "sneakers", "parent": "shoes"},
                    {"name": "boots", "parent": "shoes"},
                ]
            },
            "use": {"labels": [{"name": "outdoor", "implies": ["kind=shoes"]}, "indoor"]},
            "cloth": {
                "exclusive": False,
                "labels": ["knit", {"name": "cable", "parent": "knit"}],
            },
        }
    },
    "tree",
    "tree.toml",
)


def tree_scores(labels: list[float], unknown: tuple[float, ...], cut: float = 0.5) -> Scores:
    marks = np.zeros((1, TREE.size), bool)
    marks[0, 2] = True
    unsure = np.array([unknown], np.float32)
    return Scores(np.array([labels], np.float32), unsure, marks, ~marks, np.full((1, 3), cut, "f4"))


def test_where_no_child_is_sure_their_parent_is_given_with_their_scores_together() -> None:
    scores = tree_scores([0.1, 0.0, 0.4, 0.4, 0.0, 0.2, 0.0, 0.0], (0.1, 0.8, 0))
    (tag,) = Decider(TREE).decide(scores)[0]
    assert (tag.tag, tag.source, round(tag.score, 4)) == ("kind=shoes", "both", 0.8)
    table = Decider(TREE).all_scores(scores, 0)["kind"]
    assert table["shoes"] == pytest.approx(table["sneakers"] + table["boots"])
    assert table["shoes"] + table["hat"] + table["unknown"] == pytest.approx(1)


def test_a_child_that_is_sure_takes_its_parents_place() -> None:
    scores = tree_scores([0.1, 0.0, 0.7, 0.1, 0.0, 0.2, 0.0, 0.0], (0.1, 0.8, 0))
    assert [tag.tag for tag in Decider(TREE).decide(scores)[0]] == ["kind=sneakers"]


def test_a_parent_that_is_implied_leaves_the_child_that_says_more() -> None:
    scores = tree_scores([0.1, 0.0, 0.7, 0.1, 0.8, 0.1, 0.0, 0.0], (0.1, 0.1, 0))
    assert [t.tag for t in Decider(TREE).decide(scores)[0]] == ["kind=sneakers", "use=outdoor"]


def test_unknown_beats_a_parent_as_it_beats_a_label() -> None:
    scores = tree_scores([0.1, 0.0, 0.2, 0.2, 0.0, 0.2, 0.0, 0.0], (0.5, 0.8, 0), cut=0.3)
    assert Decider(TREE).decide(scores) == [()]


def test_in_an_open_group_a_child_brings_its_parent_along() -> None:
    scores = tree_scores([0.1, 0.0, 0.1, 0.1, 0.0, 0.2, 0.2, 0.9], (0.7, 0.8, 0))
    found = Decider(TREE).decide(scores)[0]
    assert [(tag.tag, round(tag.score, 2)) for tag in found] == [
        ("cloth=cable", 0.9),
        ("cloth=knit", 0.9),
    ]


def test_a_title_that_names_a_parent_speaks_for_all_under_it() -> None:
    size = TREE.size
    axes = np.eye(size + 1, dtype=np.float32)
    head = ZeroShot(TREE, axes[:-1], [axes[-1:]] * 3, statistics())
    words = TitleMatcher(TREE).score(["Black shoe"])
    assert words[0].nonzero()[0].tolist() == [1]
    image = unit(axes[[0]] + axes[[2]])  # a hat as much as sneakers
    told = head.score(Evidence(image, image * 0, np.array([True]), words))
    assert told.labels[0, 1] == 0  # one of the lowest holds, if any does
    assert told.labels[0, 2] > 0.9
    (tag, *_) = Decider(TREE).decide(told)[0]
    assert tag.tag == "kind=sneakers"


PATHS = parse_labels(
    {
        "groups": {
            "shelf": {
                "labels": [
                    *("Women > Shoes > Heels", "Women > Shoes > Boots", "Men > Shoes > Boots"),
                    *("Women > Dresses", "Socks > Socks"),
                ]
            }
        }
    },
    "paths",
    "paths.toml",
)


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Women's leather boots", {"Women > Shoes > Boots": 1}),
        ("Boots for men", {"Men > Shoes > Boots": 1}),
        ("Ladies boots", {"Women > Shoes > Boots": 1}),
        ("Gents black shoes", {"Men > Shoes": 1}),
        ("Black boots", {"Women > Shoes > Boots": 1, "Men > Shoes > Boots": 1}),
        ("Heels women", {"Women > Shoes > Heels": 1}),
        ("Men heels", {"Women > Shoes > Heels": 1, "Men": 0.5}),
        ("Wool socks", {"Socks > Socks": 1}),
    ],
)
def test_the_upper_parts_of_a_path_tell_its_labels_apart(title: str, found: dict) -> None:
    scores = TitleMatcher(PATHS).score([title])[0]
    names = PATHS.groups[0].names
    assert {names[at]: scores[at] for at in scores.nonzero()[0]} == found


def test_a_picture_gives_no_label_of_a_group_that_is_out_of_question() -> None:
    """A bag has no sleeve, whatever a picture says; what a title says of it stays."""
    content = {
        "kind": {"labels": ["bag", "shoes", {"name": "sneakers", "parent": "shoes"}]},
        "sole": {"labels": ["flat"], "applies": ["kind=shoes"]},
    }
    space = parse_labels({"groups": content}, "mine", "mine.toml")

    def given(kinds: list[float], by_title: bool) -> list[str]:
        scores = np.array([[*kinds, 0.9]], np.float32)
        title = np.full(scores.shape, by_title)
        found = Scores(scores, np.zeros((1, 2), "f4"), ~title, title, np.full((1, 2), 0.5, "f4"))
        return [tag.tag for tag in Decider(space).decide(found)[0]]

    assert given([0.9, 0.0, 0.1], by_title=False) == ["kind=bag"]
    assert given([0.9, 0.0, 0.1], by_title=True) == ["kind=bag", "sole=flat"]
    assert given([0.1, 0.0, 0.9], by_title=False) == ["kind=sneakers", "sole=flat"]
    assert given([0.3, 0.0, 0.3], by_title=False) == ["sole=flat"]  # nobody knows what it is


def test_a_users_list_of_kinds_is_not_given_to_another_kind() -> None:
    space = parse_labels({"groups": {"bag": {"labels": ["tote", "clutch"]}}}, "bags", "bags.txt")
    kinds = np.eye(6, dtype=np.float32)  # the first two are the labels themselves
    head = ZeroShot(space, kinds[:2], [np.zeros((0, 6), np.float32)], Statistics(), kinds)
    pictures = unit(np.array([[1, 0, 0, 0, 0, 0], [0.3, 0, 0.9, 0, 0, 0]], np.float32))
    none = np.zeros((2, 2), np.float32)
    scores = head.score(Evidence(pictures, pictures, np.zeros(2, bool), none))
    given = [[tag.label for tag in row] for row in Decider(space).decide(scores)]
    assert given == [["tote"], []]


def test_a_users_group_of_general_words_asks_for_less() -> None:
    content = {"labels": ["top", "bottom"]}
    space = parse_labels({"groups": {"part": content}}, "own", "own")
    kinds = np.eye(6, dtype=np.float32)
    general = unit(np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], np.float32))
    head = ZeroShot(space, general, [np.zeros((0, 6), np.float32)], Statistics(), kinds)
    scores = head.score(
        Evidence(kinds[:1], kinds[:1], np.zeros(1, bool), np.zeros((1, 2), np.float32))
    )
    assert [tag.label for tag in Decider(space).decide(scores)[0]] == ["top"]


def test_without_statistics_too_a_picture_of_nothing_has_no_say() -> None:
    kinds = np.eye(4, dtype=np.float32)
    head = ZeroShot(open_space(1), kinds[:1], [kinds[3:]], Statistics(), kinds[:3])
    np.testing.assert_array_equal(head.blank(kinds[[3, 0]]), [True, False])
