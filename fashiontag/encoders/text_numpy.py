"""The plain text tower of CLIP in numpy: texts are encoded without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.encoders.files import BPE_TOKENS, safetensors_header
from fashiontag.encoders.selftest import SelfTest
from fashiontag.encoders.tokens import END, START, BytePairs, Tokens, encode_by_windows, unit
from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import EncodedTexts, Vectors
    from fashiontag.encoders.files import ModelFiles

    Floats = NDArray[np.float32]

FEW = 256
"""Texts up to which this is taken where torch is what computes pictures."""
_BATCH_TOKENS = 1_024
_ROWS = 64
"""Rows of the embedding that are read one by one at most."""

# open_clip's settings of a text tower that `TextTower` has; another value of one of them, or a
# setting that isn't here, makes it another architecture.
_SIZES = {"context_length": 77, "vocab_size": BPE_TOKENS, "width": 512, "heads": 8, "layers": 12}
_PLAIN = {
    "mlp_ratio": 4.0, "ls_init_value": None, "embed_cls": False, "pad_id": 0, "eos_id": 2,
    "no_causal_mask": False, "pool_type": "argmax", "proj_bias": False, "proj_type": "linear",
    "output_tokens": False, "hf_model_name": None, "hf_tokenizer_name": None,
}  # fmt: skip
_PLAIN_MODEL = {"embed_dim", "vision_cfg", "custom_text", "init_logit_scale", "init_logit_bias"}


def fits(files: ModelFiles) -> bool:
    """Whether `TextTower` computes this model's text vectors: by its settings and its weights."""
    model = files.config["model_cfg"]
    text = dict(model["text_cfg"])
    if model.keys() - _PLAIN_MODEL - {"text_cfg"} or text.pop("tokenizer_kwargs", None):
        return False
    if any(value != _PLAIN.get(key, value) for key, value in text.items()):
        return False
    if text.keys() - _PLAIN.keys() - _SIZES.keys() or files.weights.suffix != ".safetensors":
        return False
    header, sizes = safetensors_header(files.weights), _SIZES | text
    prefix = _prefix(header)
    own = {name.removeprefix(prefix): of for name, of in header.items() if name.startswith(prefix)}
    names = _names(sizes)
    return (
        names == {name for name in own if not name.startswith(_OTHERS)}
        and own[_EMBEDDING]["shape"] == [sizes["vocab_size"], sizes["width"]]
        and own["text_projection"]["shape"] == [sizes["width"], model["embed_dim"]]
        and all(own[name]["dtype"] in {"F16", "F32"} for name in names)
    )


