"""The model itself: torch, open_clip and nothing guessed. Imported when the first vector is due."""

from __future__ import annotations

import copy
import importlib
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fashiontag.encoders import selftest, transformers_clip
from fashiontag.encoders.devices import batch_size, choose_precision, find_device
from fashiontag.encoders.files import reason
from fashiontag.encoders.selftest import SelfTest
from fashiontag.encoders.tokens import Tokens, check_unit, encode_by_windows
from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from fashiontag.datamodels import EncodedTexts, Pixels, Vectors
    from fashiontag.encoders.files import ModelFiles
    from fashiontag.encoders.preprocess import Preprocess

# Tokens of one forward pass of the text tower: 64 full windows of CLIP, some 400 short titles.
_BATCH_TOKENS = 64 * 77

# What CUDA, cuBLAS, MPS and the processor say when there is no memory left.
_NO_MEMORY = ("out of memory", "alloc_failed", "can't allocate memory")


class OpenClipModel:
    """Two towers and a tokenizer, as their configuration describes them.

    Parameters
    ----------
    files : ModelFiles
        Checked files, with weights in any precision.
    preprocess : Preprocess
        How pictures were prepared; its mean and std are applied here.
    device, precision : str
        As in `resolve`.

    Attributes
    ----------
    batch_size : int
        How many pictures the device takes at once.

    Raises
    ------
    ModelError
        If weights, configuration, tokenizer and self-test don't belong together.
    UsageError
        If the device isn't there, or doesn't compute in that precision.
    """

    def __init__(
        self, files: ModelFiles, preprocess: Preprocess, device: str, precision: str = "auto"
    ) -> None:
        self.name = files.name
        self._dim = files.config["model_cfg"]["embed_dim"]
        self._device = find_device(device)
        self._dtype = choose_precision(precision, self._device)
        self.batch_size = batch_size(self._device)
        text = files.config["model_cfg"]["text_cfg"]
        import_open_clip(with_transformers=bool(text.get("hf_model_name")))
        try:
            self._model = _build(files)
            _load(self._model, files.weights)
            self._tokens = _tokenizer(text, files.tokenizer)
        except ModelError:
            raise
        except Exception as error:  # open_clip, timm, torch and transformers raise what they like
            raise ModelError(
                f"{self.name} can't be loaded from {files.weights}: {reason(error)}; its"
                " weights and its configuration don't belong together, or one of them is damaged."
            ) from error
        self._model.eval().requires_grad_(requires_grad=False)
        try:
            self._model.to(self._device, self._dtype, memory_format=torch.channels_last)
        except RuntimeError as error:
            self._half(error, 1, single=True)
        shape = (1, 1, 1, 3)  # pictures stay height, width, channel until they are normalised
        self._mean = torch.tensor(preprocess.mean, device=self._device).view(shape)
        self._std = torch.tensor(preprocess.std, device=self._device).view(shape)
        self._turn = threading.Lock()
        self._pictures_at_once, self._tokens_at_once = sys.maxsize, _BATCH_TOKENS
        # Queues of work on a graphics card; torch.cpu has the same, where all is done at once.
        self._pinned = self._device.type == "cuda"
        self._queues: Any = torch.cuda if self._pinned else torch.cpu
        self._copies = self._queues.Stream(*[self._device] if self._pinned else [])
        test = SelfTest.of(files.folder)
        if test is not None:
            test.check_texts(self.name, self.encode_texts(test.texts).vectors)
            test.check_picture(self.name, self.encode_images([preprocess(selftest.picture())]))

    def encode_images(self, pixels: Sequence[Pixels]) -> Vectors:
        """Encode prepared pictures as one batch; (n, d) float32 unit rows.

        Two threads keep a device busy: while it computes one batch, the next is copied to it.
        What doesn't fit its memory is halved, and so are the batches that follow.
        """
        shape = (len(pixels), *pixels[0].shape)
        # A graphics card copies by itself what the system may not move: pinned memory.
        host = torch.empty(shape, dtype=torch.uint8, pin_memory=self._pinned)
        np.stack(pixels, out=host.numpy())
        rows = np.empty((len(pixels), self._dim), dtype=np.float32)
        done = 0
        while done < len(rows):
            part = host[done : done + self._pictures_at_once]
            try:
                rows[done : done + len(part)] = self._encode_pictures(part)
            except RuntimeError as error:
                left = self._half(error, len(part), single=len(part) == 1)
                self._pictures_at_once = min(self._pictures_at_once, left)
            else:
                done += len(part)
        check_unit(rows, self.name, "picture")
        return rows

    def _encode_pictures(self, host: Tensor) -> Vectors:
        with self._turn, torch.inference_mode():
            compute = self._queues.current_stream(self._device)
            with self._queues.stream(self._copies):
                batch = host.to(self._device, non_blocking=True)
            compute.wait_stream(self._copies)
            floats = batch.float().div_(255).sub_(self._mean).div_(self._std).to(self._dtype)
            # The permuted view is channels-last in memory, and stays so: 312 pictures a second and
            # core against 250 with a copy (MobileNetV4, AVX2); transformers don't mind.
            unit = _unit(self._model.encode_image(floats.permute(0, 3, 1, 2)))
            rows = unit.to("cpu", non_blocking=self._pinned)
            finished = self._queues.Event()
            finished.record(compute)
        finished.synchronize()  # out of turn: another thread's batch is queued meanwhile
        vectors: Vectors = rows.numpy()
        return vectors

    def _half(self, error: RuntimeError, tried: int, *, single: bool) -> int:
        """Return half of what was too much for the device's memory; raise any other error."""
        if not any(sign in str(error).lower() for sign in _NO_MEMORY):
            raise error
        if single:
            raise ModelError(
                f"{self._device} has not enough memory left for {self.name}, even for one input at"
                " a time; end what else uses it, or pass --device cpu or --precision bf16."
            ) from error
        return tried // 2

    def encode_texts(self, texts: Sequence[str]) -> EncodedTexts:
        """Encode texts, window by window; the order of `texts` doesn't influence a vector."""
        return encode_by_windows(texts, self._tokens, self._encode_windows, self.name)

    def _encode_windows(self, windows: Sequence[Sequence[int]]) -> Vectors:
        forward = _causal_forward(self._model)
        # By length, so that short titles meet short ones; a stable sort keeps batches repeatable.
        order = sorted(range(len(windows)), key=lambda row: len(windows[row]))
        vectors = np.empty((len(order), self._dim), dtype=np.float32)
        done = 0
        with self._turn, torch.inference_mode():
            while done < len(order):
                length = self._tokens.length
                if forward is not None:
                    size = max(1, self._tokens_at_once // len(windows[order[done]]))
                    length = len(windows[order[min(done + size, len(order)) - 1]])
                rows = order[done : done + max(1, self._tokens_at_once // length)]
                batch = [self._tokens.row(windows[row], length) for row in rows]
                try:
                    tokens = torch.tensor(batch, device=self._device)
                    unit = _unit((forward or self._model.encode_text)(tokens))
                    vectors[rows] = unit.cpu().numpy()
                except RuntimeError as error:
                    left = self._half(error, len(rows) * length, single=len(rows) == 1)
                    self._tokens_at_once = min(self._tokens_at_once, left)
                else:
                    done += len(rows)
        check_unit(vectors, self.name, "text")
        return vectors


def _unit(features: Tensor) -> Tensor:
    """Return rows of unit length in single precision, whatever the model computes in."""
    return torch.nn.functional.normalize(features.float(), dim=-1)


def _tokenizer(text: Mapping[str, Any], folder: Path | None) -> Tokens:
    """Build open_clip's tokenizer for a ``text_cfg`` and check that windows look like its rows."""
    from open_clip import tokenizer

    length = text.get("context_length", tokenizer.DEFAULT_CONTEXT_LENGTH)
    options = dict(text.get("tokenizer_kwargs") or {})
    options.pop("trust_remote_code", None)  # a configuration must not run code
    if folder is None:
        given: Any = tokenizer.SimpleTokenizer(context_length=length, **options)
        special = frozenset(given.all_special_ids)

        def encode(text: str) -> list[int]:
            # A title that spells "<end_of_text>" must not end there.
            return [token for token in given.encode(text) if token not in special]

        tokens = Tokens(encode, (given.sot_token_id,), (given.eot_token_id,), 0, length)
    else:
        mode = text.get("tokenizer_mode")
        given = tokenizer.HFTokenizer(
            str(folder), context_length=length, tokenizer_mode=mode, **options
        )
        tokens = _hugging_face_tokens(given, length, clips=mode == "clips")
    sample = "a red dress"
    windows = tokens.windows(sample)
    if len(windows) == 1 and tokens.row(windows[0], length) != given([sample])[0].tolist():
        raise ModelError(
            f"The tokenizer {text.get('hf_tokenizer_name') or 'of open_clip'} lays its rows out in"
            " a way that fashiontag doesn't know; please report it with the model's name."
        )
    return tokens


def _hugging_face_tokens(given: Any, length: int, *, clips: bool) -> Tokens:  # noqa: ANN401
    plain = given.tokenizer
    markers = {plain.bos_token_id, plain.eos_token_id, plain.cls_token_id, plain.sep_token_id}
    markers = markers - {plain.unk_token_id}

    def encode(text: str) -> list[int]:
        ids = plain(given.clean_fn(text), add_special_tokens=False, verbose=False).input_ids
        return [token for token in ids if token not in markers]

    if clips:
        ends = (plain.bos_token_id,), (plain.eos_token_id,)
        return Tokens(encode, *ends, plain.pad_token_id, length, (plain.cls_token_id,))
    inner, outer = encode("dress"), plain("dress").input_ids
    at = next(n for n in range(len(outer)) if outer[n : n + len(inner)] == inner)
    end = outer[at + len(inner) :]
    if given.strip_sep_token:
        end = [0 if token == plain.sep_token_id else token for token in end]
    return Tokens(encode, tuple(outer[:at]), tuple(end), plain.pad_token_id, length)


def _causal_forward(model: Any) -> Callable[[Tensor], Tensor] | None:  # noqa: ANN401 - open_clip's
    """Return a text tower that takes rows shorter than the context, where that changes nothing.

    Under a causal mask the end token sees only what stands before it, so padding behind it can be
    left out; titles have some 10 tokens of 77. None where the model pools otherwise.
    """
    tower = getattr(model, "text", model)
    pool = getattr(tower, "text_pool_type", getattr(tower, "pool_type", None))
    mask = getattr(tower, "attn_mask", None)
    if mask is None or pool not in {"argmax", "eos"} or getattr(tower, "cls_emb", None) is not None:
        return None
    from open_clip.transformer import text_global_pool

    eos = getattr(tower, "text_eos_id", getattr(tower, "eos_id", None))
    projection = tower.text_projection

    def forward(tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        hidden = tower.token_embedding(tokens) + tower.positional_embedding[:length]
        hidden = tower.transformer(hidden, attn_mask=mask[:length, :length])
        pooled: Tensor = text_global_pool(tower.ln_final(hidden), tokens, pool, eos_token_id=eos)
        if isinstance(projection, torch.nn.Linear):
            return torch.nn.functional.linear(pooled, projection.weight, projection.bias)
        return pooled if projection is None else pooled @ projection

    return forward


def _build(files: ModelFiles) -> Any:  # noqa: ANN401 - one of three classes of open_clip
    """Make the architecture that the configuration describes; nothing is fetched for it."""
    import open_clip

    config = copy.deepcopy(dict(files.config["model_cfg"]))
    config["vision_cfg"]["timm_model_pretrained"] = False
    foreign = bool(config["text_cfg"].get("hf_model_name"))
    if foreign:
        config["text_cfg"] |= {"hf_model_name": str(files.tokenizer), "hf_model_pretrained": False}
    custom = config.pop("custom_text", False) or foreign
    if not custom:
        return open_clip.CLIP(**config)
    return (open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP)(**config)


def _load(model: Any, path: Path) -> None:  # noqa: ANN401
    """Load weights, every one of them and nothing else."""
    from open_clip import factory
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    state = factory.load_state_dict(str(path), device="cpu", weights_only=True)
    if not any(key.startswith("visual.") for key in state):  # a wrapper of transformers around it
        state = {key.removeprefix("model."): value for key, value in state.items()}
    if any(key.startswith("vision_model.") for key in state):
        state = transformers_clip.rename(state)
    state = convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    own = model.state_dict()
    for scalar in ("logit_scale", "logit_bias"):  # they play no part in vectors
        if scalar in own:
            state[scalar] = own[scalar]
        else:
            state.pop(scalar, None)
    state.pop("text.transformer.embeddings.position_ids", None)  # of transformers before 4.31
    missing, surplus = own.keys() - state.keys(), state.keys() - own.keys()
    # open_clip would stretch position embeddings to another size or context without a word.
    bent = [key for key in own.keys() & state.keys() if own[key].shape != state[key].shape]
    if missing or surplus or bent:
        example = min(missing or surplus or bent)
        raise ModelError(
            f"The weights {path} don't fit the configuration beside them ({len(missing)} tensors"
            f" missing, {len(surplus)} too many, {len(bent)} of another shape, such as {example});"
            " take both from the same place."
        )
    model.load_state_dict(state, strict=True)


def import_open_clip(*, with_transformers: bool) -> ModuleType:
    """Import open_clip without transformers, unless a text tower is made of it.

    open_clip imports it on sight for models that we may not have: 2 of 8 s on two busy cores.
    """
    blocked = not (with_transformers or {"open_clip", "transformers"} & sys.modules.keys())
    if blocked:
        sys.modules["transformers"] = None  # type: ignore[assignment] # to import: "not installed"
    try:
        open_clip = importlib.import_module("open_clip")
    finally:
        if blocked:
            del sys.modules["transformers"]
    if with_transformers and open_clip.hf_model.transformers is None:
        importlib.reload(open_clip.hf_model)
    return open_clip
