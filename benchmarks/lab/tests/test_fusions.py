"""The laboratory's own fusions and heads inside the package's probe."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from two_sides import two_sides

from benchmarks.lab.fusions import FUSIONS, Concat
from benchmarks.lab.heads import HEADS, Gaussian, Logistic
from fashiontag.heads.classifier import ProbeClassifier
from fashiontag.heads.fusion import IMAGE_ONLY
from fashiontag.heads.groups import GroupSpan

pytestmark = pytest.mark.lab

OPTIONS = {"widths": (8, 8, 2), "groups": [GroupSpan(slice(0, 4), exclusive=True)]}


@parametrize_with_checks([ProbeClassifier(head=Gaussian())])
def test_scikit_learns_contract(estimator, check):
    check(estimator)


@parametrize_with_checks([ProbeClassifier(head=Logistic()), ProbeClassifier(fusion=Concat())])
def test_scikit_learns_contract_with_other_options(estimator, check):
    check(estimator)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_fits_and_judges_untitled_products_by_their_picture_alone(fusion):
    x, y, titled = two_sides()
    fused = ProbeClassifier(FUSIONS[fusion], **OPTIONS).fit(x, y)
    image = ProbeClassifier(IMAGE_ONLY, **OPTIONS).fit(x, y)
    found, alone = fused.predict_proba(x), image.predict_proba(x)
    assert found.shape == (120, 4)
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(found[~titled], alone[~titled])
    if fusion not in {"image", "title", "product"}:
        right = (found.argmax(1) == y.argmax(1))[titled].mean()
        assert right > (alone.argmax(1) == y.argmax(1))[titled].mean() + 0.1


@pytest.mark.parametrize("head", HEADS)
def test_every_head_learns(head):
    x, y, titled = two_sides()
    found = ProbeClassifier(head=HEADS[head], **OPTIONS).fit(x, y).predict_proba(x)
    assert (found.argmax(1) == y.argmax(1))[titled].mean() > 0.9
