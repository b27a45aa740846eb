"""Methods by the name that a suite file calls them."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.lab import baselines
from fashiontag.errors import UsageError

if TYPE_CHECKING:
    from benchmarks.lab.methods import Fitted, Method, Task

MODALITIES = ("image", "text", "both")
CLASSIFIERS = ("random forest", "logistic regression", "SVM", "MLP")


def _towers() -> dict[str, Method]:
    """Return the methods that train other people's architectures."""
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
    for modality in MODALITIES:
        methods[f"stylesense {modality}"] = _later("joint", "stylesense", modality=modality)
        methods[f"efficientnet-lstm {modality}"] = _later(
            "joint", "efficientnet_lstm", modality=modality
        )
        for classifier in CLASSIFIERS:
            methods[f"{classifier} {modality}"] = _later(
                "capstone", "fit", classifier=classifier, modality=modality
            )
    return methods


def _later(module: str, function: str, **arguments: Any) -> Method:  # noqa: ANN401
    """Import a tower's module, and torch with it, only when it is fitted."""

    def method(task: Task) -> Fitted:
        found = getattr(import_module(f"benchmarks.lab.towers.{module}"), function)
        fitted: Fitted = partial(found, **arguments)(task)
        return fitted

    return method


TOWERS = _towers()
METHODS = {**baselines.METHODS, **TOWERS}


def find_method(name: str) -> Method:
    """Return a method by its name in a suite file.

    Raises
    ------
    UsageError
        There is none of this name.
    """
    if name not in METHODS:
        raise UsageError(f"There is no method {name!r}; give one of {', '.join(METHODS)}.")
    return METHODS[name]
