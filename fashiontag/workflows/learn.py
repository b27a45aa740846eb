"""Few-shot: labelled products in, a fitted probe and its report out."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.catalog.families import find_families
from fashiontag.catalog.titles import first_few
from fashiontag.errors import CatalogError
from fashiontag.heads.artefact import KIND
from fashiontag.heads.classifier import ProbeClassifier
from fashiontag.heads.features import Features, moments
from fashiontag.heads.fusion import TITLE_ONLY
from fashiontag.heads.groups import group_spans
from fashiontag.heads.prior import Prior, zero_shot_prior
from fashiontag.heads.probe import Probe
from fashiontag.heads.training import Training, draw_shots
from fashiontag.manifest import Manifest
from fashiontag.metrics import label_rates
from fashiontag.workflows.evaluate import Judged, ProbeReport, report_on
from fashiontag.workspace.embed import DEFAULTS, EmbedOptions, embed_all
from fashiontag.workspace.prompts import zero_shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fashiontag.catalog import Catalog
    from fashiontag.catalog.annotations import Annotations
    from fashiontag.heads.zeroshot import ZeroShot
    from fashiontag.workspace import Workspace

BELIEVED = 0.01
"""Share of labelled products on which "unknown" may win, and still be believed elsewhere."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted probe, its report, and what to say about the data."""

    probe: Probe
    report: ProbeReport
    warnings: tuple[str, ...]
    seconds: float


def gather(
    workspace: Workspace,
    catalog: Catalog,
    annotations: Annotations,
    options: EmbedOptions = DEFAULTS,
) -> tuple[Training, tuple[str, ...]]:
    """Return the labelled products with their vectors, and what to say of those left out."""
    items = [catalog.items[row] for row in annotations.rows]
    embedded = embed_all(workspace, items, options)
    images, texts, keys = embedded.images, embedded.texts, embedded.image_keys
    titles = embedded.read
    kept = np.flatnonzero(images >= 0)
    broken = [items[row].id for row in np.flatnonzero(images < 0)]
    if not len(kept):
        raise CatalogError(f"None of the {len(items)} labelled pictures can be read.")
    unread = f"{len(broken)} labelled pictures can't be read: {first_few(broken)}."
    training = Training(
        ids=tuple(items[row].id for row in kept),
        image_keys=tuple(keys[row] or "" for row in kept),
        texts=tuple(titles[row] for row in kept),
        images=workspace.images.padded(images[kept], workspace.encoder.dim).astype(np.float16),
        titles=workspace.texts.padded(texts[kept], workspace.encoder.dim).astype(np.float16),
        space=annotations.space,
        targets=annotations.targets[kept],
    )
    return training, (unread,) if broken else ()


def fit_features(zero: ZeroShot, training: Training) -> tuple[Features, Prior]:
    """Return the features of a training set and the zero-shot classifier over them."""
    image, title = moments(training, zero.statistics)
    features = Features.fit(training, image.mean, title.mean)
    return features, zero_shot_prior(features, zero, image, title)


