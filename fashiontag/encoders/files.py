"""A model's own files, read and checked before anything heavy is imported."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashiontag.encoders import preprocess, transformers_clip
from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

CONFIG = "open_clip_config.json"
# In order of preference. `model.safetensors` last: beside the first two it usually holds the same
# weights with other names, for transformers.
SAFE_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
)
PICKLED_WEIGHTS = (
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "pytorch_model.bin",
)
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "config.json",
)
# Any one of these is a vocabulary; without one transformers would look for it on the hub.
VOCABULARIES = TOKENIZER_FILES[:1] + TOKENIZER_FILES[4:9]

# open_clip's byte-pair tokenizer has this many tokens; a model with another number that names no
# tokenizer would silently be fed with the wrong ids (open_clip#1118).
BPE_TOKENS = 49_408

_NEEDED = {"embed_dim": int, "vision_cfg": dict, "text_cfg": dict}

_WHOLE_FILE = 64 * 2**20  # hashed in full up to here (45 ms); above, a sample of every tensor
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Access:
    """What may be done to get at a model; attributes as the parameters of `resolve`."""

    offline: bool = False
    allow_pickle: bool = False
    announce: Callable[[str], None] | None = None

    def say(self, sentence: str) -> None:
        """Announce something."""
        if self.announce is not None:
            self.announce(sentence)


@dataclass(frozen=True)
class ModelFiles:
    """Everything that `OpenClipModel` is built from.

    Attributes
    ----------
    name : str
        As a user types it after ``--model``.
    config : Mapping
        ``model_cfg`` and ``preprocess_cfg``, complete and checked by `checked_config`.
    weights : Path
        A safetensors file, or a pickled one that was allowed.
    tokenizer : Path or None
        The folder of the Hugging Face tokenizer; None means open_clip's byte-pair one.
    """

    name: str
    config: Mapping[str, Any]
    weights: Path
    tokenizer: Path | None = None

    @property
    def folder(self) -> Path:
        """Where statistics and a self-test may stand beside the weights."""
        return self.weights.parent

    def fingerprint(self) -> str:
        """Digest `digest` and the version of our preprocessing."""
        whole = f"preprocess {preprocess.VERSION}\n{self.digest}"
        return hashlib.sha256(whole.encode()).hexdigest()[:32]

    @cached_property
    def digest(self) -> str:
        """Hex digest of weights, configuration and tokenizer, wherever they lie."""
        digest = hashlib.sha256(json.dumps(self.config, sort_keys=True).encode())
        digest.update(_weights_digest(self.weights))
        if self.tokenizer is not None:
            for name in TOKENIZER_FILES:
                if (self.tokenizer / name).is_file():
                    digest.update(name.encode() + (self.tokenizer / name).read_bytes())
        return digest.hexdigest()[:32]


def check_made_of(path: Path, made_of: str | None, files: ModelFiles) -> None:
    """Raise ModelError unless a file beside the weights was made of them, by their digest."""
    if made_of != files.digest:
        raise ModelError(
            f"{path} was made of other weights or another configuration than those beside it; make"
            " it again (python -m benchmarks.train_mini.graph FOLDER), or delete it: it only saves"
            " time."
        )


def from_folder(folder: Path, name: str, *, allow_pickle: bool) -> ModelFiles:
    """Read an open_clip folder: configuration, weights, and the tokenizer if it names one.

    Raises
    ------
    ModelError
        If something is missing, incomplete, contradictory, or only there as a pickle.
    """
    if not folder.is_dir():
        raise ModelError(
            f"The model folder {folder} does not exist; give one that holds {CONFIG} and"
            f" {SAFE_WEIGHTS[0]}."
        )
    config = read_config(folder)
    weights = _choose_weights(folder, allow_pickle=allow_pickle)
    if tokenizer_name(config) is None:
        return ModelFiles(name, config, weights)
    if not any((folder / part).is_file() for part in VOCABULARIES):
        raise ModelError(
            f"{folder} names the tokenizer {tokenizer_name(config)} but holds none of"
            f" {', '.join(VOCABULARIES)}; copy that tokenizer's files beside the weights."
        )
    return ModelFiles(name, config, weights, folder)


def tokenizer_name(config: Mapping[str, Any]) -> str | None:
    """Return the Hugging Face tokenizer that a configuration names, None for open_clip's own."""
    return config["model_cfg"]["text_cfg"].get("hf_tokenizer_name") or None


def read_config(folder: Path) -> dict[str, Any]:
    """Read and check a folder's configuration, be it open_clip's or a CLIP's of transformers.

    Raises
    ------
    ModelError
        If there is none, or it can't be read, or it leaves something to be guessed.
    """
    path = folder / CONFIG
    if not is_described(folder):
        raise ModelError(
            f"{folder} holds no {CONFIG}, which says how the model is built and how its"
            " pictures are prepared; copy it from where the weights came from."
        )
    try:
        if path.is_file():
            config = json.loads(path.read_text(encoding="utf-8"))
        else:
            path = folder / transformers_clip.CONFIG
            config = transformers_clip.read_config(folder)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be read as JSON ({error}); copy it again.") from None
    return checked_config(config, str(path))


