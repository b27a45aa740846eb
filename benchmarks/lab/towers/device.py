"""Where towers are trained."""

from __future__ import annotations

import torch


def device() -> torch.device:
    """Return the first CUDA device, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
