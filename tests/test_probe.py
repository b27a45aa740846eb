"""The probe as an estimator: scikit-learn's contract, exactness, families, missing titles."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from two_sides import two_sides

from fashiontag.heads.calibration import candidates, f1_thresholds, outlook, promise_thresholds
from fashiontag.heads.classifier import ProbeClassifier
from fashiontag.heads.features import Features, Parts, Vocabulary, Widths
from fashiontag.heads.groups import GroupSpan
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.linear import Block, Labelled, Ridge, with_one
from fashiontag.heads.prior import Prior, ZeroLogits, zero_shot_prior
from fashiontag.heads.statistics import GroupConstants, Moments, Statistics, unit
from fashiontag.heads.zeroshot import Evidence, ZeroShot
from fashiontag.labels import parse_labels


@parametrize_with_checks([ProbeClassifier()])
def test_scikit_learns_contract(estimator, check):
    check(estimator)


def bits(seed=0, n=60, labels=5, dims=12):
    """Products of five kinds in families of one to three, as vectors around their kind."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, labels, n)
    x = rng.normal(size=(labels, dims))[kind] + rng.normal(size=(n, dims))
    families = np.sort(rng.integers(0, n // 2, n))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x.astype(np.float32), (kind[:, None] == np.arange(labels)).astype(np.int8), families


def exclusive(size):
    """One exclusive group of so many labels."""
    return [GroupSpan(slice(0, size), exclusive=True)]


@pytest.mark.parametrize("dims", [12, 200], ids=["primal", "dual"])
def test_left_out_scores_are_those_of_a_fit_without_the_family(dims):
    x, y, families = bits(dims=dims)
    prior = np.random.default_rng(1).normal(size=(dims + 1, 5)).astype(np.float32)
    everyone = np.arange(len(x))
    block = Block(with_one(x), np.ones(len(x), bool), prior)
    head = Ridge().fit(block, Labelled(y, exclusive(5), families, everyone))
    chosen = head.setting
    for family in np.unique(families)[:6]:
        out = families == family
        z, prior_z = block.x[~out], chosen.prior * prior
        gram = z.T @ z + chosen.penalty * np.eye(dims + 1)
        coef = prior_z + np.linalg.solve(gram, z.T @ (y[~out] - z @ prior_z))
        assert block.x[out] @ coef == pytest.approx(head.left_out[out], abs=2e-3)


def test_rows_unknown_in_a_group_take_no_part_in_it():
    x, y, _ = bits()
    more = np.vstack([x, 100 * np.ones((3, x.shape[1]))])
    unknown = np.vstack([y, -np.ones((3, 5))])
    groups = exclusive(5)
    with_them = ProbeClassifier(groups=groups).fit(more, unknown)
    without = ProbeClassifier(groups=groups).fit(x, y)
    assert with_them.predict_proba(x) == pytest.approx(without.predict_proba(x), abs=1e-3)


def test_groups_with_different_blanks_are_fitted_each_on_its_own_rows():
    x, y, families = bits(n=90)
    both = np.hstack([y, y])
    both[:20, 5:] = -1
    block, rows = Block(with_one(x), np.ones(90, bool), None), np.arange(90)
    groups = [GroupSpan(slice(0, 5), exclusive=True), GroupSpan(slice(5, 10), exclusive=True)]
    together = Ridge().fit(block, Labelled(both, groups, families, rows))
    rest = Block(block.x[20:], block.usable[20:], None)
    z, penalty = rest.x, together.setting.penalty
    alone = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ y[20:])
    assert together.coef[:, 5:] == pytest.approx(alone, abs=2e-3)


def test_untitled_products_are_judged_by_their_picture_alone():
    x, y, titled = two_sides()
    options = {"widths": Widths(8, 8, 2), "groups": exclusive(4)}
    fused = ProbeClassifier(**options).fit(x, y)
    pictures = x.copy()
    pictures[:, 8:] = 0
    found, alone = fused.predict_proba(x), ProbeClassifier(**options).fit(pictures, y)
    alone = alone.predict_proba(pictures)
    assert found.shape == (120, 4)
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(found[~titled], alone[~titled])
    right = (found.argmax(1) == y.argmax(1))[titled].mean()
    assert right > (alone.argmax(1) == y.argmax(1))[titled].mean() + 0.1
    assert np.array_equal(found, clone(fused).fit(x, y).predict_proba(x))


def test_a_promise_is_kept_where_a_fifth_of_the_titles_is_anothers(monkeypatch):
    rng = np.random.default_rng(0)
    image_of, title_of = rng.normal(size=(2, 4, 8))
    kind, taught = rng.integers(0, 4, 1200), np.arange(1200) < 600
    told = np.where(taught | (rng.random(1200) < 0.8), kind, rng.permutation(kind))
    image = image_of[kind] + rng.normal(size=(1200, 8))
    title = title_of[told] + 0.2 * rng.normal(size=(1200, 8))
    x = np.hstack([image, title, np.zeros((1200, 1))]).astype(np.float32)
    y = (kind[:, None] == np.arange(4)).astype(np.int8)

    def published():
        options = {"widths": Widths(8, 8, 1), "groups": exclusive(4), "precision": 0.95}
        said = ProbeClassifier(**options).fit(x[taught], y[taught]).say(x[~taught])
        out = candidates(said.chances, exclusive(4)) >= said.promises
        return out.any(axis=1).mean(), y[~taught][out].mean()

    share, right = published()
    assert share > 0.7
    assert right >= 0.94
    monkeypatch.setattr("fashiontag.heads.classifier.MISTAKEN", 1e-9)
    monkeypatch.setattr("fashiontag.heads.classifier.SWAPPED", 0.0)
    assert published()[1] < right - 0.05


def test_with_one_shot_products_unlike_all_labelled_ones_differ_as_zero_shot_says():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(9, 3)).astype(np.float32)
    both = np.vstack([logits, np.zeros((1, 3), np.float32)])
    none = np.full(1, -np.inf, np.float32)
    said = ZeroLogits(both, none)
    nothing = np.zeros((1, 3), np.float32)
    prior = Prior(Parts(np.zeros((9, 3), np.float32), nothing, nothing), said, said)
    x = rng.normal(size=(3, 8)).astype(np.float32)
    far = np.linalg.svd(x)[2][3:].astype(np.float32)  # orthogonal to all that was labelled
    probe = ProbeClassifier(groups=exclusive(3)).fit(x, np.eye(3, dtype=np.int8), prior=prior)
    zero = far @ logits[:-1] + logits[-1]
    found, zero = (
        values - values.mean(axis=1, keepdims=True)
        for values in (np.log(probe.predict_proba(far)), zero)
    )
    assert found - found[0] == pytest.approx(zero - zero[0], abs=1e-4)


