"""A fitted probe as a folder: features, estimator, and the papers that say what made it.

``manifest.json`` says what made it, ``probe.json`` holds labels, words and options,
``probe.safetensors`` all numbers, and ``training.*`` what it was fitted on, so that labels can be
added without the old pictures.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.errors import CatalogError, OutputError, UsageError
from fashiontag.heads.calibration import Stack
from fashiontag.heads.fusion import Fusion, Widths
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.probe import Prior, ProbeClassifier, Side
from fashiontag.heads.statistics import Moments, Statistics
from fashiontag.heads.vocabulary import MOST, Vocabulary
from fashiontag.heads.zeroshot import Evidence
from fashiontag.labels import LabelSpace, parse_labels
from fashiontag.manifest import FILE_NAME, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder
    from fashiontag.heads.zeroshot import Scores, ZeroShot

    Floats = NDArray[np.float32]

KIND = "probe"
_NAMED = 5.0
"""Deviations that a label's name in the title is worth as a prior: no cosine reaches them."""


@dataclass(frozen=True, slots=True)
class Training:
    """What a probe is fitted on.

    Attributes
    ----------
    ids, image_keys, texts : tuple of n str
        Ids and content hashes of pictures, titles without markup.
    images, titles : ndarray of shape (n, d), float16
        As stored; zeros where there is no title.
    space : LabelSpace
    targets : ndarray of shape (n, t), int8
        1, 0, or -1 where unknown.
    rates : ndarray of shape (t,), float32, or None
        How often labels really occur, where the rows were picked to be balanced.
    """

    ids: tuple[str, ...]
    image_keys: tuple[str, ...]
    texts: tuple[str, ...]
    images: NDArray[np.float16]
    titles: NDArray[np.float16]
    space: LabelSpace
    targets: NDArray[np.int8]
    rates: NDArray[np.float32] | None = None

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of labels, pictures, titles and targets."""
        digest = hashlib.sha256(self.space.hash.encode())
        for part in (self.image_keys, self.texts):
            digest.update(json.dumps(part, ensure_ascii=True).encode())
        digest.update(self.targets.tobytes())
        return digest.hexdigest()


class Features:
    """Vectors and titles → one row of numbers per product: ``[image | title | words]``.

    Vectors are centred with the model's means and scaled to unit length on average; the words are
    TF-IDF over the training titles and, one column a label, whether the title names it.

    Parameters
    ----------
    space : LabelSpace
    image, title : ndarray of shape (d,), float32
        Means that are subtracted.
    vocabulary : Vocabulary
    """

    def __init__(
        self, space: LabelSpace, image: Floats, title: Floats, vocabulary: Vocabulary
    ) -> None:
        self.space = space
        self.image = image
        self.title = title
        self.vocabulary = vocabulary
        self._matcher = TitleMatcher(space)

    @classmethod
    def fit(cls, training: Training, statistics: Statistics) -> Features:
        """Learn the vocabulary, leaving room for one column a label."""
        image, title = moments(training, statistics)
        most = max(MOST // 4, MOST - training.space.size)
        return cls(training.space, image.mean, title.mean, Vocabulary.fit(training.texts, most))

    @property
    def widths(self) -> tuple[int, int, int]:
        """Columns of image, title and words."""
        words = len(self.vocabulary.words) + self.space.size
        return len(self.image), len(self.title), words

    def evidence(
        self, images: NDArray[Any], titles: NDArray[Any], texts: Sequence[str]
    ) -> Evidence:
        """Return the same for the zero-shot head."""
        return Evidence(
            images.astype(np.float32),
            titles.astype(np.float32),
            np.array([bool(text) for text in texts], bool),
            self._named(texts),
        )

    def transform(self, images: NDArray[Any], titles: NDArray[Any], texts: Sequence[str]) -> Floats:
        """Return features of n products, shape (n, p), float32; "" is no title."""
        titled = np.array([bool(text) for text in texts], bool)[:, None]
        columns = [
            _spread(images, self.image),
            _spread(titles, self.title) * titled,
            _each_once(self.vocabulary.transform, texts),
            self._named(texts),
        ]
        return np.hstack(columns).astype(np.float32)

    def _named(self, texts: Sequence[str]) -> Floats:
        return _each_once(self._matcher.score, texts)


def _each_once(read: Callable[[Sequence[str]], Floats], texts: Sequence[str]) -> Floats:
    """Read equal texts once: two titles in five are another's."""
    each, place = np.unique(np.array(texts, dtype=object), return_inverse=True)
    return read(each.tolist())[place]


