"""Other people's architectures: image and text towers, their training, and how they fuse."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.lab.methods import Fitted, Method, Task

_MODALITIES = ("image", "text", "both")


def _named() -> dict[str, Method]:
    methods: dict[str, Method] = {}
    for number in (1, 2, 3):
        for side in ("image", "text"):
            methods[f"transfer {number} {side}"] = _later(
                "strategies", "transfer", side=side, strategy=number
            )
        for which in "AB":
            methods[f"fuse {number}-{which}"] = _later(
                "strategies", "fuse", strategy=number, which=which
            )
    for modality in _MODALITIES:
        methods[f"stylesense {modality}"] = _later("joint", "stylesense", modality=modality)
        methods[f"efficientnet-lstm {modality}"] = _later(
            "joint", "efficientnet_lstm", modality=modality
        )
        for classifier in ("random forest", "logistic regression", "SVM", "MLP"):
            methods[f"{classifier} {modality}"] = _later(
                "capstone", "fit", classifier=classifier, modality=modality
            )
    return methods


def _later(module: str, function: str, **arguments: Any) -> Method:  # noqa: ANN401
    """Import a method's module, and torch with it, only when it is fitted."""

    def method(task: Task) -> Fitted:
        found = getattr(import_module(f"benchmarks.lab.towers.{module}"), function)
        fitted: Fitted = partial(found, **arguments)(task)
        return fitted

    return method


METHODS: dict[str, Method] = _named()
"""Methods by the name that a suite file calls them; torch is imported when one is fitted."""
