"""Metrics against scikit-learn's, and what is undefined stays undefined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from fashiontag import metrics


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=40, deadline=None)
def test_average_precision_is_scikit_learns_ties_included(seed, ties):
    rng = np.random.default_rng(seed)
    truth = (rng.random((30, 4)) < 0.3).astype(np.int8)
    truth[0] = 1
    scores = rng.integers(0, 5, (30, 4)).astype(float) if ties else rng.random((30, 4))
    ours = metrics.average_precision_score(truth, scores)
    assert ours == pytest.approx(reference.average_precision_score(truth, scores, average=None))
    assert metrics.label_ranking_average_precision_score(truth, scores) == pytest.approx(
        reference.label_ranking_average_precision_score(
            truth[truth.any(axis=1)], scores[truth.any(axis=1)]
        )
    )


def test_clip_benchmark_counts_a_label_without_positives_as_zero_and_we_say_undefined():
    truth = np.array([[1, 0], [0, 0], [1, 0]], np.int8)
    ap = metrics.average_precision_score(truth, np.random.default_rng(0).random((3, 2)))
    assert np.isnan(ap[1])
    assert metrics.macro(ap) == ap[0]


def test_unknown_cells_take_part_in_nothing():
    truth = np.array([[1], [0], [-1], [1]], np.int8)
    scores = np.array([[0.9], [0.5], [0.95], [0.1]])
    known = truth[:, 0] >= 0
    assert metrics.average_precision_score(truth, scores)[0] == pytest.approx(
        reference.average_precision_score(truth[known, 0], scores[known, 0])
    )
    assert metrics.f1_score(truth, scores > 0.4)[0] == pytest.approx(0.5)
    assert metrics.brier_score(truth, scores) == pytest.approx((0.01 + 0.25 + 0.81) / 3)


def test_a_perfect_model_has_no_calibration_error_and_a_boaster_has():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 3000)
    right = rng.random(3000) < confidence
    assert metrics.calibration_error(right, confidence) < 0.01
    assert metrics.calibration_error(right, np.ones(3000)) == pytest.approx(0.35, abs=0.03)


def test_coverage_is_the_longest_start_that_is_precise_enough():
    right = np.array([True] * 19 + [False] + [True] * 20 + [False] * 10)
    sure = np.linspace(1, 0, 50)
    assert metrics.coverage_at_precision(right, sure, 0.95) == pytest.approx(41 / 50)
    assert metrics.coverage_at_precision(~right, sure, 0.95) == 0.0


def test_precision_at_three():
    truth = np.array([[1, 1, 0, 0], [0, 0, 0, 1]], np.int8)
    scores = np.array([[0.9, 0.8, 0.7, 0.1], [0.9, 0.8, 0.7, 0.1]])
    assert metrics.precision_at(truth, scores, 3) == pytest.approx(2 / 6)


def test_a_group_is_judged_by_its_decisions():
    truth = np.array([[1, 0], [0, 1], [0, 0], [-1, -1], [1, 0]], np.int8)
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.1], [0.5, 0.1], [0.5, 0.5]])
    known = truth[:, 0] >= 0
    found = metrics.measure(truth, scores, known, exclusive=True)
    assert found.given.tolist() == [0, 0, 0, 0]
    assert found.right.tolist() == [True, False, False, False]  # the last has no opinion
    assert found.accuracy == 0.25
    assert found.brier == metrics.brier_score(truth, scores)
    several = metrics.measure(truth, scores, known, exclusive=False)
    assert several.given.tolist() == [0, 1] * 4
    assert several.right.sum() == 3
    alone = metrics.measure(truth[:, :1], scores[:, :1], known, exclusive=True)
    assert alone.opinion.all()  # one label is no tie
