"""What a probe is fitted on or judged by: labelled products with their vectors."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fashiontag.labels import LabelSpace


@dataclass(frozen=True, slots=True)
class Training:
    """Labelled products.

    Attributes
    ----------
    ids, image_keys, texts : tuple of n str
        Ids and content hashes of pictures, titles without markup.
    images, titles : ndarray of shape (n, d), float16
        As stored; zeros where there is no title.
    space : LabelSpace
    targets : ndarray of shape (n, t), int8
        1, 0, or -1 where unknown.
    """

    ids: tuple[str, ...]
    image_keys: tuple[str, ...]
    texts: tuple[str, ...]
    images: NDArray[np.float16]
    titles: NDArray[np.float16]
    space: LabelSpace
    targets: NDArray[np.int8]

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of labels, pictures, titles and targets."""
        digest = hashlib.sha256(self.space.hash.encode())
        for part in (self.image_keys, self.texts):
            digest.update(json.dumps(part, ensure_ascii=True).encode())
        digest.update(self.targets.tobytes())
        return digest.hexdigest()

    def select(self, rows: NDArray[np.int64]) -> Training:
        """Return some of the products."""
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            image_keys=tuple(self.image_keys[row] for row in rows),
            texts=tuple(self.texts[row] for row in rows),
            images=self.images[rows],
            titles=self.titles[rows],
            targets=self.targets[rows],
        )

    def on_space(self, space: LabelSpace) -> Training:
        """Return the products with targets over other labels.

        Labels that they didn't have are unknown, or, where their group is exclusive and one of its
        labels holds, known not to hold, unless they stand under it.
        """
        targets = np.full((len(self.ids), space.size), -1, np.int8)
        for group in space.groups:
            if group.name not in self.space.names:
                continue
            span, own = space.span(group.name), self.space.span(group.name)
            tags, own_tags = set(space.tags[span]), set(self.space.tags[own])
            if group.exclusive:
                settled = (self.targets[:, own] == 1).any(axis=1)
                targets[settled, span] = 0
            for tag in tags & own_tags:
                targets[:, space.column(tag)] = self.targets[:, self.space.column(tag)]
            for tag in tags - own_tags:
                column = space.column(tag)
                above = [*space.above.get(column, ())]
                targets[(targets[:, above] == 1).any(axis=1), column] = -1
            if group.exclusive and own_tags - tags:
                # A product of a label that is gone takes no part in what is left of its group.
                gone = [self.space.column(tag) for tag in own_tags - tags]
                targets[(self.targets[:, gone] == 1).any(axis=1), span] = -1
        return replace(self, space=space, targets=targets)

    def combined(self, newer: Training) -> Training:
        """Return the products of both; what the newer table says of a product and group counts.

        A group is exclusive if it is so in each that has it.
        """
        space = self.space.with_(newer.space, newer.space.name)
        several = {group.name for group in self.space.groups if not group.exclusive}
        groups = tuple(
            replace(group, exclusive=group.exclusive and group.name not in several)
            for group in space.groups
        )
        space = replace(space, groups=groups)
        first, second = self.on_space(space), newer.on_space(space)
        row_of = {key: row for row, key in enumerate(first.image_keys)}
        targets, told = first.targets.copy(), second.targets >= 0
        for span in (space.span(group.name) for group in groups if group.exclusive):
            # One that was "sneakers" and is "shoes" now may be any of them.
            told[(second.targets[:, span] == 1).any(axis=1), span] = True
        for key, newest, says in zip(second.image_keys, second.targets, told, strict=True):
            if key in row_of:
                targets[row_of[key]] = np.where(says, newest, targets[row_of[key]])
        fresh = [row for row, key in enumerate(second.image_keys) if key not in row_of]
        second = second.select(np.array(fresh, np.int64))
        return Training(
            ids=first.ids + second.ids,
            image_keys=first.image_keys + second.image_keys,
            texts=first.texts + second.texts,
            images=np.concatenate([first.images, second.images]),
            titles=np.concatenate([first.titles, second.titles]),
            space=space,
            targets=np.concatenate([targets, second.targets]),
        )


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
