"""The local head: what labelled products change, what they leave alone, and what may be given."""

import numpy as np
import pytest

from fashiontag.heads.local import (
    ANCHORS,
    FITTED,
    Directions,
    Evidenced,
    LocalGroup,
    Promise,
    Standing,
    Verdict,
    affordable,
    fit_group,
    fit_local,
    known_shares,
    similarity,
)
from fashiontag.heads.statistics import unit
from fashiontag.heads.zeroshot import Scores
from fashiontag.labels import parse_labels

LABELS, DIMS = 6, 32


def products(count, seed, *, blind=(), spread=0.35):
    """Products around their kind's direction, titles alike; zero-shot takes `blind` for the next.

    Returns where they lie with what zero-shot says, and their kinds.
    """
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(np.random.default_rng(9).normal(size=(DIMS, DIMS)))[0][:LABELS]
    kind = rng.integers(0, LABELS, count)
    image, title = (
        unit((centres[kind] + spread * rng.normal(size=(count, DIMS)) / 2).astype("f4"))
        for _ in range(2)
    )
    said = np.where(np.isin(kind, blind), (kind + 1) % LABELS, kind)
    zero = np.full((count, LABELS + 1), 0.2 / LABELS, np.float32)
    zero[np.arange(count), said] = 0.8
    given = np.arange(LABELS) == said[:, None]
    return Evidenced(Directions(image, title), zero, given), kind


def one_hot(kind):
    return np.eye(LABELS + 1, dtype=np.float32)[kind]


def teach(taught, kind, catalogue, **options):
    families = np.arange(len(kind))
    return fit_group(taught, one_hot(kind), families, catalogue, fuses=True, **options)


def judge(fitted, taught, catalogue, asked):
    group = fitted.group
    keys = Directions(*(np.vstack(pair) for pair in zip(taught.at, catalogue.at, strict=True))).of(
        group.keys
    )
    near = similarity(asked.at, keys, FITTED.sharpness, fuses=True)
    return group.judge(asked.zero, asked.given, near @ group.alpha)


def given(verdict):
    best = verdict.chances.argmax(axis=1)
    return np.where(verdict.chances.max(axis=1) >= verdict.cut, best, LABELS)


def test_what_is_taught_of_a_kind_mends_it_and_no_other_one_loses():
    catalogue, _ = products(600, 1, blind=(2,))
    some, kind = products(600, 2, blind=(2,))
    rows = np.append(np.flatnonzero(kind == 2)[:60], np.flatnonzero(kind != 2)[:300])
    taught = some.of(rows)
    found = given(judge(teach(taught, kind[rows], catalogue), taught, catalogue, some))
    rest = np.setdiff1d(np.arange(600), rows)
    assert (found[rest][kind[rest] == 2] == 2).mean() > 0.6
    assert (found[kind != 2] == kind[kind != 2]).all()


def test_a_label_that_stays_wins_however_little_its_group_is_trusted():
    group = LocalGroup(*[np.zeros(0, int)] * 2, -3.0, (0.0, 1.0), 1.0, 0.0, 2.0, np.zeros(3))
    zero = np.array([[0.45, 0.3, 0.15, 0.1]], "f4")
    verdict = group.judge(zero, np.array([[True, False, False]]), np.zeros_like(zero))
    own, others = verdict.chances[0, 0], verdict.chances[0, 1:]
    assert own < 0.1
    assert others.sum() < own  # no parent of theirs, nor "none of these", takes its place


def test_of_products_of_one_label_alone_nothing_is_learned_that_takes_anothers_place():
    catalogue, _ = products(600, 1)  # where zero-shot gives it, too
    some, kind = products(200, 2, blind=(2,))
    rows = np.flatnonzero(kind == 2)[:12]
    taught = some.of(rows)
    found = given(judge(teach(taught, kind[rows], catalogue), taught, catalogue, some))
    before = some.zero.argmax(axis=1)
    assert np.isin(found, [LABELS]).mean() < 0.3
    assert ((found == before) | (found == LABELS)).all()