@pytest.mark.parametrize("titled", [True, False])
@pytest.mark.parametrize("fitted", [True, False])
def test_with_one_shot_and_heads_that_say_nothing_the_probe_is_the_zero_shot_classifier(
    titled, fitted, monkeypatch
):
    rng = np.random.default_rng(0)
    space = parse_labels({"groups": {"kind": {"labels": ["dress", "belt", "boot"]}}}, "s", "s")
    images, titles = (unit(rng.normal(1.0, 1.0, (60, 16)).astype(np.float32)) for _ in range(2))
    prompts = unit(rng.normal(1.0, 1.0, (3, 16)).astype(np.float32))
    texts = [f"red {name}" for name in ("dress", "belt", "boot")] * 20 if titled else [""] * 60
    constants = GroupConstants(9.0, 6.0, 7.0, 5.0, 2.0, 8.0)
    moments = Moments.fit(images), Moments.fit(titles)
    known = Statistics(*moments, prompts.mean(axis=0), constants)
    statistics = known if fitted else Statistics(exclusive=constants)
    zero = ZeroShot(space, prompts, [np.zeros((0, 16), np.float32)], statistics)
    features = Features(space, moments[0].mean, moments[1].mean, Vocabulary.fit(texts, 9))
    x = features.transform(images, titles * titled, texts)
    monkeypatch.setattr("fashiontag.heads.classifier._SHARE", 0.0)
    probe = ProbeClassifier(widths=features.widths, groups=exclusive(3))
    probe.fit(x[:3], np.eye(3, dtype=np.int8), prior=zero_shot_prior(features, zero, *moments))
    evidence = Evidence(images, titles, np.full(60, titled), TitleMatcher(space).score(texts))
    expected = zero.score(evidence, refuse=False).labels
    assert expected.sum(axis=1).min() < 0.9  # "unknown" has a say
    assert probe.predict_proba(x) == pytest.approx(expected, abs=1e-3)


