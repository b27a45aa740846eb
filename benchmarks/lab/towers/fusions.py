"""How two towers' features become one: the five of Seo, Lee and Jang, and StyleSense's four."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

SIMPLE = ("add", "average", "product", "concatenate", "gate")
"""Of Seo, Lee and Jang (PLoS One 2025): layers of equal width in, no parameters but the gate's."""

LEARNED = ("concatenate", "attention", "bilinear", "cross-attention")
"""Of StyleSense: each modality is first projected to a common width."""

PARTS = "cross-attention"
"""The one fusion that looks at places and words, not at whole pictures and titles."""

_HEADS = 4


class Simple(nn.Module):
    """A fusion by arithmetic.

    Parameters
    ----------
    name : str
        One of `SIMPLE`.
    width : int
        Of either modality's layer.

    Attributes
    ----------
    out : int
        Width of the result.
    """

    def __init__(self, name: str, width: int) -> None:
        super().__init__()
        self.name = name
        self.out = 2 * width if name == "concatenate" else width
        self.gate = nn.Linear(2 * width, width) if name == "gate" else None

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Fuse two tensors (b, width) into one, (b, out)."""
        if self.gate is not None:
            share = torch.sigmoid(self.gate(torch.cat([image, text], dim=1)))
            return share * image + (1 - share) * text
        arithmetic: dict[str, Callable[[], Tensor]] = {
            "add": lambda: image + text,
            "average": lambda: (image + text) / 2,
            "product": lambda: image * text,
            "concatenate": lambda: torch.cat([image, text], dim=1),
        }
        return arithmetic[self.name]()


class Projection(nn.Sequential):
    """Features of one modality → the common width."""

    def __init__(self, width: int, common: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(width), nn.Linear(width, common), nn.GELU(), nn.Dropout(dropout)
        )


class Attention(nn.Module):
    """A weighted mean of both modalities; weights by a small network that sees each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = width
        self.score = nn.Sequential(
            nn.Linear(width, width // 2), nn.Tanh(), nn.Linear(width // 2, 1)
        )

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Fuse two tensors (b, width) into one of the same shape."""
        both = torch.stack([image, text], dim=1)
        fused: Tensor = (torch.softmax(self.score(both), dim=1) * both).sum(dim=1)
        return fused


class Bilinear(nn.Module):
    """Products of every pair of a few directions of each modality, beside the modalities.

    The full tensor of 256 × 256 × 256 would have 16.8 million parameters for some thousand
    products: each side is first brought down to `rank` numbers.
    """

    def __init__(self, width: int, rank: int = 32) -> None:
        super().__init__()
        self.image, self.text = nn.Linear(width, rank), nn.Linear(width, rank)
        self.out = rank * rank

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Fuse two tensors (b, width) into one, (b, rank²)."""
        pairs: Tensor = self.image(image).unsqueeze(2) * self.text(text).unsqueeze(1)
        return pairs.flatten(1)


class CrossAttention(nn.Module):
    """Words look at places, places look at words; what they found is averaged and put in a row."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.out = 2 * width
        options = {"dropout": dropout, "batch_first": True}
        self.image = nn.MultiheadAttention(width, _HEADS, **options)
        self.text = nn.MultiheadAttention(width, _HEADS, **options)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, image: Tensor, text: Tensor, there: Tensor) -> Tensor:
        """Fuse places (b, p, width) and words (b, s, width), real `there`, into (b, out)."""
        # A product without a title attends to one empty word instead of to nothing, which is NaN.
        first = torch.zeros_like(there)
        first[:, 0] = True
        away = ~(there | (first & ~there.any(dim=1, keepdim=True)))
        seen = image + self.image(image, text, text, key_padding_mask=away, need_weights=False)[0]
        read = text + self.text(text, image, image, need_weights=False)[0]
        weight = (~away).unsqueeze(-1)
        mean = (self.norms[1](read) * weight).sum(dim=1) / weight.sum(dim=1)
        return torch.cat([self.norms[0](seen).mean(dim=1), mean], dim=1)
