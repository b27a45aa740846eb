"""Few-shot: labelled products in, a fitted probe and its report out; the same on held-out ones."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.catalog.families import find_families
from fashiontag.catalog.titles import first_few
from fashiontag.errors import CatalogError
from fashiontag.heads.artefact import KIND, Features, Probe, Training, moments, zero_shot_prior
from fashiontag.heads.probe import Prior, ProbeClassifier
from fashiontag.heads.shots import draw_shots
from fashiontag.labels import LabelSpace, parse_labels
from fashiontag.manifest import Manifest
from fashiontag.workflows.probereport import ProbeReport, rates_of, report_on
from fashiontag.workspace.embed import DEFAULTS, EmbedOptions, embed_all
from fashiontag.workspace.prompts import zero_shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fashiontag.catalog import Catalog
    from fashiontag.catalog.annotations import Annotations
    from fashiontag.heads.fusion import FusionName
    from fashiontag.heads.linear import HeadName
    from fashiontag.heads.zeroshot import ZeroShot
    from fashiontag.workspace import Workspace

    Floats = NDArray[np.float32]

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
    kept = np.flatnonzero(images >= 0)
    broken = [items[row].id for row in np.flatnonzero(images < 0)]
    said = (
        (f"{len(broken)} labelled pictures can't be read: {first_few(broken)}.",) if broken else ()
    )
    if not len(kept):
        raise CatalogError(f"None of the {len(items)} labelled pictures can be read.")
    training = Training(
        ids=tuple(items[row].id for row in kept),
        image_keys=tuple(keys[row] or "" for row in kept),
        texts=tuple(items[row].text for row in kept),
        images=workspace.images.padded(images[kept], workspace.encoder.dim).astype(np.float16),
        titles=workspace.texts.padded(texts[kept], workspace.encoder.dim).astype(np.float16),
        space=annotations.space,
        targets=annotations.targets[kept],
    )
    return training, said


class Fitter:
    """What all fits with one label space and one model have in common: prompts and constants."""

    def __init__(self, workspace: Workspace, space: LabelSpace) -> None:
        self.statistics = workspace.statistics
        self.zero: ZeroShot = zero_shot(workspace, space)

    def features(self, training: Training) -> tuple[Features, Prior]:
        """Return the features of a training set and the zero-shot classifier over them."""
        features = Features.fit(training, self.statistics)
        image, title = moments(training, self.statistics)
        return features, zero_shot_prior(features, self.zero, image, title)


def train_probe(
    workspace: Workspace,
    training: Training,
    *,
    fusion: FusionName = "heads",
    head: HeadName = "ridge",
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
        From `gather`, or `combined` with an older probe's.
    fusion, head : str
        As of `ProbeClassifier`.
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
        rates = rates_of(training.targets)
        rows = draw_shots(training.targets, families, shots, seed)
        training = replace(select(training, rows), rates=rates)
        families = families[rows]
        warnings += _realised(training, shots)
    training = _learnable(training, warnings)
    fitter, encoder = Fitter(workspace, training.space), workspace.encoder
    features, prior = fitter.features(training)
    x = features.transform(training.images, training.titles, training.texts)
    groups = [(len(group.labels), group.exclusive) for group in training.space.groups]
    options: dict[str, Any] = {"head": head, "widths": features.widths, "groups": groups}
    extra: dict[str, Any] = {"families": families, "prior": prior, "rates": training.rates}
    model = ProbeClassifier(fusion, precision=precision, **options)
    model.fit(x, training.targets, **extra)
    seconds = time.monotonic() - started
    title_only = np.full_like(model.left_out_, np.nan)
    if report and model.fuses_:
        title_only = ProbeClassifier("title", **options).fit(x, training.targets, **extra).left_out_
    rows = model.sample_
    told = report_on(
        "training products, each judged by a fit without its family",
        select(training, rows),
        families[rows],
        (model.left_out_alone_, title_only, model.left_out_),
        *_cuts(model, model.titled(x[rows])),
    )
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
            "macro_average_precision": told.macro_ap,
            "micro_average_precision": told.micro_ap,
        },
        settings={
            "fusion": fusion,
            "head": head,
            "shots": shots,
            "seed": seed,
            "precision": precision,
            "blocks": [[one.prior, one.penalty] for one in model.settings_],
        },
    )
    guards = _guards(fitter.zero, features, training)
    probe = Probe(manifest, features, model, training, guards)
    return Trained(probe, told, tuple(warnings), seconds)


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


def evaluate_probe(probe: Probe, held_out: Training) -> tuple[ProbeReport, tuple[str, ...]]:
    """Judge labelled products that the probe wasn't trained on.

    Returns the report and what to say: products that were in the training, or labels that the
    probe doesn't know, are left out and counted.
    """
    seen = set(probe.training.image_keys)
    fresh = np.array([key not in seen for key in held_out.image_keys])
    warnings = []
    if not fresh.all():
        warnings.append(
            f"{(~fresh).sum()} of {len(fresh)} products were in the probe's training and are left "
            "out."
        )
    if not fresh.any():
        raise CatalogError(
            f"All {len(fresh)} labelled products were in the probe's training; give others."
        )
    held_out = select(held_out, np.flatnonzero(fresh))
    unknown = [tag for tag in held_out.space.tags if tag not in set(probe.space.tags)]
    lost = [tag for tag in unknown if (held_out.targets[:, held_out.space.column(tag)] == 1).any()]
    if lost:
        warnings.append(
            f"{len(lost)} labels that the probe doesn't know are left out: {first_few(lost)}."
        )
    held_out = on_space(held_out, probe.space)
    if not (held_out.targets >= 0).any():
        raise CatalogError("The table annotates none of the labels that the probe knows.")
    x = probe.features.transform(held_out.images, held_out.titles, held_out.texts)
    model = probe.classifier
    told = report_on(
        "held-out products",
        held_out,
        find_families([key or None for key in held_out.image_keys], held_out.texts),
        (*(_by_side(model, x)), model.predict_proba(x)),
        *_cuts(model, model.titled(x)),
    )
    return told, tuple(warnings)


def combined(old: Training, new: Training) -> Training:
    """Return the products of both; what the newer table says of a product and group counts."""
    content: dict[str, Any] = old.space.content()
    groups = content["groups"]
    for group in new.space.groups:
        added = new.space.content()["groups"][group.name]
        if group.name not in groups:
            groups[group.name] = added
            continue
        there = {label["name"] for label in groups[group.name]["labels"]}
        groups[group.name]["labels"] += [
            label for label in added["labels"] if label["name"] not in there
        ]
        groups[group.name]["exclusive"] &= group.exclusive
    space = parse_labels(content, new.space.name, "the labels of both trainings")
    first, second = on_space(old, space), on_space(new, space)
    place = {key: row for row, key in enumerate(first.image_keys)}
    targets = first.targets.copy()
    fresh = []
    for row, key in enumerate(second.image_keys):
        if key not in place:
            fresh.append(row)
            continue
        mine = targets[place[key]]
        for group in space.groups:
            span = space.span(group.name)
            told = second.targets[row, span]
            mine[span] = np.where(told >= 0, told, mine[span])
    second = select(second, np.array(fresh, np.int64))
    return Training(
        ids=first.ids + second.ids,
        image_keys=first.image_keys + second.image_keys,
        texts=first.texts + second.texts,
        images=np.concatenate([first.images, second.images]),
        titles=np.concatenate([first.titles, second.titles]),
        space=space,
        targets=np.concatenate([targets, second.targets]),
    )


def select(training: Training, rows: NDArray[np.int64]) -> Training:
    """Return some products of a training set."""
    return replace(
        training,
        ids=tuple(training.ids[row] for row in rows),
        image_keys=tuple(training.image_keys[row] for row in rows),
        texts=tuple(training.texts[row] for row in rows),
        images=training.images[rows],
        titles=training.titles[rows],
        targets=training.targets[rows],
    )


def on_space(training: Training, space: LabelSpace) -> Training:
    """Return a training set over other labels.

    Labels that it didn't have are unknown, or, where its group is exclusive and one of its labels
    holds, known not to hold.
    """
    targets = np.full((len(training.ids), space.size), -1, np.int8)
    rates = None if training.rates is None else np.zeros(space.size, np.float32)
    for group in space.groups:
        span = space.span(group.name)
        if group.name not in training.space.names:
            continue
        own = training.space.span(group.name)
        settled = (training.targets[:, own] == 1).any(axis=1)
        if group.exclusive:
            targets[settled, span] = 0
        for tag in set(space.tags[span]) & set(training.space.tags[own]):
            targets[:, space.column(tag)] = training.targets[:, training.space.column(tag)]
            if rates is not None and training.rates is not None:
                rates[space.column(tag)] = training.rates[training.space.column(tag)]
        lost = set(training.space.tags[own]) - set(space.tags[span])
        if group.exclusive and lost:
            # A product of a label that is gone is, of all others, known to be none.
            gone = [training.space.column(tag) for tag in lost]
            targets[(training.targets[:, gone] == 1).any(axis=1), span] = -1
    return replace(training, space=space, targets=targets, rates=rates)


def subspace(space: LabelSpace, tags: set[str]) -> LabelSpace:
    """Return only these tags of a label space; implications to others are dropped."""
    content: dict[str, Any] = space.content()
    for name, group in list(content["groups"].items()):
        group["labels"] = [
            {**label, "implies": [parent for parent in label["implies"] if parent in tags]}
            for label in group["labels"]
            if f"{name}={label['name']}" in tags
        ]
        if not group["labels"]:
            del content["groups"][name]
    return parse_labels(content, space.name, space.name)


# -- what can be learned ----------------------------------------------------------------------


def _realised(training: Training, shots: int) -> list[str]:
    positives = (training.targets == 1).sum(axis=0)
    short = [
        f"{tag} ({count})"
        for tag, count in zip(training.space.tags, positives, strict=True)
        if 0 < count < shots
    ]
    said = [
        f"{len(training.ids)} products were drawn at {shots} a label; a label has "
        f"{int(np.median(positives[positives > 0]))} positives in the middle, "
        f"{int(positives.max())} at most."
    ]
    if short:
        said.append(f"{len(short)} labels have fewer families than {shots}: {first_few(short)}.")
    return said


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
    space = subspace(training.space, kept)
    return training if space.tags == training.space.tags else on_space(training, space)


# -- judging -----------------------------------------------------------------------------------


def _cuts(model: ProbeClassifier, titled: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return each product's thresholds and promises, shape (n, t) twice."""
    sides = model.alone_, model.titled_
    thresholds = np.where(titled[:, None], sides[1].thresholds, sides[0].thresholds)
    promises = np.where(titled[:, None], sides[1].promises, sides[0].promises)
    return thresholds, promises


def _by_side(model: ProbeClassifier, x: Floats) -> tuple[Floats, Floats]:
    """Return what picture and title say alone, as scores that rank."""
    image, title = model.by_part(x)
    nothing = np.full_like(title, np.nan)
    return image, title if model.fuses_ and model.fusion == "heads" else nothing