def _spread(vectors: NDArray[Any], mean: Floats) -> Floats:
    """Centre unit vectors and stretch them to unit length on average.

    All by one factor, not each by its own: so every cosine is a linear function of the features,
    and the zero-shot classifier can be written over them as it is.
    """
    return np.asarray((vectors.astype(np.float32) - mean) / _length(mean), np.float32)


def _length(mean: Floats) -> float:
    """Return the root mean square distance of unit vectors from their mean."""
    return math.sqrt(max(1.0 - float(mean @ mean), 1e-6))


def moments(training: Training, statistics: Statistics) -> tuple[Moments, Moments]:
    """Return the model's moments of images and titles, the training rows' where it has none."""
    if statistics.image is not None and statistics.title is not None:
        return statistics.image, statistics.title
    titled = training.titles.any(axis=1)
    dim = training.images.shape[1]
    none = Moments(
        np.zeros(dim, np.float32), np.zeros(dim, np.float32), np.eye(dim, dtype=np.float32) / dim
    )
    few = len(training.images) < 3
    image = none if few else Moments.fit(training.images.astype(np.float32))
    title = none if titled.sum() < 3 else Moments.fit(training.titles[titled].astype(np.float32))
    return image, title


def zero_shot_prior(features: Features, zero: ZeroShot, image: Moments, title: Moments) -> Prior:
    """Write the zero-shot classifier as coefficients over the probe's features.

    Parameters
    ----------
    features : Features
    zero : ZeroShot
    image, title : Moments
    """
    space, prompts, statistics = features.space, zero.centred, zero.statistics
    dim = prompts.shape[1]
    size, words = space.size, len(features.vocabulary.words)
    visible = space.visible.astype(np.float32)
    rows = 2 * dim + words + size

    def standard(one: Moments) -> tuple[Floats, Floats]:
        spread = np.sqrt(np.maximum(np.einsum("td,de,te->t", prompts, one.covariance, prompts), 0))
        spread = np.maximum(spread, 1e-6).astype(np.float32)
        return prompts.T / spread, -(prompts @ one.centre) / spread

    seen, seen_shift = standard(image)
    said, said_shift = standard(title)
    seen, seen_shift = seen * visible, seen_shift * visible
    deviations = np.zeros((rows + 3, size), np.float32)
    deviations[:dim], deviations[rows] = seen, seen_shift
    deviations[dim : 2 * dim], deviations[rows + 1] = said, said_shift
    deviations[2 * dim + words : rows] = _NAMED * np.eye(size)
    # A cosine is length * (feature @ prompt) + mean @ prompt.
    look, look_shift = _length(features.image) * zero.prompts.T, zero.prompts @ features.image
    look, look_shift = look * visible, look_shift * visible
    read, read_shift = _length(features.title) * zero.prompts.T, zero.prompts @ features.title
    far, far_shift = _deviations(zero, features.image, image)
    heard, heard_shift = _deviations(zero, features.title, title)
    far, far_shift = far * visible, far_shift * visible
    logits = np.zeros((rows + 2, size), np.float32)
    alone = np.zeros((dim + 1, size), np.float32)
    none, none_alone = (np.full(len(space.groups), -np.inf, np.float32) for _ in range(2))
    # "Unknown" is as near as the group's background is to a product's picture on the average.
    background = zero.background(features.image[None])[0]
    for number, group in enumerate(space.groups):
        span = space.span(group.name)
        weight = statistics.of(space.name, group.name, exclusive=group.exclusive)
        mine = (look, look_shift, read, read_shift)
        if weight.standard and not group.exclusive:
            mine = (far, far_shift, heard, heard_shift)
        one, one_shift, other, other_shift = (part[..., span] for part in mine)
        logits[:dim, span], logits[-2, span] = weight.image * one, weight.image * one_shift
        logits[dim : 2 * dim, span], logits[-1, span] = (
            weight.title * other,
            weight.title * other_shift,
        )
        columns = np.arange(size)[span]
        logits[2 * dim + words + columns, columns] = weight.words
        alone[:dim, span], alone[-1, span] = (
            weight.image_alone * one,
            weight.image_alone * one_shift,
        )
        if group.exclusive:
            none[number] = np.logaddexp(weight.unknown, weight.image * background[number])
            none_alone[number] = np.logaddexp(
                weight.unknown_alone, weight.image_alone * background[number]
            )
        else:
            logits[-2, span] -= weight.unknown
            alone[-1, span] -= weight.unknown_alone
    return Prior(deviations, logits, alone, none, none_alone)