class TextTower:
    """The text tower of a model that `fits`, computed in single precision.

    Parameters
    ----------
    files : ModelFiles

    Raises
    ------
    ModelError
        If the weights can't be read, or the texts' part of the folder's self-test fails.
    """

    def __init__(self, files: ModelFiles) -> None:
        from safetensors import SafetensorError, safe_open

        self.name = files.name
        sizes = _SIZES | dict(files.config["model_cfg"]["text_cfg"])
        prefix = _prefix(safetensors_header(files.weights))
        try:
            file: Any = safe_open(files.weights, framework="numpy")
            self._weights: dict[str, Floats] = {
                name: file.get_tensor(prefix + name).astype(np.float32)
                for name in _names(sizes) - {_EMBEDDING}
            }
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"{files.weights} can't be read ({error}); get the folder again."
            ) from error
        # A slice: of the 49,408 rows a query needs ten.
        self._embedding: Any = file.get_slice(prefix + _EMBEDDING)
        self._layers, self._heads = int(sizes["layers"]), int(sizes["heads"])
        self._tokens = Tokens(BytePairs().encode, (START,), (END,), 0, int(sizes["context_length"]))
        test = SelfTest.of(files.folder)
        if test is not None:
            test.check_texts(self.name, self.encode_texts(test.texts).vectors)

    def encode_texts(self, texts: Sequence[str]) -> EncodedTexts:
        """Encode texts as `OpenClipModel.encode_texts` does, to 1e-5."""
        return encode_by_windows(texts, self._tokens, self._encode, self.name)

    def _encode(self, windows: Sequence[Sequence[int]]) -> Vectors:
        lengths = np.array([len(window) for window in windows])
        vectors = np.empty((len(windows), self._weights["text_projection"].shape[1]), np.float32)
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            for some in np.array_split(rows, -(-len(rows) * length // _BATCH_TOKENS)):
                vectors[some] = self._forward(np.array([windows[row] for row in some]))
        return unit(vectors, self.name)

    def _embed(self, tokens: NDArray[np.int64]) -> Floats:
        """Return the embeddings of tokens: a few are read one by one, for many the whole table."""
        each, place = np.unique(tokens, return_inverse=True)
        if len(each) > _ROWS:
            self._embedding = self._embedding[:]
        rows = [self._embedding[token : token + 1] for token in each.tolist()]
        return np.asarray(np.concatenate(rows)[place.reshape(tokens.shape)], np.float32)

    def _forward(self, windows: NDArray[np.int64]) -> Floats:
        """Encode n windows of one length, (n, d): under the causal mask padding would have no say.

        Rows of all windows lie in one matrix, but for attention.
        """
        weights, (count, length) = self._weights, windows.shape
        hidden = self._embed(windows) + weights["positional_embedding"][:length]
        hidden = hidden.reshape(count * length, -1)
        mask = np.triu(np.full((length, length), -np.inf, dtype=np.float32), 1)
        for layer in range(self._layers):
            block = f"transformer.resblocks.{layer}."
            mixed = self._linear(self._norm(hidden, block + "ln_1."), block + "attn.in_proj_")
            parts = mixed.reshape(count, length, 3, self._heads, -1).transpose(2, 0, 3, 1, 4)
            query, key, value = parts
            attention = query @ key.swapaxes(-1, -2)
            attention /= np.sqrt(np.float32(key.shape[-1]))
            attention += mask
            attention -= attention.max(axis=-1, keepdims=True)
            np.exp(attention, out=attention)
            attention /= attention.sum(axis=-1, keepdims=True)
            attended = (attention @ value).swapaxes(1, 2).reshape(count * length, -1)
            hidden += self._linear(attended, block + "attn.out_proj.")
            wide = _gelu(self._linear(self._norm(hidden, block + "ln_2."), block + "mlp.c_fc."))
            hidden += self._linear(wide, block + "mlp.c_proj.")
        ends = self._norm(hidden.reshape(count, length, -1)[:, -1], "ln_final.")
        return np.asarray(ends @ weights["text_projection"])

    def _linear(self, rows: Floats, name: str) -> Floats:
        found = rows @ self._weights[name + "weight"].T
        found += self._weights[name + "bias"]
        return found

    def _norm(self, rows: Floats, name: str) -> Floats:
        rows = rows - rows.mean(axis=-1, keepdims=True)
        rows /= np.sqrt((rows * rows).mean(axis=-1, keepdims=True) + np.float32(1e-5))
        rows *= self._weights[name + "weight"]
        rows += self._weights[name + "bias"]
        return rows


def _gelu(x: Floats) -> Floats:
    """Return x Φ(x), with erf to 1.5e-7 (Abramowitz and Stegun 7.1.26): numpy has none.

    In place: an array for every step takes five times as long.
    """
    size = np.abs(x)
    size *= np.float32(0.5**0.5)
    t = size * np.float32(0.3275911)
    t += 1
    np.reciprocal(t, out=t)
    series = t * np.float32(1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series += np.float32(factor)
        series *= t
    size *= size
    np.negative(size, out=size)
    series *= np.exp(size, out=size)
    np.subtract(1, series, out=series)  # erf of |x|/√2
    np.copysign(series, x, out=series)
    series += 1
    series *= x
    series *= np.float32(0.5)
    return series


_EMBEDDING = "token_embedding.weight"
_OTHERS = ("visual.", "logit_")  # what stands beside a text tower that has no prefix


def _prefix(header: Mapping[str, Any]) -> str:
    return "text." if "text." + _EMBEDDING in header else ""


def _names(sizes: Mapping[str, Any]) -> set[str]:
    """Return what the tensors of a tower of these sizes are called."""
    inside = ("ln_1.", "attn.in_proj_", "attn.out_proj.", "ln_2.", "mlp.c_fc.", "mlp.c_proj.")
    layers = range(sizes["layers"])
    modules = [f"transformer.resblocks.{layer}.{name}" for layer in layers for name in inside]
    parts = {module + part for module in (*modules, "ln_final.") for part in ("weight", "bias")}
    return {_EMBEDDING, "positional_embedding", "text_projection", *parts}