def test_people_are_believed_about_a_label_that_zero_shot_never_gives():
    catalogue, rare = products(600, 1, blind=(2,))
    catalogue = catalogue.of(np.append(np.flatnonzero(rare != 2), np.flatnonzero(rare == 2)[:15]))
    some, kind = products(400, 2, blind=(2,))
    rows = np.flatnonzero(kind == 2)[:24]
    taught = some.of(rows)
    found = given(judge(teach(taught, kind[rows], catalogue), taught, catalogue, some))
    rest = np.setdiff1d(np.arange(400), rows)
    assert (found[rest][kind[rest] == 2] == 2).mean() > 0.6
    assert (found[kind != 2] == kind[kind != 2]).all()


def test_what_lies_far_from_all_that_was_labelled_keeps_what_zero_shot_says():
    some, kind = products(40, 2)
    nobody, _ = products(0, 3)
    fitted = teach(some.of([0]), kind[:1], nobody)
    far = -some.at.image[:1]
    near = similarity(Directions(far, far), some.of([0]).at, FITTED.sharpness, fuses=True)
    assert near.max() < 0.2
    assert np.abs(near @ fitted.group.alpha).max() < 0.05


def test_left_out_is_what_a_fit_without_the_family_says():
    catalogue, _ = products(50, 1)
    some, kind = products(12, 2, blind=(1, 4))
    families = np.repeat(np.arange(6), 2)
    truth = one_hot(kind)
    whole = fit_group(some, truth, families, catalogue, fuses=True)
    rest = families != 3
    part = fit_group(some.of(rest), truth[rest], families[rest], catalogue, fuses=True)
    keys = Directions(
        *(np.vstack(pair) for pair in zip(some.of(rest).at, catalogue.at, strict=True))
    )
    moved = similarity(some.of(~rest).at, keys, FITTED.sharpness, fuses=True) @ part.group.alpha
    # One calibration for both, which is not what is compared.
    lone = whole.group.judge(some.zero[~rest], some.given[~rest], moved)
    assert lone.chances == pytest.approx(whole.left_out.chances[~rest], abs=0.02)


def test_none_of_these_can_be_taught():
    catalogue, _ = products(400, 1)
    some, kind = products(300, 2)
    truth = np.where(kind == 4, LABELS, kind)  # what zero-shot calls the fifth belongs nowhere
    rows = np.concatenate([np.flatnonzero(kind == k)[:10] for k in range(LABELS)])
    taught = some.of(rows)
    verdict = judge(teach(taught, truth[rows], catalogue), taught, catalogue, some)
    rest = np.setdiff1d(np.arange(300), rows)
    none = verdict.chances[rest, LABELS]
    assert none[kind[rest] == 4].mean() > 4 * none[kind[rest] != 4].mean()


def test_where_zero_shot_gives_nothing_sure_labels_are_given_all_the_same():
    catalogue, _ = products(300, 1)
    some, kind = products(300, 2)
    silent = [
        Evidenced(one.at, np.full_like(one.zero, 1 / (LABELS + 1)), np.zeros_like(one.given))
        for one in (catalogue, some)
    ]
    taught = silent[1].of(np.arange(120))
    fitted = teach(taught, kind[:120], silent[0])
    found = given(judge(fitted, taught, silent[0], silent[1].of(np.arange(120, 300))))
    told = found < LABELS
    assert told.mean() > 0.3
    assert (found[told] == kind[120:][told]).mean() > 0.95


def test_the_budget_is_what_was_taken_away_and_where_zero_shot_is_silent_a_share():
    sure = np.array([0.99, 0.95, 0.9, 0.5], np.float32)
    assert affordable(sure, 0.0, 1.5, silent=False) == 0
    assert affordable(sure, 0.3, 1.5, silent=False) == 3
    assert affordable(sure, 10.0, 1.5, silent=False) == 4
    assert affordable(np.full(40, 0.98, np.float32), 0.0, 1.5, silent=True) == 40
    assert affordable(np.full(40, 0.9, np.float32), 0.0, 1.5, silent=True) == 0


