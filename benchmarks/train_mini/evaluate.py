"""Plain zero-shot figures of a pair of towers: argmax of cosines with averaged prompts."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.train_mini import pictures, words
from fashiontag.labels import load_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    EncodeTexts = Callable[[Sequence[str]], np.ndarray]
    EncodeImages = Callable[[np.ndarray], np.ndarray]  # (n, 128, 96, 3) uint8 → unit vectors


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length one."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)


def rows_of(data: Path, split: str) -> pd.DataFrame:
    """Return the pictured rows of a split, in the order of `split.npy`."""
    rows = pictures.read_tables(data)
    return rows[(rows.split == split) & (rows.image == "1")].reset_index(drop=True)


def ensembles() -> dict[str, tuple[list[str], list[list[str]]]]:
    """Column → (values, their sentences) of prompts/fashion-products.toml."""
    return {
        g.name: ([n.name for n in g.labels], [list(g.sentences(n)) for n in g.labels])
        for g in load_labels("fashion-products").groups
    }


PLAIN_SENTENCES = ("a photo of a {label}", "a product photo of a {label}", "{label}")


def eval_texts(titles: Sequence[str]) -> list[str]:
    """All texts that the figures need, so that they can be embedded in one go."""
    found = list(titles)
    for _, said in ensembles().values():
        found += [s for sentences in said for s in sentences]
    found += [s.replace("{label}", c) for c in pictures.CLOTHING for s in PLAIN_SENTENCES]
    for vocabulary in words.open_vocabulary().values():
        found += [f"a product photo of a {w}" for w in vocabulary] + list(vocabulary)
    return list(dict.fromkeys([*found, *words.BACKGROUND]))


def classify(
    images: np.ndarray, sentences: Sequence[Sequence[str]], encode: EncodeTexts
) -> np.ndarray:
    """Cosines (n, labels) with each label's averaged prompts."""
    flat = encode([s for said in sentences for s in said])
    starts = np.cumsum([0, *map(len, sentences)])
    prompts = [flat[a:b].mean(0) for a, b in pairwise(starts)]
    return images @ unit(np.stack(prompts)).T


def hits(rows: pd.DataFrame, images: np.ndarray, encode: EncodeTexts) -> dict[str, np.ndarray]:
    """Per column whether the argmax is right, NaN where the column says nothing."""
    result = {}
    for column, (values, sentences) in ensembles().items():
        truth = rows[column].to_numpy()
        guess = np.array(values)[classify(images, sentences, encode).argmax(1)]
        result[column] = np.where(np.isin(truth, ["", "NA"]), np.nan, guess == truth)
    return result


def recall(rows: pd.DataFrame, images: np.ndarray, encode: EncodeTexts) -> dict[str, np.ndarray]:
    """Whether a title's own photo is among the best 1 and 10."""
    rank = _ranks(encode(rows.productDisplayName.tolist()) @ images.T)
    return {"recall@1": rank < 1, "recall@10": rank < 10}


ATTRIBUTES = ("articleType", "baseColour", "gender", "usage", "season")
SCALE = 60.0  # what training lets the logits of labels grow to, and where type and colour end


def recall_limits(rows: pd.DataFrame, images: np.ndarray, encode: EncodeTexts) -> dict[str, float]:
    """Return what recall@1 would be if five attributes, or the title, were known without error.

    Products that share them are drawn from by lot, so each kind of product counts as one hit. And
    if they were known of what is sought, while pictures are seen as the model sees them: ranked by
    the probability that they show those five.
    """
    told = np.zeros((len(rows), len(rows)))  # of what is sought, of each picture
    for column, (values, sentences) in ensembles().items():
        if column in ATTRIBUTES:
            logits = SCALE * classify(images, sentences, encode)
            logits -= logits.max(1, keepdims=True)
            logits -= np.log(np.exp(logits).sum(1, keepdims=True))
            place = {value: at for at, value in enumerate(values)}
            sought = np.array([place.get(value, -1) for value in rows[column]])
            told += np.where(sought[:, None] >= 0, logits[:, sought].T, 0)
    return {
        "recall@1 of true attributes": len(rows[list(ATTRIBUTES)].drop_duplicates()) / len(rows),
        "recall@1 of true attributes, pictures as seen": float((_ranks(told) < 1).mean()),
        "recall@1 of true titles": rows.productDisplayName.nunique() / len(rows),
    }


