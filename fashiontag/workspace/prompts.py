"""A label space in the joint space: the vectors of its prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fashiontag.encoders import FEW_TEXTS
from fashiontag.heads.zeroshot import ZeroShot, ensemble
from fashiontag.labels import DEFAULT_LABELS, DEFAULT_TEMPLATES, load_labels
from fashiontag.workspace.embed import embed_texts

if TYPE_CHECKING:
    from fashiontag.datamodels import Vectors
    from fashiontag.heads.statistics import Statistics
    from fashiontag.labels import LabelSpace
    from fashiontag.workspace import Workspace


def zero_shot(
    workspace: Workspace, space: LabelSpace, statistics: Statistics | None = None
) -> ZeroShot:
    """Return the zero-shot head of a label space, with the workspace's constants unless told.

    Of its prompts, only sentences new to the store are encoded.
    """
    said = sentences(space)
    flat = [text for texts in said for text in texts]
    # Few enough at a time for a text tower that needs no torch, which a run that finds all pictures
    # in the store would import for the prompts alone: 4 s.
    rows = embed_texts(workspace, flat, at_once=FEW_TEXTS)
    ends = np.cumsum([len(texts) for texts in said])
    vectors = np.split(workspace.texts.padded(rows, workspace.encoder.dim), ends[:-1])
    labels, backgrounds = ensemble(vectors[: space.size]), vectors[space.size :]
    constants = statistics or workspace.statistics_for(space)
    users = any(
        group.visible and f"{space.name}/{group.name}" not in constants.groups
        for group in space.groups
    )
    reference = _kinds_of_products(workspace) if users else None
    return ZeroShot(space, labels, backgrounds, constants, reference)


def sentences(space: LabelSpace) -> list[tuple[str, ...]]:
    """Return the prompts of each label of a space, and after them each group's backgrounds."""
    labels = [group.sentences(label) for group in space.groups for label in group.labels]
    return labels + [space.background + group.background for group in space.groups]


def reference_sentences() -> list[str]:
    """Return what stands for all kinds of products: the default label file's categories."""
    kinds = load_labels(DEFAULT_LABELS).main
    assert kinds is not None
    above = {label.parent for label in kinds.labels}
    names = [name for name in kinds.names if name not in above]
    return [DEFAULT_TEMPLATES[1].replace("{label}", name) for name in names]


def _kinds_of_products(workspace: Workspace) -> Vectors:
    """Return the vectors of what `ZeroShot` takes for its reference."""
    rows = embed_texts(workspace, reference_sentences(), at_once=FEW_TEXTS)
    return workspace.texts.padded(rows, workspace.encoder.dim)