def test_a_head_knows_all_labels_of_its_groups_and_judges_untitled_products_by_their_picture():
    space = parse_labels(
        {
            "groups": {
                "kind": {"labels": [*"abcdef"]},
                "mood": {"labels": ["x", "y"], "exclusive": False},
                "size": {"labels": ["s", "m"]},
            }
        },
        "own",
        "own",
    )
    some, kind = products(60, 2)
    title = some.at.title.copy()
    title[::2] = 0
    at = Directions(some.at.image, title)
    targets = np.full((60, 10), -1, np.int8)
    targets[:, :6] = one_hot(kind)[:, :6]
    scores = Scores(
        np.hstack([some.zero[:, :6], np.full((60, 4), 0.4, "f4")]),
        np.full((60, 3), 0.1, "f4"),
        *(np.zeros((60, 10), bool) for _ in range(2)),
        np.zeros((60, 3), "f4"),
    )
    fit = fit_local(space, (at, scores), targets, np.arange(60), (at, scores), Promise(0.5))
    assert fit.head.space.tags == tuple(f"kind={name}" for name in "abcdef")
    assert [*fit.head.titled] == [*fit.head.alone] == ["kind"]
    assert np.isnan(fit.chances[:, 6:]).all()
    assert not np.isnan(fit.chances[:, :6]).any()
    assert len(fit.head.titled["kind"].keys) < len(fit.head.alone["kind"].keys)
    assert np.isfinite(fit.promises[:, :6]).any()
    columns = np.array([0, 1, 2, 3, 4, -1, 5])  # a space that lacks the last label
    fewer = Evidenced(at, some.zero[:, [0, 1, 2, 3, 4, 6]], some.given[:, :5])
    verdict = fit.head.judge("kind", fewer, columns)
    assert verdict.chances.shape == (60, 6)
    assert verdict.chances.sum(axis=1).max() <= 1 + 1e-4


def test_where_nobody_gives_a_label_zero_shot_stands_so_that_ties_give_their_parent():
    chances = np.array([[0.4, 0.4, 0.2], [0.3, 0.1, 0.6], [0.9, 0.0, 0.1], [0.4, 0.4, 0.2]], "f4")
    verdict = Verdict(chances, np.array([2.0, 2.0, 0.5, 2.0], "f4"))
    given = np.array([[0, 0], [0, 0], [0, 0], [1, 0]], bool)
    assert verdict.told(given).tolist() == [False, True, True, True]
    parent = np.ones((4, 2), bool)
    assert verdict.told(parent).tolist() == [False, True, True, False]


def test_a_parent_stays_unless_a_label_under_it_or_a_far_likelier_one_is_found():
    given = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
    chances = np.array(
        [
            [0.7, 0.1, 0.1, 0.1],  # one under it
            [0.3, 0.1, 0.5, 0.1],  # another, hardly likelier
            [0.1, 0.1, 0.7, 0.1],  # another, far likelier
            [0.4, 0.1, 0.45, 0.05],  # its own label stays
            [0.1, 0.1, 0.6, 0.2],
        ],
        "f4",
    )
    found = Standing.of(given, chances, 0.2)
    assert found.stays.tolist() == [False, False, False, True, False]
    assert found.replaced.tolist() == [False, False, True, False, False]
    assert found.new.tolist() == [True, False, False, False, True]
    assert found.best[[0, 2, 3, 4]].tolist() == [0, 2, 0, 2]
    assert found.own[1] == pytest.approx(0.4)


def test_anchors_are_few_however_large_the_catalogue_is():
    catalogue, _ = products(ANCHORS + 500, 1)
    some, kind = products(20, 2)
    assert len(teach(some, kind, catalogue).group.keys) == ANCHORS + 20


def test_a_labelled_parent_is_shared_out_as_zero_shot_has_it_and_promises_nothing_by_itself():
    own = np.array([[1, -1, -1, 0], [0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]], np.int8)
    zero = np.array([[0.0, 0.6, 0.2, 0.1, 0.1]] * 4, np.float32)
    truth = known_shares(own, zero)
    assert truth[0] == pytest.approx([0, 0.75, 0.25, 0, 0], abs=1e-3)
    assert truth[1:].tolist() == [[0, 0, 1, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]
