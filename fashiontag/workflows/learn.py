"""Few-shot: labelled products in, a fitted probe and its report out."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fashiontag.catalog.annotations import Annotations
from fashiontag.catalog.families import find_families
from fashiontag.catalog.titles import first_few
from fashiontag.errors import CatalogError
from fashiontag.heads.artefact import KIND
from fashiontag.heads.classifier import ProbeClassifier
from fashiontag.heads.features import Features, moments
from fashiontag.heads.groups import group_spans
from fashiontag.heads.local import (
    FITTED,
    MOST,
    OPEN_PRICE,
    SILENT,
    Balance,
    Spending,
    believed,
    budgeted_cuts,
    fit_local,
    shift_to,
    shifted,
)
from fashiontag.heads.prior import Prior, zero_shot_prior
from fashiontag.heads.probe import Probe, Spared, without
from fashiontag.heads.thresholds import Decider
from fashiontag.heads.training import Training, draw_shots
from fashiontag.manifest import Manifest
from fashiontag.workflows.evaluate import (
    Judged,
    Observed,
    ProbeReport,
    left_out_verdict,
    report_on,
)
from fashiontag.workspace.embed import DEFAULTS, EmbedOptions, embed_all
from fashiontag.workspace.prompts import zero_shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fashiontag.catalog import Catalog
    from fashiontag.heads.local import LocalFit, Promise
    from fashiontag.heads.zeroshot import ZeroShot
    from fashiontag.labels import LabelSpace
    from fashiontag.verdicts import Verdict
    from fashiontag.workspace import Workspace

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

HeadName = Literal["local", "linear"]

SEEN = 2_000
"""Unlabelled products that a fit looks at."""

SHOWN, ALIKE = 10, 4
"""Products that a forecast shows, and how many of one tag."""

BELIEVED = 0.01
"""Share of labelled products on which "unknown" may win, and still be believed elsewhere."""


@dataclass(frozen=True, slots=True)
class Example:
    """A product that a probe would tag otherwise; labels joined by ``|``, "" for none."""

    id: str
    title: str
    group: str
    before: str
    after: str
    probability: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a probe would change on unlabelled products of the user's own catalogue.

    Attributes
    ----------
    products, changed : int
        Products that were looked at, and those of which some tag would change.
    right, wrong : float
        Expected change of right and of wrong tags, by the probe's own calibrated probabilities.
    examples : tuple of Example
        The most telling: at most four of a new tag, surest first.
    closest : tuple of Example
        Of each label that was taught, the product that stays as it is but comes closest to it:
        ``after`` is that label, and how likely it is. Likeliest first.
    """

    products: int
    changed: int
    right: float
    wrong: float
    examples: tuple[Example, ...] = ()
    closest: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted probe, how right it is, what it would change, and what to say about the data."""

    probe: Probe
    verdict: Verdict
    report: ProbeReport
    forecast: Forecast
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


def unlabelled(
    workspace: Workspace,
    catalog: Catalog,
    annotations: Annotations,
    options: EmbedOptions = DEFAULTS,
) -> Training | None:
    """Return products of the catalogue that nobody labelled, at most `SEEN` drawn at random.

    None where all are labelled.
    """
    left = np.setdiff1d(np.arange(len(catalog.items)), annotations.rows)
    drawn = np.sort(np.random.default_rng(0).permutation(left)[:SEEN])
    if not len(drawn):
        return None
    space = annotations.space
    targets = np.full((len(drawn), space.size), -1, np.int8)
    return gather(workspace, catalog, Annotations(drawn, space, targets, ()), options)[0]


def _none_of(training: Training) -> Training:
    """Return the training set without a product."""
    return training.select(np.zeros(0, np.int64))


def draw(training: Training, shots: int, seed: int = 0) -> tuple[Training, tuple[str, ...]]:
    """Return so many products per label, one per family, and what to say of the draw."""
    families = find_families([key or None for key in training.image_keys], training.texts)
    rows = draw_shots(training.targets, families, shots, seed)
    drawn = training.select(rows)
    return drawn, tuple(_realised(drawn, shots))


def train_probe(
    workspace: Workspace,
    training: Training,
    *,
    catalogue: Training | None = None,
    head: HeadName = "local",
    promise: Promise | None = None,
    families: NDArray[np.int64] | None = None,
) -> Trained:
    """Fit a probe and report on it by scores that leave each product's family out.

    Parameters
    ----------
    workspace : Workspace
        Where the vectors come from, and where prompts are kept.
    training : Training
        From `gather`, or combined with an older probe's.
    catalogue : Training or None
        Products that nobody labelled, from `unlabelled`: what must not become worse.
    head : {"local", "linear"}
        What judges exclusive groups; with more than `MOST` labelled products it is always linear.
    promise : Promise or None
        The precision to promise, per group or per label.
    families : ndarray of shape (n,) or None
        Near-duplicates share a number; None finds them by picture and title.

    Raises
    ------
    CatalogError
        Nothing can be learned: no label has both a product that has it and one that hasn't.
    """
    started = time.monotonic()
    warnings: list[str] = []
    if families is None:
        families = find_families([key or None for key in training.image_keys], training.texts)
    everything, few = training, len(training.ids) <= MOST
    training = _learnable(training, warnings, local=head == "local" and few)
    features, prior = fit_features(zero_shot(workspace, training.space), training)
    x = features.of(training)
    labelled, rest = (
        Observed.of(workspace, features, rows)
        for rows in (everything, catalogue or _none_of(everything))
    )
    near = local = model = None
    if head == "local" and few:
        near = fit_local(
            everything.space, labelled.pair, everything.targets, families, rest.pair, promise
        )
        local = near.head if near.head.titled else None
    linear, spared = without(training.space, local), {}
    wanted = {} if promise is None else promise._asdict()
    if linear.groups:
        own = training.on_space(linear)
        model = ProbeClassifier(features.widths, group_spans(linear), **wanted)
        prior = prior.only(training.space, linear)
        model.fit(x, own.targets, families=families, prior=prior)
        spared = _spare_open_groups(model, features, linear, labelled, rest)
    seconds = time.monotonic() - started
    judged = _left_out(training, families, x, model, linear, near, everything.space)
    together = promise.precision if promise is not None and promise.together else None
    basis = "training products, each judged by a fit without its family"
    found = report_on(basis, judged, together)
    blocks = [] if model is None else [[one.prior, one.penalty] for one in model.settings_]
    settings = {"head": head, "precision": None, **wanted, "blocks": blocks}
    manifest = _manifest(workspace, training, families, found, settings)
    guards = _guards(labelled)
    probe = Probe(manifest, features, training, model, local, spared, guards)
    verdict = left_out_verdict(judged, promised=promise is not None)
    return Trained(probe, verdict, found, _forecast(probe, rest), tuple(warnings), seconds)


def _left_out(
    training: Training,
    families: NDArray[np.int64],
    x: Floats,
    model: ProbeClassifier | None,
    linear: LabelSpace,
    near: LocalFit | None,
    space: LabelSpace,
) -> Judged:
    """Return what both heads say of their own products, families left out.

    `linear` are the labels of the model, `space` those of the local fit.
    """
    rows = np.arange(len(x)) if model is None else model.sample_
    out = [np.full((len(rows), training.space.size), np.nan, np.float32) for _ in range(3)]
    if near is not None:
        places = [space.column(tag) for tag in training.space.tags]
        out = [one[rows][:, places] for one in near[1:]]
    if model is not None:
        columns = [training.space.column(tag) for tag in linear.tags]
        for one, own in zip(out, (model.left_out_, *model.cuts(x[rows])), strict=True):
            one[:, columns] = own
    out[0] = np.nan_to_num(out[0])
    return Judged(training.select(rows), families[rows], *out)


def _manifest(
    workspace: Workspace,
    training: Training,
    families: NDArray[np.int64],
    found: ProbeReport,
    settings: dict[str, Any],
) -> Manifest:
    encoder = workspace.encoder
    return Manifest(
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
        settings=settings,
    )


def _forecast(probe: Probe, rest: Observed) -> Forecast:
    """Compare what a probe would give the catalogue with what zero-shot gives."""
    space, rows = rest.rows.space, rest.rows
    if not rows.ids:
        return Forecast(0, 0, 0.0, 0.0)
    after = probe.overlay(rest.scores, space, probe.features.of(rows))
    decider = Decider(space)
    was, is_ = (
        space.multi_hot([[tag.tag for tag in row] for row in decider.decide(scores)])
        for scores in (rest.scores, after)
    )
    move = is_.astype(np.float32) - was
    chances = np.clip(after.labels, 0, 1)
    found: list[Example] = []
    seen = Counter[str]()
    surest = np.where(move > 0, chances, 0).max(axis=1, initial=0)
    for row in np.argsort(-surest, kind="stable")[: len(rows.ids)]:
        for group in space.groups:
            span = space.span(group.name)
            if len(found) == SHOWN or not (move[row, span] > 0).any():
                continue
            names = np.array(group.names)
            given = "|".join(names[is_[row, span]])
            seen[given] += 1
            if seen[given] <= ALIKE:
                before = "|".join(names[was[row, span]])
                sure = float(chances[row, span][is_[row, span]].max())
                said = (rows.ids[row], rows.texts[row], group.name, before, given, sure)
                found.append(Example(*said))
    return Forecast(
        products=len(rows.ids),
        changed=int(move.any(axis=1).sum()),
        right=float((move * chances).sum()),
        wrong=float((move * (1 - chances)).sum()),
        examples=tuple(found),
        closest=_closest(probe.training, rows, (was, is_), chances),
    )


def _closest(
    taught: Training, rows: Training, decided: tuple[Bools, Bools], chances: Floats
) -> tuple[Example, ...]:
    """Return `Forecast.closest`; ``decided`` marks what is given before and after, as `chances`."""
    space, found = rows.space, []
    for tag in np.array(taught.space.tags)[(taught.targets == 1).any(axis=0)].tolist():
        name, _, label = tag.partition("=")
        span, column = space.span(name), space.column(tag)
        had, has = (given[:, span] for given in decided)
        same = (had == has).all(axis=1) & ~has[:, column - span.start]
        row = int(np.where(same, chances[:, column], -1).argmax())
        if same[row]:
            before = "|".join(np.array(space.group(name).names)[had[row]])
            said = (rows.ids[row], rows.texts[row], name, before, label)
            found.append(Example(*said, float(chances[row, column])))
    return tuple(sorted(found, key=lambda one: -one.probability))


def _spare_open_groups(
    model: ProbeClassifier,
    features: Features,
    space: LabelSpace,
    labelled: Observed,
    rest: Observed,
) -> dict[str, Spared]:
    """Let zero-shot's labels of open groups stay, and give others as far as the budget goes.

    As in exclusive groups: over the catalogue, what is newly given may be expected to be wrong at
    most as often as what is taken back was.
    """
    seen = rest if len(rest.rows.ids) else labelled
    chances = model.predict_proba(features.of(seen.rows))
    found = {}
    for group in space.groups:
        if group.exclusive:
            continue
        span, whole = space.span(group.name), labelled.rows.space
        columns = [whole.column(tag) for tag in space.tags[span]]
        position = whole.names.index(group.name)
        given, told = (
            one.scores.labels[:, columns] >= one.scores.cuts[:, [position]]
            for one in (seen, labelled)
        )
        truth = labelled.rows.targets[:, columns]
        right, known = (told & (truth == 1)).sum(), (told & (truth >= 0)).sum()
        # Where not one is right, they are corrections, and say nothing of the rest.
        trust = believed(right, known) if right else believed(0, 0)
        shift = shift_to(chances[:, span][given], trust)
        stays = shifted(chances[:, span][given], shift)
        fresh = np.sort(chances[:, span][~given])[::-1]
        silent = bool(given.any(axis=1).mean() < SILENT)
        nothing = Balance(0.0, 0.0, 0.0)
        spending = Spending(OPEN_PRICE, FITTED.lost, silent)
        kept, cut = budgeted_cuts(stays, fresh, nothing, spending)
        model.raise_thresholds(span, cut)
        found[group.name] = Spared(shift, kept)
    return found


def _guards(seen: Observed) -> tuple[str, ...]:
    """Return the exclusive groups in which "unknown" wins on few products that have a label."""
    found, space = [], seen.rows.space
    for position, group in enumerate(space.groups):
        span = space.span(group.name)
        labelled = (seen.rows.targets[:, span] == 1).any(axis=1)
        wins = seen.scores.unknown[:, position] > seen.scores.labels[:, span].max(axis=1)
        if group.exclusive and labelled.any() and wins[labelled].mean() <= BELIEVED:
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


def _learnable(training: Training, warnings: list[str], *, local: bool) -> Training:
    """Keep the labels that some products have and others haven't; say which are refused.

    To the local head the rest of the catalogue is what hasn't the only label of an exclusive group.
    """
    positives = (training.targets == 1).sum(axis=0)
    negatives = (training.targets == 0).sum(axis=0)
    if local:
        for group in training.space.groups:
            if group.exclusive and len(group.labels) > 1:
                negatives[training.space.span(group.name)] += 1
    tags = np.array(training.space.tags)
    refused = [f"{tag} (0)" for tag in tags[positives == 0]]
    if refused:
        warnings.append(
            f"{len(refused)} labels have no positive product, so nothing is learnt of them: "
            f"{first_few(refused)}."
        )
    always = (positives > 0) & (negatives == 0)
    everywhere = [f"{tag} ({n})" for tag, n in zip(tags[always], positives[always], strict=True)]
    if everywhere:
        warnings.append(
            f"{len(everywhere)} labels hold for every annotated product, so nothing is learnt of "
            f"them; label products that haven't them, too: {first_few(everywhere)}."
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
            f"{len(single)} labels rest on one product each, and what is like it; label a few more "
            f"of {first_few(single)}."
        )
    space = training.space.only(kept)
    return training if space.tags == training.space.tags else training.on_space(space)