def checked_config(config: object, where: str) -> dict[str, Any]:
    """Return ``model_cfg`` and ``preprocess_cfg`` alone, if they leave nothing to be guessed.

    Where open_clip falls back silently (open_clip#771, #1068, #1118), this raises.
    """
    model = config.get("model_cfg") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(model, dict):
        raise ModelError(f"{where} has no model_cfg; it is no open_clip configuration.")
    missing = [key for key, kind in _NEEDED.items() if not isinstance(model.get(key), kind)]
    if missing:
        raise ModelError(f"{where} lacks {', '.join(missing)} in model_cfg; copy the whole file.")
    timm = str(model["vision_cfg"].get("timm_model_name") or "")
    if ":" in timm:
        raise ModelError(f"{where} takes its image tower from elsewhere ({timm}); write its name.")
    text = model["text_cfg"]
    if text.get("hf_model_name") and not text.get("hf_tokenizer_name"):
        raise ModelError(
            f"{where} has the text tower {text['hf_model_name']} and names no tokenizer; add"
            " hf_tokenizer_name to text_cfg."
        )
    if not text.get("hf_tokenizer_name"):
        extra = (text.get("tokenizer_kwargs") or {}).get("additional_special_tokens") or ()
        tokens = text.get("vocab_size", BPE_TOKENS)
        if tokens != BPE_TOKENS + len(extra):
            raise ModelError(
                f"{where} has a vocabulary of {tokens} tokens and names no tokenizer; open_clip's"
                f" own has {BPE_TOKENS}: add hf_tokenizer_name to text_cfg."
            )
    preprocess.Preprocess.from_config(config, where)
    return {"model_cfg": model, "preprocess_cfg": dict(config["preprocess_cfg"])}


def safetensors_header(path: Path) -> dict[str, Any]:
    """Return name → ``{"dtype", "shape", "data_offsets"}``, having checked the file's length.

    Raises
    ------
    ModelError
        If the file is no safetensors file or was cut short.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, size)))
        header.pop("__metadata__", None)
        end = 8 + length + max(entry["data_offsets"][1] for entry in header.values())
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path} is no whole safetensors file ({size:,} bytes, {error}); delete it and get it"
            " again."
        ) from None
    if end != size:
        raise ModelError(
            f"{path} has {size:,} bytes where its header promises {end:,}: it was copied or"
            " downloaded by half; delete it and get it again."
        )
    return header  # type: ignore[no-any-return]


def open_clip_folder() -> Path:
    """Return where open_clip is installed, without importing it: that would import torch."""
    package = importlib.util.find_spec("open_clip")
    assert package is not None
    return Path(str(package.origin)).parent


def is_described(folder: Path) -> bool:
    """Whether a folder holds a configuration that `read_config` understands."""
    return (folder / CONFIG).is_file() or transformers_clip.is_clip(folder)


def is_readable(path: Path) -> bool:
    """Whether the tensors have names that we know; a pickle is not looked into."""
    if path.suffix != ".safetensors":
        return True
    names = [name.removeprefix("model.") for name in safetensors_header(path)]
    return any(name.startswith(("visual.", "vision_model.")) for name in names)


def _choose_weights(folder: Path, *, allow_pickle: bool) -> Path:
    safe = _known_first(folder.glob("*.safetensors"), SAFE_WEIGHTS)
    for path in safe:
        if is_readable(path):
            return path
    pickled = _known_first(
        (path for kind in ("*.bin", "*.pt", "*.pth") for path in folder.glob(kind)), PICKLED_WEIGHTS
    )
    if pickled and allow_pickle:
        return pickled[0]
    if pickled:
        raise refuse_pickle(str(folder), pickled[0].name)
    if safe:
        raise ModelError(
            f"{safe[0]} holds no weights of a CLIP (no tensor is named visual.…); convert it, or"
            " take a folder that open_clip wrote."
        )
    raise ModelError(f"{folder} holds no weights; put {SAFE_WEIGHTS[0]} beside {CONFIG}.")


def _known_first(paths: Iterable[Path], known: tuple[str, ...]) -> list[Path]:
    return sorted(paths, key=lambda path: ((*known, path.name).index(path.name), path.name))


def refuse_pickle(where: str, name: str) -> ModelError:
    """Return the refusal of weights that can run code when they are read."""
    return ModelError(
        f"{where} offers its weights only as a pickle ({name}), which can run code when it is read;"
        " take a model with safetensors, or pass --allow-pickle if you trust its source."
    )


def reason(error: Exception) -> str:
    """Return an error's first line, or its type's name, to be put in a sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".:")


def _weights_digest(path: Path) -> bytes:
    """Digest a weights file: in full, or for a large safetensors a sample of every tensor.

    Training moves nearly every number of a tensor, so four blocks of each tell two models apart;
    600 MB then take 30 ms instead of 0.4 s. The sample is a function of the bytes alone.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if size <= _WHOLE_FILE or path.suffix != ".safetensors":
            return hashlib.file_digest(file, "sha256").digest()
        header = safetensors_header(path)
        digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        (length,) = struct.unpack("<Q", file.read(8))
        for entry in header.values():
            start, stop = (8 + length + offset for offset in entry["data_offsets"])
            for part in range(4):
                file.seek(max(start, min(start + (stop - start) * part // 3, stop - _BLOCK)))
                digest.update(file.read(min(_BLOCK, stop - start)))
        return digest.digest()
