"""Tiny model folders with random weights, in each form that an encoder can be given."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

PREPROCESS = {
    "mean": [0.48, 0.45, 0.4],
    "std": [0.26, 0.26, 0.27],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
CLIP = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 32,
        "layers": 1,
        "width": 32,
        "head_width": 16,
        "patch_size": 8,
    },
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 1,
    },
}
SIGLIP = {
    "embed_dim": 64,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 64,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": True,  # as published configurations say; nothing may be fetched
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 8,
        "vocab_size": 20,
        "hf_tokenizer_name": "acme/words",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 32,
        "heads": 2,
        "layers": 1,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    },
}


def write_config(folder: Path, model: dict[str, Any], preprocess: dict[str, Any]) -> None:
    config = {"model_cfg": model, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))


def write_clip(
    folder: Path, *, half: bool = False, seed: int = 0, model: dict[str, Any] = CLIP
) -> Path:
    """A CLIP with open_clip's own towers and tokenizer."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    torch.manual_seed(seed)
    towers = copy.deepcopy(model)
    made = open_clip.CustomTextCLIP if towers.pop("custom_text", False) else open_clip.CLIP
    state = made(**towers).state_dict()
    state = {key: value.half() if half else value for key, value in state.items()}
    save_file(state, folder / "open_clip_model.safetensors")
    write_config(folder, model, PREPROCESS)
    return folder


def write_siglip(folder: Path) -> Path:
    """A SigLIP: image tower of timm, bidirectional text, a Hugging Face tokenizer of 20 words."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    model = copy.deepcopy(SIGLIP)
    model.pop("custom_text")
    model["vision_cfg"]["timm_model_pretrained"] = False
    torch.manual_seed(0)
    state = open_clip.CustomTextCLIP(**model).state_dict()
    save_file(state, folder / "open_clip_model.safetensors")
    write_config(folder, SIGLIP, {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"})
    return write_tokenizer(folder)


def write_tokenizer(folder: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder.mkdir(exist_ok=True)
    words = [
        "a",
        "red",
        "dress",
        "blue",
        "shirt",
        "with",
        "long",
        "sleeves",
        "and",
        "pockets",
        "in",
        "cotton",
        "for",
        "women",
    ]
    vocabulary = {"<unk>": 0, "</s>": 1} | {word: n for n, word in enumerate(words, 2)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "</s>",
        "pad_token": "</s>",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def write_transformers_clip(folder: Path, activation: str) -> Any:
    """A CLIP as transformers stores it; returns the model to compare with."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    towers = {"num_hidden_layers": 2, "hidden_act": activation, "intermediate_size": 64}
    text = {"hidden_size": 32, "num_attention_heads": 4, "max_position_embeddings": 16}
    text |= {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407}
    vision = {"hidden_size": 48, "num_attention_heads": 3, "image_size": 32, "patch_size": 8}
    config = CLIPConfig(text_config=towers | text, vision_config=towers | vision, projection_dim=24)
    model = CLIPModel(config).eval()
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    model.save_pretrained(folder)
    pictures = {
        "crop_size": 32,
        "size": {"shortest_edge": 32},
        "do_center_crop": True,
        "image_mean": PREPROCESS["mean"],
        "image_std": PREPROCESS["std"],
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    return model