def _deviations(zero: ZeroShot, mean: Floats, one: Moments) -> tuple[Floats, Floats]:
    """Write `ZeroShot.deviations` over features, their spread the same for all products.

    It is the root of what the reference's cosines vary by about their mean, over products of these
    moments.
    """
    middle = zero.reference.mean(axis=0)
    apart = zero.reference - middle
    varying = np.einsum("rd,de,re->r", apart, one.covariance, apart) * _length(mean) ** 2
    spread = math.sqrt(max(float((varying + (apart @ mean) ** 2).mean()), 1e-12))
    ahead = zero.prompts - middle
    return _length(mean) * ahead.T / spread, ahead @ mean / spread


@dataclass(frozen=True, slots=True)
class Probe:
    """A fitted probe and all that it needs to judge products.

    Attributes
    ----------
    manifest : Manifest
    features : Features
    classifier : ProbeClassifier
    training : Training
    guards : tuple of str
        Groups in which zero-shot's "unknown" is believed: it almost never won on labelled products,
        so a picture on which it wins shows none.
    """

    manifest: Manifest
    features: Features
    classifier: ProbeClassifier
    training: Training
    guards: tuple[str, ...] = ()

    @property
    def space(self) -> LabelSpace:
        """The labels that the probe knows."""
        return self.features.space

    @property
    def promised(self) -> bool:
        """Whether a precision was promised."""
        return self.classifier.precision is not None

    def merge(self, labels: LabelSpace) -> LabelSpace:
        """Return all labels of a label file and of the probe, whose word on a group counts."""
        content: dict[str, Any] = labels.content()
        groups = content["groups"]
        for name, group in self.space.content()["groups"].items():
            if name not in groups:
                groups[name] = group
                continue
            there = {label["name"] for label in groups[name]["labels"]}
            groups[name]["exclusive"] = group["exclusive"]
            groups[name]["labels"] += [one for one in group["labels"] if one["name"] not in there]
        return parse_labels(content, labels.name, "the labels of file and probe")

    def overlay(self, scores: Scores, space: LabelSpace, evidence: Floats) -> Scores:
        """Put what the probe knows in place of zero-shot scores.

        In an exclusive group that has labels the probe doesn't know, those keep their zero-shot
        scores where one of them is the zero-shot best and the probe gives no label even odds; the
        probe shares out the rest.

        Parameters
        ----------
        scores : Scores
            Zero-shot scores of n products, over `space`.
        space : LabelSpace
            Has all labels of the probe.
        evidence : ndarray of shape (n, p), float32
            From `Features.transform`.
        """
        count = len(evidence)
        chances = self.classifier.predict_proba(evidence)
        seen, said = self.classifier.by_part(evidence)
        titled = self.classifier.titled(evidence)[:, None]
        sides = self.classifier.alone_, self.classifier.titled_
        labels, unknown = scores.labels.copy(), scores.unknown.copy()
        by_image, by_title = scores.by_image.copy(), scores.by_title.copy()
        probed = np.zeros(space.size, bool)
        cuts = np.full((count, space.size), np.nan, np.float32)
        promises = np.full((count, space.size), np.inf, np.float32)
        for group in self.space.groups:
            mine, span = self.space.span(group.name), space.span(group.name)
            here = np.array([space.column(tag) for tag in self.space.tags[mine]])
            others = np.setdiff1d(np.arange(space.size)[span], here)
            own = chances[:, mine]
            if group.exclusive:
                strange = np.zeros((count, 1), np.float32)
                if len(others):
                    labels[:, others] *= _strangers(scores.labels, here, others, own)[:, None]
                    strange = labels[:, others].sum(axis=1, keepdims=True)
                position = space.names.index(group.name)
                if group.name in self.guards:
                    nothing = scores.unknown[:, position]
                    wins = nothing > scores.labels[:, span].max(axis=1)
                    own = own * np.where(wins, 1 - nothing, 1)[:, None]
                own = own * (1 - strange)
                unknown[:, position] = np.clip(1 - (own.sum(axis=1) + strange[:, 0]), 0, 1)
            labels[:, here], probed[here] = own, True
            by_image[:, here] = _speaks_for(seen[:, mine], exclusive=group.exclusive)
            by_title[:, here] = _speaks_for(said[:, mine], exclusive=group.exclusive) & titled
            without, with_title = (side.thresholds[mine] for side in sides)
            cuts[:, here] = np.where(titled, with_title, without)
            without, with_title = (side.promises[mine] for side in sides)
            promises[:, here] = np.where(titled, with_title, without)
        by_image |= probed & ~titled
        return replace(
            scores,
            labels=labels,
            unknown=unknown,
            by_image=by_image,
            by_title=by_title,
            probed=probed,
            label_cuts=cuts,
            promises=promises if self.promised else None,
        )

    def save(self, folder: Path) -> None:
        """Write the folder whole; one that holds an older probe is replaced.

        Raises
        ------
        UsageError
            The folder holds something else.
        OutputError
            It can't be written.
        """
        check_target(folder)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            part.chmod(0o755)
            try:
                self._write(part)
                if folder.exists():
                    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
                    folder.rename(old / "old")
                    part.rename(folder)
                    shutil.rmtree(old)
                else:
                    part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        except OSError as error:
            raise OutputError(
                f"The probe can't be written to {folder} ({error.strerror or error}); name another "
                "folder with --out."
            ) from error

    def _write(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        model = self.classifier
        arrays: dict[str, NDArray[Any]] = {
            "image.mean": self.features.image,
            "title.mean": self.features.title,
            "vocabulary.idf": self.features.vocabulary.idf,
            **{f"fusion.{name}": value for name, value in model.fusion_.learned.items()},
            **_side_arrays("alone", model.alone_),
        }
        if model.fuses_:
            arrays |= _side_arrays("titled", model.titled_)
        content = {
            "labels": self.space.name,
            "content": self.space.content(),
            "words": self.features.vocabulary.words,
            "options": {
                "fusion": model.fusion,
                "head": model.head,
                "widths": self.features.widths,
                "precision": model.precision,
            },
            "fuses": model.fuses_,
            "guards": self.guards,
        }
        training = self.training
        kept: dict[str, NDArray[Any]] = {
            "images": training.images,
            "titles": training.titles,
            "targets": training.targets,
        }
        if training.rates is not None:
            kept["rates"] = training.rates
        rows = {
            "labels": training.space.name,
            "content": training.space.content(),
            "ids": training.ids,
            "image_keys": training.image_keys,
            "texts": training.texts,
        }
        for name, numbers in (("probe", arrays), ("training", kept)):
            save_file(_contiguous(numbers), folder / f"{name}.safetensors")
            (folder / f"{name}.safetensors").chmod(0o644)  # it makes files for its user alone
        for name, value in (("probe.json", content), ("training.json", rows)):
            (folder / name).write_text(json.dumps(value, ensure_ascii=True), "utf-8")
        self.manifest.save(folder)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder) -> Probe:
        """Read a probe that was trained with this encoder.

        Raises
        ------
        UsageError
            There is no such folder.
        CatalogError
            It holds no probe, or a damaged one.
        ForeignEncoderError
            It was trained with another model.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        if not folder.is_dir():
            raise UsageError(
                f"There is no probe {folder}; give a folder that `fashiontag probe-train` wrote."
            )
        manifest = Manifest.load(folder, KIND)
        manifest.check_encoder(encoder, f"The probe {folder}")
        try:
            arrays = load_file(folder / "probe.safetensors")
            content = json.loads((folder / "probe.json").read_text("utf-8"))
            kept = load_file(folder / "training.safetensors")
            rows = json.loads((folder / "training.json").read_text("utf-8"))
            space = parse_labels(content["content"], content["labels"], str(folder))
            vocabulary = Vocabulary(tuple(content["words"]), arrays["vocabulary.idf"])
            features = Features(space, arrays["image.mean"], arrays["title.mean"], vocabulary)
            training = Training(
                ids=tuple(rows["ids"]),
                image_keys=tuple(rows["image_keys"]),
                texts=tuple(rows["texts"]),
                images=kept["images"],
                titles=kept["titles"],
                space=parse_labels(rows["content"], rows["labels"], str(folder)),
                targets=kept["targets"],
                rates=kept.get("rates"),
            )
            model = _classifier(content, arrays, space)
            return cls(manifest, features, model, training, tuple(content["guards"]))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise CatalogError(
                f"The probe {folder} is damaged ({error}); train it again."
            ) from error


def _strangers(
    zero: Floats, known: NDArray[np.int64], others: NDArray[np.int64], own: Floats
) -> NDArray[np.bool_]:
    """Mark products that look like a label the probe never saw: it is unsure, zero-shot isn't."""
    ahead = zero[:, others].max(axis=1) > zero[:, known].max(axis=1)
    return np.asarray(ahead & (own.max(axis=1) < 0.5))