def test_unknown_is_weighed_with_the_background_so_zero_shot_survives_products_without_a_label():
    """Logits of a narrow cone are all near 50; "unknown" has to start there, not at 0."""
    space = parse_labels({"groups": {"kind": {"labels": ["a", "b"]}}}, "t.toml", "t")
    rng = np.random.default_rng(0)
    axes = np.eye(8, dtype=np.float32)
    cone = 3 * axes[7]
    prompts, background = unit(cone + axes[:2]), unit(cone + axes[2:3])
    kind = rng.integers(0, 3, 120)  # the third is none of the labels
    images = unit(cone + axes[[0, 1, 2]][kind] + 0.3 * rng.normal(size=(120, 8)).astype("f4"))
    moments = Moments.fit(images)
    constants = GroupConstants(60, 0, 60, 0, 6, 0)
    statistics = Statistics(moments, moments, np.zeros(8, "f4"), constants, constants)
    zero = ZeroShot(space, prompts, [background], statistics)
    features = Features(space, moments.mean, moments.mean, Vocabulary.fit([""], 9))
    titles, texts = np.zeros_like(images), [""] * len(images)
    prior = zero_shot_prior(features, zero, moments, moments)
    x = features.transform(images, titles, texts)
    targets = (kind[:, None] == [0, 1]).astype(np.int8)
    probe = ProbeClassifier(widths=features.widths, groups=exclusive(2))
    probe.fit(x[:60], targets[:60], prior=prior)
    assert probe.alone_.stack.weights[0, 0] > 0.3
    chances = probe.predict_proba(x[60:])
    assert (1 - chances.sum(axis=1))[kind[60:] == 2].mean() > 0.5
    assert (chances.argmax(axis=1) == kind[60:])[kind[60:] < 2].mean() > 0.9


def test_setfit_thresholds_overfit_rare_labels_and_ours_are_drawn_to_the_group():
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 2)) < [0.5, 0.005]).astype(np.int8)
    truth[0, 1] = 1
    offered = np.clip(0.5 * truth + 0.5 * rng.random((400, 2)), 0, 1).astype(np.float32)
    offered[truth[:, 1] == 1, 1] = 0.99
    cuts = f1_thresholds(offered, truth, exclusive(2))
    assert abs(cuts[1] - cuts[0]) < 0.15


def test_a_promise_needs_59_families_without_an_error():
    truth = np.ones((200, 1), np.int8)
    offered = np.linspace(1, 0.5, 200, dtype=np.float32)[:, None]
    each_its_own, in_pairs = np.arange(200), np.arange(200) // 4
    assert promise_thresholds(offered[:58], truth[:58], each_its_own[:58], 0.95)[0] == np.inf
    assert promise_thresholds(offered[:59], truth[:59], each_its_own[:59], 0.95)[0] == offered[58]
    assert promise_thresholds(offered, truth, in_pairs, 0.95)[0] == np.inf
    truth[100:] = 0
    assert 0.7 < promise_thresholds(offered, truth, each_its_own, 0.95)[0] < 0.8


