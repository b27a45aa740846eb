"""A fitted probe as a folder.

``manifest.json`` says what made it, ``probe.json`` holds words and options,
``probe.safetensors`` all numbers, and ``training.*`` what it was fitted on, so that labels can be
added without the old pictures.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.errors import CatalogError, OutputError, UsageError
from fashiontag.heads.calibration import Stack
from fashiontag.heads.classifier import ProbeClassifier, Side
from fashiontag.heads.features import Features, Vocabulary
from fashiontag.heads.groups import group_spans
from fashiontag.heads.local import Directions, LocalGroup, LocalHead
from fashiontag.heads.probe import Probe, Spared, without
from fashiontag.heads.training import Training
from fashiontag.labels import parse_labels
from fashiontag.manifest import FILE_NAME, Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder
    from fashiontag.labels import LabelSpace

    Arrays = dict[str, NDArray[Any]]
    Json = Mapping[str, Any]

KIND = "probe"


def check_target(folder: Path) -> None:
    """Refuse to replace what is no probe; `UsageError`."""
    if not folder.exists() or (folder / FILE_NAME).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise UsageError(
            f"{folder} is there already and holds no probe; name another folder with --out."
        )


def save_probe(probe: Probe, folder: Path) -> None:
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
            _write(part, "probe", *_probe_content(probe))
            _write(part, "training", *_training_content(probe.training))
            probe.manifest.save(part)
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


def load_probe(folder: Path, encoder: Encoder) -> Probe:
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

    if not folder.is_dir():
        raise UsageError(
            f"There is no probe {folder}; give a folder that `fashiontag probe-train` wrote."
        )
    manifest = Manifest.load(folder, KIND)
    manifest.check_encoder(encoder, f"The probe {folder}")
    try:
        content, arrays = _read(folder, "probe")
        training = _training(folder)
        space = training.space
        vocabulary = Vocabulary(tuple(content["words"]), arrays["vocabulary.idf"])
        features = Features(space, arrays["image.mean"], arrays["title.mean"], vocabulary)
        local = _local(content, arrays)
        linear, model = without(space, local), None
        if linear.groups:
            alone = _side("alone", features, linear, arrays)
            titled = _side("titled", features, linear, arrays) if content["fuses"] else alone
            precision = manifest.settings["precision"]
            model = ProbeClassifier(features.widths, group_spans(linear), precision)
            model.restore(alone, titled)
        spared = {name: Spared(**numbers) for name, numbers in content["spared"].items()}
        guards = tuple(content["guards"])
        return Probe(manifest, features, training, model, local, spared, guards)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CatalogError(f"The probe {folder} is damaged ({error}); train it again.") from error


def _write(folder: Path, name: str, content: Json, arrays: Arrays) -> None:
    from safetensors.numpy import save_file

    numbers = folder / f"{name}.safetensors"
    save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, numbers)
    numbers.chmod(0o644)  # it makes files for its user alone
    (folder / f"{name}.json").write_text(json.dumps(content, ensure_ascii=True), "utf-8")


def _read(folder: Path, name: str) -> tuple[Json, Arrays]:
    from safetensors.numpy import load_file

    arrays = load_file(folder / f"{name}.safetensors")
    return json.loads((folder / f"{name}.json").read_text("utf-8")), arrays


def _probe_content(probe: Probe) -> tuple[Json, Arrays]:
    features, model = probe.features, probe.classifier
    content: dict[str, Any] = {
        "words": features.vocabulary.words,
        "fuses": model is not None and model.fuses_,
        "guards": probe.guards,
        "spared": {name: asdict(one) for name, one in probe.spared.items()},
        "local": None,
    }
    arrays = {
        "image.mean": features.image,
        "title.mean": features.title,
        "vocabulary.idf": features.vocabulary.idf,
    }
    if model is not None:
        arrays |= _side_arrays("alone", model.alone_)
        arrays |= _side_arrays("titled", model.titled_) if model.fuses_ else {}
    if probe.local is not None:
        content["local"], own = _local_content(probe.local)
        arrays |= own
    return content, arrays


_LOCAL = ("shift", "line", "margin", "kept", "cut")
"""The numbers of a `LocalGroup`."""


def _under(place: str, arrays: Arrays) -> dict[str, Any]:
    """Return the arrays whose names begin so, by what follows."""
    return {
        name.removeprefix(place): array for name, array in arrays.items() if name.startswith(place)
    }


def _local_content(head: LocalHead) -> tuple[Json, Arrays]:
    """Keep the keys that some group uses, as stored vectors are: half precision."""
    sides = {"titled": head.titled, "alone": head.alone}
    used = np.unique(np.concatenate([g.keys for side in sides.values() for g in side.values()]))
    keys = head.keys.of(used)
    arrays: Arrays = {
        "local.image": keys.image.astype(np.float16),
        "local.title": keys.title.astype(np.float16),
    }
    numbers: dict[str, dict[str, Any]] = {"titled": {}, "alone": {}}
    for side, groups in sides.items():
        for number, (name, group) in enumerate(groups.items()):
            place = f"local.{side}.{number}."
            arrays |= {place + array: getattr(group, array) for array in ("alpha", "promises")}
            arrays[place + "keys"] = np.searchsorted(used, group.keys)
            numbers[side][name] = {key: getattr(group, key) for key in _LOCAL}
    content = {"content": head.space.content(), "labels": head.space.name, **numbers}
    return content | {"sharpness": head.sharpness}, arrays


def _local(content: Json, arrays: Arrays) -> LocalHead | None:
    kept = content["local"]
    if kept is None:
        return None

    def groups(side: str) -> dict[str, LocalGroup]:
        return {
            name: LocalGroup(**_under(f"local.{side}.{number}.", arrays), **numbers)
            for number, (name, numbers) in enumerate(kept[side].items())
        }

    space = parse_labels(kept["content"], kept["labels"], "the local head")
    keys = Directions(*(arrays[f"local.{n}"].astype(np.float32) for n in ("image", "title")))
    return LocalHead(space, keys, groups("titled"), groups("alone"), kept["sharpness"])


def _side_arrays(name: str, side: Side) -> dict[str, NDArray[Any]]:
    arrays = {
        "zero": side.zero,
        "weights": side.stack.weights,
        "offsets": side.stack.offsets,
        "none": side.stack.none,
        "thresholds": side.thresholds,
        "promises": side.promises,
        "rates": side.rates,
        **{f"coef{number}": coef for number, coef in enumerate(side.coefs)},
    }
    return {f"{name}.{key}": value for key, value in arrays.items() if value is not None}


def _side(name: str, features: Features, space: LabelSpace, arrays: Arrays) -> Side:
    own = _under(f"{name}.", arrays)
    return Side(
        features.widths,
        zero=own.get("zero"),
        coefs=tuple(own[key] for key in sorted(own) if key.startswith("coef")),
        stack=Stack(group_spans(space), own["weights"], own["offsets"], own["none"]),
        thresholds=own["thresholds"],
        promises=own["promises"],
        rates=own.get("rates"),
    )


# What a training consists of beside its label space.
_TEXTS = ("ids", "image_keys", "texts")
_NUMBERS = ("images", "titles", "targets")


def _training_content(training: Training) -> tuple[Json, Arrays]:
    texts = {name: getattr(training, name) for name in _TEXTS}
    numbers = {name: getattr(training, name) for name in _NUMBERS}
    space = {"labels": training.space.name, "content": training.space.content()}
    return {**space, **texts}, numbers


def _training(folder: Path) -> Training:
    content, arrays = _read(folder, "training")
    space = parse_labels(content["content"], content["labels"], str(folder))
    parts: dict[str, Any] = {name: tuple(content[name]) for name in _TEXTS}
    return Training(**parts | arrays, space=space)
