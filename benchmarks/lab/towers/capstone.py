"""The Best Buy capstone: frozen features of pictures and titles in one row, four classifiers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.lab.methods import Fitted, Floats, Rows, Task
from benchmarks.lab.towers.features import Feed, frozen
from benchmarks.lab.towers.options import Options
from benchmarks.lab.towers.strategies import tower
from fashiontag.errors import UsageError

if TYPE_CHECKING:
    from benchmarks.lab.towers.joint import Modality
    from benchmarks.lab.towers.strategies import Side

CLASSIFIERS = ("random forest", "logistic regression", "SVM", "MLP")


def fit(task: Task, classifier: str, modality: Modality) -> Fitted:
    """Fit one classifier on pictures, titles or both, early fused, for each exclusive group.

    Raises
    ------
    UsageError
        The task has a group in which several labels hold.
    """
    options = Options().of(task)
    sides: tuple[Side, ...] = ("image", "text") if modality == "both" else (modality,)
    towers = [tower(task, side, options, learning=False) for side in sides]

    def columns(feeds: list[Feed]) -> Floats:
        return np.hstack([feed.views[0] for feed in feeds]).astype(np.float32)

    train = [frozen(tower, task.train, task.store) for tower in towers]
    began = time.perf_counter()
    x = columns(train)
    models = []
    for group in task.space.groups:
        if not group.exclusive:
            raise UsageError(f"A classifier takes exclusive groups, and {group.name} is not one.")
        span = task.space.span(group.name)
        truth = task.train.targets[:, span]
        known = (truth == 1).any(axis=1)
        model = _classifier(classifier, task.seed)
        models.append((span, model.fit(x[known], truth[known].argmax(axis=1))))

    seconds = time.perf_counter() - began + sum(feed.seconds for feed in train)

    def scores(rows: Rows) -> Floats:
        z = columns([frozen(tower, rows, task.store) for tower in towers])
        out = np.zeros((len(rows), task.space.size), np.float32)
        for span, model in models:
            # Of an SVM the votes: its probabilities come from a second fit and may contradict it.
            how = getattr(model, "predict_proba", None) or model.decision_function
            found = how(z)
            out[:, np.arange(span.start, span.stop)[model.classes_]] = (
                found if found.ndim == 2 else np.stack([-found, found], axis=1)
            )
        return out

    notes = {"backbones": ", ".join(getattr(options, side) for side in sides)}
    size = sum(_size(model[-1]) for _, model in models)
    return Fitted(scores, size, seconds, notes)


def _classifier(name: str, seed: int) -> Any:  # noqa: ANN401 - one of scikit-learn's
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    made = {
        "random forest": lambda: RandomForestClassifier(300, n_jobs=-1, random_state=seed),
        "logistic regression": lambda: LogisticRegression(C=0.1, max_iter=1000),
        "SVM": lambda: SVC(C=10.0, break_ties=True),
        "MLP": lambda: MLPClassifier((256,), early_stopping=True, random_state=seed),
    }
    return make_pipeline(StandardScaler(), made[name]())


def _size(model: Any) -> int:  # noqa: ANN401
    """Count what was learned: weights, or thresholds and leaves of trees."""
    if hasattr(model, "estimators_"):
        return sum(int(tree.tree_.node_count) for tree in model.estimators_)
    if hasattr(model, "dual_coef_"):
        return int(model.dual_coef_.size + model.intercept_.size)
    if hasattr(model, "coefs_"):
        return sum(int(weights.size) for weights in (*model.coefs_, *model.intercepts_))
    return int(model.coef_.size + model.intercept_.size)
