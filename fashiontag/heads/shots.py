"""Few-shot training sets, drawn from a large one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def draw_shots(
    targets: NDArray[np.int8], families: NDArray[np.int64], shots: int, seed: int
) -> NDArray[np.int64]:
    """Draw products so that every label has `shots` positives where it has that many families.

    Rare labels draw first, products that were drawn for another label count, and a family gives
    at most one product.

    Parameters
    ----------
    targets : ndarray of shape (n, t), int8
    families : ndarray of shape (n,), int64
    shots : int
    seed : int

    Returns
    -------
    ndarray of shape (m,), int64
        Rows, sorted. A frequent label has more positives than asked for.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(targets))
    positive = targets == 1
    taken: list[int] = []
    used: set[int] = set()
    have = np.zeros(targets.shape[1], np.int64)
    for column in np.argsort(positive.sum(axis=0), kind="stable"):
        for row in order[positive[order, column]]:
            if have[column] >= shots:
                break
            if int(families[row]) not in used:
                taken.append(int(row))
                used.add(int(families[row]))
                have += positive[row]
    return np.array(sorted(taken), np.int64)
