"""The laboratory's own fusions and heads inside the package's probe."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from two_sides import two_sides

from benchmarks.lab.fusions import FUSIONS, PROBES, FusedProbe, GaussianProbe, LogisticProbe
from fashiontag.heads.classifier import ProbeClassifier
from fashiontag.heads.groups import GroupSpan

pytestmark = pytest.mark.lab

OPTIONS = {"widths": (8, 8, 2), "groups": [GroupSpan(slice(0, 4), exclusive=True)]}


@parametrize_with_checks([GaussianProbe(), LogisticProbe(), FusedProbe()])
def test_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_fits_and_judges_untitled_products_by_their_picture_alone(fusion):
    x, y, titled = two_sides()
    fused = FusedProbe(FUSIONS[fusion], **OPTIONS).fit(x, y)
    pictures = x.copy()
    pictures[:, 8:] = 0
    image = ProbeClassifier(**OPTIONS).fit(pictures, y)
    found, alone = fused.predict_proba(x), image.predict_proba(pictures)
    assert found.shape == (120, 4)
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(found[~titled], alone[~titled])
    if fusion not in {"title", "product"}:
        right = (found.argmax(1) == y.argmax(1))[titled].mean()
        assert right > (alone.argmax(1) == y.argmax(1))[titled].mean() + 0.1


@pytest.mark.parametrize("head", PROBES)
def test_every_head_learns(head):
    x, y, titled = two_sides()
    found = PROBES[head](**OPTIONS).fit(x, y).predict_proba(x)
    assert (found.argmax(1) == y.argmax(1))[titled].mean() > 0.9