def train_probe(
    workspace: Workspace,
    training: Training,
    *,
    shots: int | None = None,
    seed: int = 0,
    precision: float | None = None,
    families: NDArray[np.int64] | None = None,
    report: bool = True,
) -> Trained:
    """Fit a probe and report on it by scores that leave each product's family out.

    Parameters
    ----------
    workspace : Workspace
        Where the vectors come from, and where prompts are kept.
    training : Training
        From `gather`, or combined with an older probe's.
    shots, seed : int
        Draw this many products per label, one per family; None takes all.
    precision : float or None
        The precision to promise.
    families : ndarray of shape (n,) or None
        Near-duplicates share a number; None finds them by picture and title.
    report : bool
        False saves the extra fit on titles alone that the report shows.

    Raises
    ------
    CatalogError
        Nothing can be learned: no label has both a product that has it and one that hasn't.
    """
    started = time.monotonic()
    warnings: list[str] = []
    if families is None:
        families = find_families([key or None for key in training.image_keys], training.texts)
    if shots is not None:
        rates = label_rates(training.targets)
        rows = draw_shots(training.targets, families, shots, seed)
        training = replace(training.select(rows), rates=rates)
        families = families[rows]
        warnings += _realised(training, shots)
    training = _learnable(training, warnings)
    zero, encoder = zero_shot(workspace, training.space), workspace.encoder
    features, prior = fit_features(zero, training)
    x = features.of(training)
    fit: dict[str, Any] = {"families": families, "prior": prior, "rates": training.rates}
    shape: dict[str, Any] = {"widths": features.widths, "groups": group_spans(training.space)}
    model = ProbeClassifier(precision=precision, **shape)
    model.fit(x, training.targets, **fit)
    seconds = time.monotonic() - started
    by_title = np.full_like(model.left_out_, np.nan)
    if report and model.fuses_:
        by_title = ProbeClassifier(TITLE_ONLY, **shape).fit(x, training.targets, **fit).left_out_
    rows = model.sample_
    judged = Judged(
        training.select(rows),
        families[rows],
        model.left_out_alone_,
        by_title,
        model.left_out_,
        *model.cuts(x[rows]),
    )
    found = report_on("training products, each judged by a fit without its family", judged)
    manifest = Manifest(
        KIND,
        model=encoder.name,
        fingerprint=encoder.fingerprint,
        dim=encoder.dim,
        labels=training.space.name,
        labels_hash=training.space.hash,
        training_hash=training.hash,
        metrics={
            "products": len(training.ids),
            "families": len(np.unique(families)),
            "macro_average_precision": found.macro_ap,
            "micro_average_precision": found.micro_ap,
        },
        settings={
            "shots": shots,
            "seed": seed,
            "precision": precision,
            "blocks": [[setting.prior, setting.penalty] for setting in model.settings_],
        },
    )
    guards = _guards(zero, features, training)
    probe = Probe(manifest, features, model, training, guards)
    return Trained(probe, found, tuple(warnings), seconds)


def _guards(zero: ZeroShot, features: Features, training: Training) -> tuple[str, ...]:
    """Return the exclusive groups in which "unknown" wins on few products that have a label."""
    scores = zero.score(features.evidence(training.images, training.titles, training.texts))
    found = []
    for position, group in enumerate(training.space.groups):
        span = training.space.span(group.name)
        labelled = (training.targets[:, span] == 1).any(axis=1)
        wins = scores.unknown[:, position] > scores.labels[:, span].max(axis=1)
        if group.exclusive and wins[labelled].mean() <= BELIEVED:
            found.append(group.name)
    return tuple(found)


def _realised(training: Training, shots: int) -> list[str]:
    """Say how many products the draw gave, and which labels have fewer families than asked for."""
    positives = (training.targets == 1).sum(axis=0)
    short = [
        f"{tag} ({count})"
        for tag, count in zip(training.space.tags, positives, strict=True)
        if 0 < count < shots
    ]
    sentences = [
        f"{len(training.ids)} products were drawn at {shots} a label; a label has "
        f"{int(np.median(positives[positives > 0]))} positives in the middle, "
        f"{int(positives.max())} at most."
    ]
    if short:
        sentences.append(
            f"{len(short)} labels have fewer families than {shots}: {first_few(short)}."
        )
    return sentences


def _learnable(training: Training, warnings: list[str]) -> Training:
    """Keep the labels that some products have and others haven't; say which are refused."""
    positives = (training.targets == 1).sum(axis=0)
    negatives = (training.targets == 0).sum(axis=0)
    tags = np.array(training.space.tags)
    refused = [f"{tag} (0)" for tag in tags[positives == 0]]
    if refused:
        warnings.append(
            f"{len(refused)} labels have no positive product and stay zero-shot: "
            f"{first_few(refused)}."
        )
    always = (positives > 0) & (negatives == 0)
    everywhere = [f"{tag} ({n})" for tag, n in zip(tags[always], positives[always], strict=True)]
    if everywhere:
        warnings.append(
            f"{len(everywhere)} labels hold for every annotated product, which teaches nothing, "
            f"and stay zero-shot: {first_few(everywhere)}."
        )
    kept = set(tags[(positives > 0) & (negatives > 0)].tolist())
    if not kept:
        raise CatalogError(
            f"{len(training.ids)} labelled products teach nothing: no label has both a product "
            "that has it and one that hasn't; label at least two products differently."
        )
    single = tags[(positives == 1) & (negatives > 0)].tolist()
    if single:
        warnings.append(
            f"{len(single)} labels have one positive product, which moves them little beyond "
            f"zero-shot and gives them no threshold of their own: {first_few(single)}."
        )
    space = training.space.only(kept)
    return training if space.tags == training.space.tags else training.on_space(space)
