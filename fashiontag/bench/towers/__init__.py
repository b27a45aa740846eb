"""Other people's architectures: image and text towers, their training, and how they fuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fashiontag.bench.methods import Method

METHODS: dict[str, Method] = {}
"""Methods by the name that a suite file calls them; torch is imported when one is fitted."""