def _ranks(scores: np.ndarray) -> np.ndarray:
    """How many pictures are ahead of each row's own."""
    return (scores > np.diag(scores)[:, None]).sum(1)


def open_vocabulary(
    rows: pd.DataFrame, images: np.ndarray, encode: EncodeTexts
) -> dict[str, float]:
    """Per unseen word the share of right photos among its best ten."""
    result = {}
    for column, vocabulary in words.open_vocabulary().items():
        for word, right in vocabulary.items():
            text = (
                f"a product photo of a {word}" if column == "articleType" else f"a {word} product"
            )
            query = unit(encode([text, word]).mean(0))
            best = np.argsort(-(images @ query))[:10]
            result[word] = float(rows[column].iloc[best].isin(right).mean())
    return result


def ordinary(data: Path, images: np.ndarray, encode: EncodeTexts) -> np.ndarray:
    """Whether ordinary photos get their class, with ten plain words as labels."""
    truth = pictures.clothing_rows(data, "validation").plain.to_numpy()
    sentences = [[s.replace("{label}", c) for s in PLAIN_SENTENCES] for c in pictures.CLOTHING]
    return np.array(pictures.CLOTHING)[classify(images, sentences, encode).argmax(1)] == truth


def summary(
    data: Path, work: Path, split: str, encode_images: EncodeImages, encode: EncodeTexts
) -> dict[str, float]:
    """All figures of one split as plain means."""
    rows = rows_of(data, split)
    images = encode_images(np.load(work / f"{split}.npy", mmap_mode="r"))
    found = {k: float(np.nanmean(v)) for k, v in hits(rows, images, encode).items()}
    found |= {k: float(v.mean()) for k, v in recall(rows, images, encode).items()}
    found["open vocabulary"] = float(
        np.mean([v > 0.5 for v in open_vocabulary(rows, images, encode).values()])
    )
    photos = encode_images(np.load(work / "clothing_validation.npy", mmap_mode="r"))
    found["ordinary photos"] = float(ordinary(data, photos, encode).mean())
    return found


def interval(values: np.ndarray, families: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over families."""
    known = ~np.isnan(values.astype(float))
    values, (_, codes) = (
        values[known].astype(float),
        np.unique(families[known], return_inverse=True),
    )
    total, count = np.bincount(codes, values), np.bincount(codes)
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(count), (draws, len(count)))
    means = total[picks].sum(1) / count[picks].sum(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def disturb(kind: str, image: Image.Image) -> Image.Image:
    """One of the changes that must not matter much."""
    if kind == "enlarged":
        return image.resize((image.width * 3, image.height * 3), Image.Resampling.BICUBIC)
    if kind == "60x80":
        return Image.fromarray(pictures.letterbox(image, (80, 60)))
    if kind == "jpeg":
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=35)
        return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")
    if kind == "shifted":
        sheet = Image.new("RGB", image.size, "white")
        sheet.paste(image, (round(image.width * 0.06), round(image.height * 0.06)))
        return sheet
    raise ValueError(kind)


def near_duplicates(work: Path, split: str) -> np.ndarray:
    """For each photo of a split the smallest mean grey-level distance to a backbone photo.

    Compared as 20 x 15 thumbnails in colour. Looked at: below 1 of 255 half of the pairs are one
    product, above 2 they are only alike (any two sunglasses on white are).
    """

    def thumbnails(name: str) -> np.ndarray:
        raw = np.load(work / f"{name}.npy", mmap_mode="r")
        out = np.empty((len(raw), 20 * 15 * 3), np.float32)
        for i, picture in enumerate(raw):
            out[i] = np.asarray(Image.fromarray(picture).resize((15, 20), 4), np.float32).ravel()
        return out

    one, other = thumbnails(split), thumbnails("backbone")
    norms = (other**2).sum(1)
    best = np.empty(len(one))
    for i in range(0, len(one), 256):
        part = one[i : i + 256]
        near = ((norms - 2 * part @ other.T) + (part**2).sum(1)[:, None]).argmin(1)
        best[i : i + 256] = np.abs(part - other[near]).mean(1)
    return best
