"""From what a user types after ``--model`` to the model's files."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashiontag.encoders import files
from fashiontag.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

EMBEDDED = "mini"
EMBEDDED_FOLDER = Path(__file__).parent / "mini"
_FORMS = "ARCHITECTURE/PRETRAINED, hf-hub:ORG/NAME or local-dir:PATH"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model with a short name.

    Attributes
    ----------
    name, source : str
        What to type, and where it comes from.
    megabytes : int
        Of the weights' file.
    licence : str
    note : str
        What it is good for, in a line.
    """

    name: str
    source: str
    megabytes: int
    licence: str
    note: str

    @property
    def description(self) -> str:
        """Everything about the model in a line, and whether it is on this machine."""
        here = "on this machine" if self.is_here() else "not downloaded"
        return f"{self.note}; {self.megabytes} MB, {self.licence}, {self.source}, {here}"

    def is_here(self) -> bool:
        """Whether the model can be used without a network."""
        if self.source == "embedded":
            return (EMBEDDED_FOLDER / files.CONFIG).is_file()
        from fashiontag.encoders import hub

        repo = self.source.removeprefix("hf-hub:")
        try:
            return hub.cached(repo, files.SAFE_WEIGHTS, configured=True) is not None
        except ModelError:  # cached, but damaged
            return False


# Sizes and licences are those of the models' descriptions, noted down where no hub could be
# reached, so nobody compared them with the files; `hub.fetch` says what the hub says now.
KNOWN = (
    KnownModel(EMBEDDED, "embedded", 20, "Apache-2.0", "inside the package; small and quick"),
    KnownModel(
        "fashion-siglip",
        "hf-hub:Marqo/marqo-fashionSigLIP",
        813,
        "Apache-2.0",
        "the best open fashion model we know of (ViT-B-16-SigLIP)",
    ),
    KnownModel(
        "fashion-clip",
        "hf-hub:Marqo/marqo-fashionCLIP",
        600,
        "Apache-2.0",
        "its sibling on ViT-B-16, without transformers",
    ),
    KnownModel(
        "fashion-clip-2",
        "hf-hub:patrickjohncyh/fashion-clip",
        605,
        "MIT",
        "FashionCLIP 2.0 on ViT-B-32, converted from transformers' form",
    ),
    KnownModel(
        "ecommerce-b",
        "hf-hub:Marqo/marqo-ecommerce-embeddings-B",
        813,
        "Apache-2.0",
        "all kinds of shops, not fashion alone (ViT-B-16-SigLIP)",
    ),
    KnownModel(
        "ecommerce-l",
        "hf-hub:Marqo/marqo-ecommerce-embeddings-L",
        2600,
        "Apache-2.0",
        "the same, larger, slower and better (ViT-L-16-SigLIP-256)",
    ),
    KnownModel(
        "siglip2",
        "hf-hub:timm/ViT-B-16-SigLIP2-256",
        1500,
        "Apache-2.0",
        "labels and titles in many languages; knows no fashion in particular",
    ),
    KnownModel(
        "pe-core-s",
        "hf-hub:timm/PE-Core-S-16-384",
        349,
        "Apache-2.0",
        "the smallest of the general models here, with pictures of 384 px",
    ),
)


def locate(name: str | None, access: files.Access) -> files.ModelFiles:
    """Find a model's files, downloading them if need be; the name as in `resolve`.

    Raises
    ------
    UsageError
        If the name means nothing.
    ModelError
        If the model that it means can't be had.
    """
    name = (name or EMBEDDED).strip()
    if name == EMBEDDED:
        return files.from_folder(EMBEDDED_FOLDER, name, allow_pickle=False)
    short = {known.name: known.source for known in KNOWN}
    source = short.get(name, name)
    if source.startswith("local-dir:") and source != "local-dir:":
        folder = Path(source.removeprefix("local-dir:")).expanduser()
        return files.from_folder(folder, name, allow_pickle=access.allow_pickle)
    if source.startswith("hf-hub:"):
        repo, part, config = source.removeprefix("hf-hub:"), None, None
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
            raise UsageError(f"{name!r} is no model of the hub; write hf-hub:ORG/NAME.")
    else:
        repo, part, config = _builtin(source)
    from fashiontag.encoders import hub  # huggingface_hub: the embedded model does without

    weights = hub.fetch(repo, part, name=name, configured=config is None, access=access)
    config = files.checked_config(config, name) if config else files.read_config(weights.parent)
    tokenizer = files.tokenizer_name(config)
    place = hub.fetch_tokenizer(tokenizer, name=name, access=access) if tokenizer else None
    return files.ModelFiles(name, config, weights, place)


def _builtin(name: str) -> tuple[str, str | None, dict[str, Any]]:
    """Return repository, weights' file name and configuration of ``ARCHITECTURE/PRETRAINED``."""
    architecture, _, tag = name.rpartition("/")
    configs = _architectures()
    if not architecture or architecture not in configs:
        raise _unknown(name, configs)
    from fashiontag.encoders.openclip import import_open_clip  # torch too: only for these names

    pretrained = import_open_clip(with_transformers=False).pretrained
    tags = pretrained.list_pretrained_tags_by_model(architecture)
    entry = pretrained.get_pretrained_cfg(architecture, tag)
    if not entry:
        near = difflib.get_close_matches(tag, tags, n=1, cutoff=0.0)
        hint = f"the nearest is {architecture}/{near[0]}" if near else "it has none"
        raise UsageError(
            f"open_clip has no pretrained weights {tag!r} for {architecture}; {hint} (of"
            f" {len(tags)}: {', '.join(tags[:4])}, …)."
        )
    model = json.loads(configs[architecture].read_text(encoding="utf-8"))
    # The tag knows the activation that the weights were trained with; open_clip only warns where
    # the architecture's name says another one, and gives wrong vectors.
    model["quick_gelu"] = bool(entry.get("quick_gelu") or model.get("quick_gelu"))
    keys = ("mean", "std", "interpolation", "resize_mode")
    repo, _, part = entry["hf_hub"].rpartition("/")
    config = {"model_cfg": model, "preprocess_cfg": {key: entry[key] for key in keys}}
    return repo, part or None, config


def _architectures() -> dict[str, Path]:
    """Return open_clip's architectures and their files, without importing it."""
    configs = files.open_clip_folder() / "model_configs"
    return {path.stem: path for path in sorted(configs.glob("*.json"))}


def _unknown(name: str, architectures: Iterable[str]) -> UsageError:
    short = [known.name for known in KNOWN]
    if Path(name).expanduser().is_dir():
        hint = f"for a folder write local-dir:{name}"
    elif near := difflib.get_close_matches(name, short, n=1):
        hint = f"did you mean {near[0]}"
    elif near := difflib.get_close_matches(name.partition("/")[0], architectures, n=1):
        hint = f"did you mean {near[0]}/PRETRAINED"
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        hint = f"for a model of the hub write hf-hub:{name}"
    else:
        hint = f"there are {', '.join(short)}"
    return UsageError(f"There is no model {name!r}; {hint}, or give {_FORMS}.")
