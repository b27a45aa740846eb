"""Drawn products for probes: what picture and title each tell half of."""

import numpy as np


def two_sides(seed=0, n=120):
    """Kinds that the picture tells half of, and the title the other half; every fifth untitled."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, n)
    image = rng.normal(size=(2, 8))[kind // 2] + 0.5 * rng.normal(size=(n, 8))
    title = rng.normal(size=(2, 8))[kind % 2] + 0.5 * rng.normal(size=(n, 8))
    words = np.eye(2)[kind % 2]
    titled = np.arange(n) % 5 > 0
    x = np.hstack([image, title * titled[:, None], words * titled[:, None]]).astype(np.float32)
    return x, (kind[:, None] == np.arange(4)).astype(np.int8), titled