def _speaks_for(logits: Floats, *, exclusive: bool) -> NDArray[np.bool_]:
    """Mark the labels that one side alone would give: its best, or all above even odds."""
    if exclusive and logits.shape[1] > 1:
        return np.asarray(logits >= logits.max(axis=1, keepdims=True))
    return np.asarray(logits > 0)


def check_target(folder: Path) -> None:
    """Refuse to replace what is no probe; `UsageError`."""
    if not folder.exists() or (folder / FILE_NAME).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise UsageError(
            f"{folder} is there already and holds no probe; name another folder with --out."
        )


def _classifier(
    content: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], space: LabelSpace
) -> ProbeClassifier:
    options = content["options"]
    widths = tuple(options["widths"])
    groups = [(len(group.labels), group.exclusive) for group in space.groups]
    model = ProbeClassifier(
        options["fusion"], options["head"], widths, groups, options["precision"]
    )
    learned = {
        name.removeprefix("fusion."): value
        for name, value in arrays.items()
        if name.startswith("fusion.")
    }
    fusion = Fusion(options["fusion"], Widths(*widths), learned)
    alone = _side("alone", arrays)
    titled = _side("titled", arrays) if content["fuses"] else alone
    return model.restore(fusion, alone, titled, fuses=bool(content["fuses"]))


def _side_arrays(name: str, side: Side) -> dict[str, NDArray[Any]]:
    arrays = {
        "weights": side.stack.weights,
        "offsets": side.stack.offsets,
        "none": side.stack.none,
        "thresholds": side.thresholds,
        "promises": side.promises,
        **{f"coef{number}": coef for number, coef in enumerate(side.coefs)},
    }
    if side.zero is not None:
        arrays["zero"] = side.zero
    return {f"{name}.{key}": value for key, value in arrays.items()}


def _side(name: str, arrays: Mapping[str, NDArray[Any]]) -> Side:
    coefs = [f"{name}.coef{number}" for number in range(3)]
    return Side(
        zero=arrays.get(f"{name}.zero"),
        coefs=tuple(arrays[key] for key in coefs if key in arrays),
        stack=Stack(arrays[f"{name}.weights"], arrays[f"{name}.offsets"], arrays[f"{name}.none"]),
        thresholds=arrays[f"{name}.thresholds"],
        promises=arrays[f"{name}.promises"],
    )


def _contiguous(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: np.ascontiguousarray(value) for name, value in arrays.items()}
