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
    """Return the zero-shot head of a label space, with the model's constants unless others come.

    Of its prompts, only sentences new to the store are encoded.
    """
    sentences = [group.sentences(label) for group in space.groups for label in group.labels]
    sentences += [space.background + group.background for group in space.groups]
    flat = [text for texts in sentences for text in texts]
    # Few enough at a time for a text tower that needs no torch, which a run that finds all pictures
    # in the store would import for the prompts alone: 4 s.
    rows = embed_texts(workspace, flat, at_once=FEW_TEXTS)
    ends = np.cumsum([len(texts) for texts in sentences])
    vectors = np.split(workspace.texts.padded(rows, workspace.encoder.dim), ends[:-1])
    labels, backgrounds = ensemble(vectors[: space.size]), vectors[space.size :]
    constants = statistics or workspace.statistics
    standard = any(
        group.visible and constants.of(space.name, group.name, exclusive=False).standard
        for group in space.groups
        if not group.exclusive
    )
    reference = _kinds_of_products(workspace) if standard else None
    return ZeroShot(space, labels, backgrounds, constants, reference)


def _kinds_of_products(workspace: Workspace) -> Vectors:
    """Return the vectors of what `ZeroShot` takes for its reference: the default's categories."""
    kinds = load_labels(DEFAULT_LABELS).main
    assert kinds is not None
    above = {label.parent for label in kinds.labels}
    names = [name for name in kinds.names if name not in above]
    sentences = [DEFAULT_TEMPLATES[1].replace("{label}", name) for name in names]
    rows = embed_texts(workspace, sentences, at_once=FEW_TEXTS)
    return workspace.texts.padded(rows, workspace.encoder.dim)