def test_more_labels_are_advised_where_they_would_buy_more_and_only_then():
    offered = np.linspace(0.99, 0.5, 50, dtype=np.float32)[:, None]
    right, families = np.ones((50, 1), np.int8), np.arange(50)
    few = outlook(offered, right, families, 0.95)
    assert (few.share, few.more) == (1.0, pytest.approx(9, abs=3))  # 59 are the least
    assert outlook(offered, right, families, 0.9).more == 0
    half = right.copy()
    half[25:] = 0
    assert outlook(offered, half, families, 0.9).share == pytest.approx(0.5, abs=0.05)
    assert outlook(offered, 1 - right, families, 0.9).share == 0


def test_a_promise_for_a_group_counts_its_labels_together_and_holds_back_what_is_worse():
    kinds = np.arange(400) % 8
    truth = (kinds[:, None] == np.arange(8)).astype(np.int8)
    offered = 0.9 * truth.astype(np.float32)
    families = np.arange(400)
    assert not np.isfinite(promise_thresholds(offered, truth, families, 0.95)).any()
    together = promise_thresholds(offered, truth, families, 0.95, exclusive(8))
    assert np.allclose(together, 0.9)
    # Eight of one label's fifty are wrong: 2 % of the group, 16 % of the label.
    truth[np.flatnonzero(kinds == 3)[:8], 3] = 0
    worse = promise_thresholds(offered, truth, families, 0.95, exclusive(8))
    assert np.isinf(worse[3])
    assert np.isfinite(np.delete(worse, 3)).all()


def test_only_the_best_of_an_exclusive_group_is_a_candidate():
    chances = np.array([[0.5, 0.3, 0.9, 0.8]], np.float32)
    groups = [GroupSpan(slice(0, 2), exclusive=True), GroupSpan(slice(2, 4), exclusive=False)]
    found = candidates(chances, groups)
    assert found.tolist() == [[0.5, 0.0, chances[0, 2], chances[0, 3]]]


def test_all_negative_rows_of_an_exclusive_group_become_a_chance_of_none():
    x, y, _ = bits(n=200)
    y = y[:, :4]  # the fifth kind has no label
    probe = ProbeClassifier(groups=exclusive(4)).fit(x, y)
    left = 1 - probe.predict_proba(x).sum(axis=1)
    assert left[y.sum(1) == 0].mean() > 0.5 > 2 * left[y.sum(1) == 1].mean()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": 1.5}, "between 0 and 1"),
        ({"groups": exclusive(3)}, "3 labels in all, y has 5"),
        ({"widths": (5, 5, 5)}, "12 columns"),
    ],
)
def test_wrong_parameters_are_named(options, says):
    x, y, _ = bits()
    with pytest.raises(ValueError, match=says):
        ProbeClassifier(**options).fit(x, y)


def test_the_prior_of_an_open_group_is_as_near_to_its_deviations_as_linear_can_be():
    rng = np.random.default_rng(2)
    group = {"exclusive": False, "labels": ["cosy", "loud"]}
    space = parse_labels({"groups": {"mood": group}}, "s", "s")
    cone = 2 * np.eye(16, dtype=np.float32)[0]
    images, prompts, reference = (
        unit(cone + rng.normal(size=(n, 16)).astype("f4")) for n in (400, 2, 60)
    )
    moments = Moments.fit(images)
    constants = GroupConstants(2.0, 5.0, 2.0, 0.0, 9.0, 5.0, standard=True)
    statistics = Statistics(moments, moments, np.zeros(16, "f4"), open=constants)
    zero = ZeroShot(space, prompts, [np.zeros((0, 16), np.float32)], statistics, reference)
    features = Features(space, moments.mean, moments.mean, Vocabulary.fit([""], 9))
    prior = zero_shot_prior(features, zero, moments, moments)
    x = features.transform(images, np.zeros_like(images), [""] * 400)
    linear = x[:, :16] @ prior.alone.coef[:16] + prior.alone.coef[-2]
    exact = 2.0 * zero.deviations(images) - 5.0
    assert np.corrcoef(linear.ravel(), exact.ravel())[0, 1] > 0.95
    assert np.abs(linear - exact).mean() < 0.5
