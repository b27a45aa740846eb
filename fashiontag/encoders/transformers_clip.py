"""CLIP as transformers stores it, turned into what open_clip reads.

FashionCLIP 2.0 is published only in that form, and open_clip 3.3 has no converter for it. Both
compute the same; the test compares them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

CONFIG = "config.json"
PICTURES = "preprocessor_config.json"

# Of transformers and of open_clip, for parts of a tensor's name, replaced in this order.
_NAMES = (
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.embeddings.", ""),
    ("text_model.final_layer_norm", "ln_final"),
    ("text_model.encoder.layers", "transformer.resblocks"),
    ("text_projection.weight", "text_projection"),
    ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
    ("vision_model.embeddings.patch_embedding", "visual.conv1"),
    ("vision_model.embeddings.", "visual."),
    ("vision_model.pre_layrnorm", "visual.ln_pre"),  # their spelling
    ("vision_model.post_layernorm", "visual.ln_post"),
    ("vision_model.encoder.layers", "visual.transformer.resblocks"),
    ("visual_projection.weight", "visual.proj"),
    (".layer_norm", ".ln_"),
    (".self_attn.q_proj.", ".attn.in_proj_"),  # with keys and values behind, see `rename`
    (".self_attn.", ".attn."),
    (".mlp.fc1", ".mlp.c_fc"),
    (".mlp.fc2", ".mlp.c_proj"),
)
_DROPPED = (".position_ids", ".k_proj.weight", ".k_proj.bias", ".v_proj.weight", ".v_proj.bias")


def is_clip(folder: Path) -> bool:
    """Whether a folder is described as a CLIP in transformers' way."""
    try:
        given = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    described = isinstance(given, dict) and given.get("model_type") == "clip"
    return described and (folder / PICTURES).is_file()


def read_config(folder: Path) -> dict[str, Any]:
    """Return open_clip's configuration for a folder that `is_clip`.

    Raises
    ------
    ModelError
        If it asks for something that open_clip's transform or towers don't do.
    """
    given, pictures = (
        json.loads((folder / part).read_text(encoding="utf-8")) for part in (CONFIG, PICTURES)
    )
    # The file may leave out what equals transformers' defaults, and say some things twice.
    from transformers.models.clip.configuration_clip import CLIPConfig

    config = CLIPConfig.from_dict(given)
    text: Any = config.text_config
    vision: Any = config.vision_config
    sides = {_side(pictures.get("size")), _side(pictures.get("crop_size")), vision.image_size}
    filters = {2: "bilinear", 3: "bicubic"}
    if (
        len(sides) != 1
        or not pictures.get("do_center_crop", True)
        or pictures.get("resample", 3) not in filters
        or text.hidden_act != vision.hidden_act
        or vision.hidden_act not in {"gelu", "quick_gelu"}
        or not text.layer_norm_eps == vision.layer_norm_eps == 1e-5
    ):
        raise ModelError(
            f"{folder} holds a CLIP of transformers with settings that open_clip has no word for"
            f" (see {CONFIG} and {PICTURES}); take a model in open_clip's form."
        )
    towers: dict[str, dict[str, Any]] = {
        key: {
            "layers": part.num_hidden_layers,
            "width": part.hidden_size,
            "mlp_ratio": part.intermediate_size / part.hidden_size,
        }
        for key, part in (("vision_cfg", vision), ("text_cfg", text))
    }
    towers["vision_cfg"] |= {
        "image_size": vision.image_size,
        "patch_size": vision.patch_size,
        "head_width": vision.hidden_size // vision.num_attention_heads,
    }
    towers["text_cfg"] |= {
        "context_length": text.max_position_embeddings,
        "vocab_size": text.vocab_size,
        "heads": text.num_attention_heads,
    }
    quick = vision.hidden_act == "quick_gelu"
    return {
        "model_cfg": {"embed_dim": config.projection_dim, "quick_gelu": quick, **towers},
        "preprocess_cfg": {
            "mean": pictures.get("image_mean"),
            "std": pictures.get("image_std"),
            "interpolation": filters[pictures.get("resample", 3)],
            "resize_mode": "shortest",
        },
    }


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under open_clip's names; queries, keys and values become one matrix."""
    import torch

    out: dict[str, Tensor] = {}
    for key, value in state.items():
        name, tensor = key, value
        for theirs, ours in _NAMES:
            name = name.replace(theirs, ours)
        if ".q_proj." in key:
            tensor = torch.cat([state[key.replace(".q_", f".{part}_")] for part in "qkv"])
        elif key in {"text_projection.weight", "visual_projection.weight"}:
            tensor = value.T.contiguous()
        if not key.endswith(_DROPPED):
            out[name] = tensor
    return out


def _side(size: object) -> object:
    """Return the one number of a size, in any form that transformers wrote over the years."""
    if isinstance(size, dict):
        numbers = {size[key] for key in ("shortest_edge", "height", "width") if key in size}
        return numbers.pop() if len(numbers) == 1 else None
    return size
