"""How good and how quick is ``fashiontag search``? ``python -m benchmarks.search WORKSPACE``.

WORKSPACE is made on the first run: all 21,447 photos with their titles. What is measured is
measured on photos of pool, val and test, none of which the embedded model was trained on; the
galleries are of all. Titles of the test split find their photos; titles without brand and colour
find their product or a sibling, as a search finds them, by vectors, by pictures alone and by BM25;
ten queries as buyers type them are written as galleries; and whole processes are timed. ``--fit``
weighs pictures, titles and their words on pool and val and stops; what it calls best goes into
``fashiontag/workflows/search.py``. The reports are ``benchmarks/results/search.md`` and, of the
weights, ``search-fit.md``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import markdown, products
from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.lab.data import rows_by_id
from benchmarks.paths import RESULTS
from fashiontag.catalog import FileRef, read_catalog
from fashiontag.catalog.items import Words, make_item
from fashiontag.encoders import resolve
from fashiontag.heads.statistics import Statistics, unit
from fashiontag.index import Entry, Titles, closeness
from fashiontag.words import split
from fashiontag.workflows.indexing import index_source
from fashiontag.workflows.search import (
    IMAGE_WEIGHT,
    JOINT_IMAGE_WEIGHT,
    WORDS_WEIGHT,
    Query,
    search,
)
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import text_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder

    Floats = NDArray[np.float32]

RESULT = RESULTS / "search.md"
SPLITS = ("pool", "val", "test")
FIT_SPLITS = ("pool", "val")
GRID = [round(0.1 * step, 1) for step in range(11)]
WORDS_GRID = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0]
SILENT = 0.25
"""Share of a catalogue's titles that are taken to name neither type nor colour; an agreement."""
BUYERS = (
    "summer floral dress",
    "navy formal shirt for men",
    "red heels",
    "kids' cartoon t-shirt",
    "black leather handbag",
    "white running shoes for women",
    "gold wrist watch",
    "blue slim fit jeans",
    "embroidered kurta for a wedding",
    "aviator sunglasses",
)
# What the galleries look like, by eye, with the model whose fingerprint this is.
SEEN_WITH = "f1fd0548"
SEEN = {
    "summer floral dress": "10 dresses, 6 with flowers or a print, 6 for girls",
    "navy formal shirt for men": "10 shirts, navy to grey blue, 8 plain, 2 striped",
    "red heels": "5 heels, 3 wedges, 2 flat, all red or with red",
    "kids' cartoon t-shirt": "10 printed T-shirts, 5 with a cartoon, 3 for children",
    "black leather handbag": "10 black bags",
    "white running shoes for women": "10 white sports shoes",
    "gold wrist watch": "10 watches, all with gold",
    "blue slim fit jeans": "10 jeans, 9 blue, a black pair",
    "embroidered kurta for a wedding": "10 kurtas, some 5 embroidered at the neck, none festive",
    "aviator sunglasses": "10 sunglasses, 8 of aviator shape",
}

# Marqo's leaderboard (2024-08), KAGL, text→image: R@1, R@10, MRR.
PUBLISHED = (
    ("Marqo-FashionSigLIP", 0.179, 0.489, 0.293),
    ("ViT-B-16-SigLIP", 0.169, 0.468, 0.272),
    ("Marqo-FashionCLIP", 0.159, 0.446, 0.265),
    ("FashionCLIP 2.0", 0.122, 0.404, 0.217),
)
_COLOURS = frozenset(
    re.findall(
        r"\w+",
        """aqua beige black blue brown bronze burgundy camel charcoal copper coral cream dark
        fluorescent fuchsia gold golden gray green grey indigo khaki lavender light lime magenta
        maroon mauve melange metallic mint multi multicolour multicoloured mushroom mustard navy
        nude off olive orange peach pink plum purple red rose rust sea silver skin steel tan taupe
        teal turquoise violet white wine yellow""",
    )
)


@dataclass(frozen=True)
class Shelf:
    """Pictured products with their centred vectors, in the order of `products.load`."""

    ids: NDArray[np.str_]
    families: NDArray[np.str_]
    attributes: dict[str, NDArray[np.str_]]
    titles: list[str]
    images: Floats
    texts: Floats

    def take(self, rows: NDArray[np.int64]) -> Shelf:
        return Shelf(
            self.ids[rows],
            self.families[rows],
            {name: values[rows] for name, values in self.attributes.items()},
            [self.titles[row] for row in rows.tolist()],
            self.images[rows],
            self.texts[rows],
        )

    def fused(
        self,
        words: Floats,
        weight: float,
        pictures: Floats | None = None,
        near: Floats | None = None,
        words_weight: float = WORDS_WEIGHT,
    ) -> Floats:
        """Score every product by queries as `fashiontag.workflows.search` does.

        ``near``, from `nearer`, is left out for vectors alone.
        """
        both = words if pictures is None else unit(words + pictures)
        cosines = weight * both @ self.images.T + (1 - weight) * words @ self.texts.T
        if near is None:
            return cosines
        return 1 - (1 - cosines) * (1 - near) ** (words_weight * (1 - weight))

    def nearer(self, texts: Sequence[str]) -> Floats:
        """Return `closeness` of all titles to queries, shape (queries, n)."""
        words_of = [split(title) for title in self.titles]
        numbers = {word: at for at, word in enumerate(dict.fromkeys(chain.from_iterable(words_of)))}
        titles = Titles.join(
            np.array([numbers[word] for word in words], dtype="<i4").tobytes() for words in words_of
        )
        return np.stack(
            [
                closeness([numbers.get(word, -1) for word in dict.fromkeys(split(text))], titles)
                for text in texts
            ]
        )


def build(workspace: Path, encoder: Encoder, splits: Sequence[str] | None = None) -> float:
    """Index the photos of some splits, else all there are; return the seconds that took."""
    folder = products.data_folder() / "fashion-products"
    started = time.monotonic()
    catalog = read_catalog(str(folder / "images"), folder / "styles.csv")
    if splits is not None:
        wanted = {f"{number}.jpg" for number in products.load(splits).ids}
        items = [item for item in catalog.items if item.id in wanted]
        catalog = replace(catalog, items=items, source=f"{catalog.source}/*")  # not all of it
    with Workspace.open(workspace, encoder) as opened:
        index_source(opened, catalog, keep_titles=False)
    return time.monotonic() - started


def shelf(workspace: Path, encoder: Encoder, splits: Sequence[str]) -> Shelf:
    """Read products with their vectors."""
    read = products.load(splits)
    titles = read.titles["plain"]
    statistics = Statistics.load(encoder.folder, encoder.dim)
    with Workspace.open(workspace, encoder) as opened:
        placement = opened.placement()
        found = opened.index.items(placement.numbers.tolist())
        items = {item.id: at for at, item in enumerate(found)}
        at = np.array([items[f"{number}.jpg"] for number in read.ids])
        images = opened.images.read(placement.images[at]).astype(np.float32)
        texts = opened.texts.read(placement.texts[at]).astype(np.float32)
    if statistics.image and statistics.title:
        images, texts = images - statistics.image.mean, texts - statistics.title.mean
    return Shelf(read.ids, read.families, read.attributes, titles, unit(images), unit(texts))


def queries(encoder: Encoder, texts: Sequence[str]) -> Floats:
    """Encode query words as a search does, without keeping them."""
    seen = {text_key(text): text for text in texts}
    vectors = encoder.encode_texts(list(seen.values())).vectors.astype(np.float16)
    titles = Statistics.load(encoder.folder, encoder.dim).title
    plain = vectors.astype(np.float32)
    centred = unit(plain - titles.mean if titles else plain)
    where = {key: at for at, key in enumerate(seen)}
    return centred[[where[text_key(text)] for text in texts]]


# -- titles without brand and colour --------------------------------------------------------------


def brands(titles: Sequence[str]) -> dict[str, int]:
    """Return how many words of a title its brand takes, by the title's first word.

    No column names the brand. It leads every title, so it is the first word, and the next one as
    long as five titles or more that begin alike nearly always (80 %) go on alike.
    """
    words = [title.casefold().split() for title in titles]
    lengths = {}
    for first in {row[0] for row in words if row}:
        rows = [row for row in words if row and row[0] == first]
        length = 1
        while length < 4 and len(rows) >= 5:
            following = Counter(row[length] for row in rows if len(row) > length)
            if not following:
                break
            word, count = following.most_common(1)[0]
            if count < 0.8 * len(rows) or word in _COLOURS | {"men", "women", "men's", "women's"}:
                break
            rows = [row for row in rows if len(row) > length and row[length] == word]
            length += 1
        lengths[first] = length
    return lengths


def stripped(title: str, lengths: dict[str, int]) -> str:
    """Return a title without its brand and its colour words."""
    words = title.split()
    words = words[lengths.get(words[0].casefold(), 1) :] if words else []
    return " ".join(w for w in words if re.sub(r"\W", "", w).casefold() not in _COLOURS)


class BM25:
    """BM25 over titles (Robertson and Zaragoza 2009, k1 = 1.5, b = 0.75), lower-cased words."""

    def __init__(self, titles: Sequence[str]) -> None:
        self._rows: dict[str, list[tuple[int, int]]] = defaultdict(list)
        lengths = []
        for row, title in enumerate(titles):
            words = Counter(self._words(title))
            lengths.append(sum(words.values()))
            for word, count in words.items():
                self._rows[word].append((row, count))
        self._size = len(titles)
        self._norm = 1.5 * (0.25 + 0.75 * np.array(lengths) / np.mean(lengths))

    @staticmethod
    def _words(text: str) -> list[str]:
        return re.findall(r"\w+", text.casefold())

    def scores(self, text: str) -> NDArray[np.float64]:
        total = np.zeros(self._size)
        for word in self._words(text):
            found = self._rows.get(word, [])
            rarity = math.log(1 + (self._size - len(found) + 0.5) / (len(found) + 0.5))
            for row, count in found:
                total[row] += rarity * count * 2.5 / (count + self._norm[row])
        return total


# -- judging --------------------------------------------------------------------------------------


def ranks(scores: NDArray[np.floating], right: NDArray[np.bool_], seed: int = 0) -> NDArray:
    """Return the rank of each query's best right product; equal scores fall at random."""
    noise = np.random.default_rng(seed).random(scores.shape[1])
    found = []
    for row, wanted in zip(scores, right, strict=True):
        best = row[wanted].max(initial=-np.inf)
        level = np.flatnonzero(row == best)
        luck = noise[level[wanted[level]]].min(initial=1)
        rank = 1 + int((row > best).sum() + (noise[level] < luck).sum())
        found.append(rank if wanted.any() else 10**9)
    return np.array(found)


def figures(rank: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    return {"R@1": (rank <= 1) * 1.0, "R@10": (rank <= 10) * 1.0, "MRR": 1 / rank}


def interval(values: NDArray[np.float64], families: NDArray[np.str_]) -> str:
    """Return a mean with its 95 % interval, bootstrapped over families."""
    return markdown.interval(FamilyBootstrap(families).mean(values))


def difference(a: NDArray[np.float64], b: NDArray[np.float64], families: NDArray[np.str_]) -> str:
    low_high = interval(a - b, families)
    return ("+" if (a - b).mean() >= 0 else "") + low_high


def attribute_queries(shelf_: Shelf) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return queries "colour type for gender" that 5 products or more satisfy, and which."""
    kinds, colours, genders = (
        shelf_.attributes[name] for name in ("articleType", "baseColour", "gender")
    )
    counts = Counter(zip(colours.tolist(), kinds.tolist(), genders.tolist(), strict=True))
    found = []
    for (colour, kind, gender), count in sorted(counts.items()):
        if count >= 5 and colour and kind and gender:
            right = (colours == colour) & (kinds == kind) & (genders == gender)
            found.append((f"{colour} {kind} for {gender}".lower(), right))
    return found


def precision(scores: Floats, right: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Return each query's share of right products among the first ten."""
    top = np.argsort(-scores, axis=1)[:, :10]
    return np.array([wanted[row].mean() for row, wanted in zip(top, right, strict=True)])


def over_queries(values: NDArray[np.float64]) -> str:
    """Return a mean with its 95 % interval, bootstrapped over queries."""
    return interval(values, np.arange(len(values)).astype(str))


def fit(workspace: Path, encoder: Encoder) -> list[str]:
    """Weigh pictures, titles and their words: names, attributes, "like this, but in red".

    On pool and val together: the embedded model has seen neither, and 300 names that several
    products share make either alone too small to tell weights apart. Attributes are asked for
    twice, of titles as they are and of titles that name no label: where all of them do, as here,
    pictures would hardly be asked.
    """
    val = shelf(workspace, encoder, FIT_SPLITS)
    masked = products.load(FIT_SPLITS).titles["masked"]
    silent = replace(val, titles=masked, texts=queries(encoder, masked))
    lengths = brands(products.load(["pool"]).titles["plain"])
    texts = [stripped(title, lengths) for title in val.titles]
    kept = np.array([bool(text) for text in texts])
    names = [text for text in texts if text]
    words, near, families = queries(encoder, names), val.nearer(names), val.families[kept]
    same = families[:, None] == val.families[None, :]
    named = attribute_queries(val)
    asked, right = [text for text, _ in named], [wanted for _, wanted in named]
    attributes = queries(encoder, asked)
    near_attributes, near_silent = val.nearer(asked), silent.nearer(asked)
    joint, pairs = _other_colours(val)
    colours = [colour.lower() for _, colour, _ in pairs]
    red, near_red = queries(encoder, colours), val.nearer(colours)
    like = val.images[[row for row, _, _ in pairs]]
    bm25 = BM25(val.titles)
    alone = figures(ranks(np.stack([bm25.scores(text) for text in names]), same))["R@10"]
    rows = []
    for weight in GRID:
        for words_weight in WORDS_GRID:
            scores = val.fused(words, weight, None, near, words_weight)
            recall = figures(ranks(scores, same))["R@10"]
            scores = val.fused(attributes, weight, None, near_attributes, words_weight)
            hits = precision(scores, right).mean()
            scores = silent.fused(attributes, weight, None, near_silent, words_weight)
            seen = precision(scores, right).mean()
            scores = val.fused(red, weight, like, near_red, words_weight)
            scores[np.arange(len(pairs)), [at for at, _, _ in pairs]] = -9  # the picture itself
            mean = (recall.mean() + (1 - SILENT) * hits + SILENT * seen) / 2
            other = precision(scores, joint).mean()
            rows.append(
                (mean, other, weight, words_weight, recall.mean(), hits, seen, recall - alone)
            )
    best = max(rows, key=lambda row: row[0])
    other = max((row for row in rows if row[3] == best[3]), key=lambda row: row[1])
    head = [
        "image weight", "words weight", "name → family R@10", "attributes P@10",
        "titles silent", "mean", "but in red P@10",
    ]  # fmt: skip
    return [
        "# Search: the weights",
        "",
        "`python -m benchmarks.search WORKSPACE --fit` on the splits pool and val; point values, "
        "from which the weights were chosen and nothing else follows.",
        "",
        f"Made with {products.made_with(encoder)}.",
        "",
        *markdown.table(
            head,
            [
                [f"{row[2]}", f"{row[3]}", *(f"{x:.3f}" for x in (*row[4:7], *row[:2]))]
                for row in rows
            ],
        ),
        "",
        f"IMAGE_WEIGHT = {best[2]}, WORDS_WEIGHT = {best[3]}, JOINT_IMAGE_WEIGHT = {other[2]}",
        f"BM25 alone: R@10 {alone.mean():.3f}; ahead of it by {interval(best[7], families)}",
        "",
    ]


def _other_colours(
    val: Shelf,
) -> tuple[list[NDArray[np.bool_]], list[tuple[int, str, str]]]:
    """Return queries "like this, but in COLOUR": right is the type and gender in that colour."""
    random = np.random.default_rng(0)
    kinds, colours, genders = (
        val.attributes[name] for name in ("articleType", "baseColour", "gender")
    )
    right, pairs = [], []
    for row in random.permutation(len(val.ids)).tolist():
        alike = (kinds == kinds[row]) & (genders == genders[row])
        choices = [
            colour
            for colour, count in Counter(colours[alike].tolist()).items()
            if count >= 5 and colour not in {"", colours[row]}
        ]
        if choices and kinds[row]:
            colour = str(random.choice(sorted(choices)))
            pairs.append((row, colour, str(kinds[row])))
            right.append(alike & (colours == colour))
        if len(pairs) == 500:
            break
    return right, pairs


# -- the report -----------------------------------------------------------------------------------


def by_title(workspace: Path, encoder: Encoder) -> list[str]:
    test = shelf(workspace, encoder, ["test"])
    everything = shelf(workspace, encoder, SPLITS)
    asked = queries(encoder, test.titles)
    rows = []
    for name, gallery in (
        ("2,125 test photos", test),
        ("8,211 photos of pool, val and test", everything),
    ):
        scores = asked @ gallery.images.T
        for what, right in (
            ("the very photo", test.ids[:, None] == gallery.ids[None, :]),
            ("any of the same title", _same_titles(test, gallery)),
        ):
            found = figures(ranks(scores, right))
            rows.append(
                [name, what, *(interval(values, test.families) for values in found.values())]
            )
    rows += [
        [f"published: {name}", "KAGL", *(f"{value:.3f}" for value in values)]
        for name, *values in PUBLISHED
    ]
    return [
        *markdown.table(["gallery", "right is", "R@1", "R@10", "MRR"], rows),
        "",
        "The published figures are Marqo's, on its own selection of these products, whose queries "
        "and gallery we haven't seen: only a gallery of the same size would compare. Their models, "
        "of 600 to 800 MB, see 224 px and were trained elsewhere. The "
        "embedded model has 20 MB, sees 128 × 96 px and was trained on other photos of this "
        "catalogue. Two titles in five are shared by several products, so the very photo is often "
        "a matter of luck.",
    ]


def _same_titles(asked: Shelf, gallery: Shelf) -> NDArray[np.bool_]:
    return np.array(asked.titles)[:, None] == np.array(gallery.titles)[None, :]


def by_name(workspace: Path, encoder: Encoder) -> list[str]:
    test = shelf(workspace, encoder, ["test"])
    lengths = brands(products.load(["pool"]).titles["plain"])
    texts = [stripped(title, lengths) for title in test.titles]
    kept = np.flatnonzero([bool(text) for text in texts])
    asked = [texts[row] for row in kept.tolist()]
    families = test.families[kept]
    right = families[:, None] == test.families[None, :]
    words = queries(encoder, asked)
    bm25 = BM25(test.titles)
    scored = {
        "fused": test.fused(words, IMAGE_WEIGHT, near=test.nearer(asked)),
        f"both vectors ({IMAGE_WEIGHT:g} picture)": test.fused(words, IMAGE_WEIGHT),
        "pictures alone": words @ test.images.T,
        "title vectors alone": words @ test.texts.T,
        "BM25 of titles": np.stack([bm25.scores(text) for text in asked]),
    }
    found = {name: figures(ranks(scores, right)) for name, scores in scored.items()}
    first = next(iter(found.values()))
    rows = [
        [
            what,
            *(interval(per_query, families) for per_query in values.values()),
            *(
                "" if values is first else difference(first[name], values[name], families)
                for name in ("R@1", "R@10")
            ),
        ]
        for what, values in found.items()
    ]
    examples = "; ".join(
        f"“{test.titles[row]}” → “{texts[row]}”" for row in kept[:: len(kept) // 3][:3]
    )
    return [
        *markdown.table(["", "R@1", "R@10", "MRR", "fused ahead by, R@1", "R@10"], rows),
        "",
        f"{len(asked):,} of {len(test.ids):,} titles have words left. Examples: {examples}. What "
        "is left is spelt as in the title that it came from, which is what BM25 looks for; the "
        "next table's queries are not. Fused is what a search does: both vectors' cosine, taken "
        "nearer by the words that a title has.",
    ]


def by_attributes(workspace: Path, encoder: Encoder) -> list[str]:
    test = shelf(workspace, encoder, ["test"])
    named = attribute_queries(test)
    texts, right = [text for text, _ in named], [wanted for _, wanted in named]
    words, near = queries(encoder, texts), test.nearer(texts)
    bm25 = BM25(test.titles)
    rows = [
        ["fused", over_queries(precision(test.fused(words, IMAGE_WEIGHT, near=near), right))],
        ["both vectors", over_queries(precision(test.fused(words, IMAGE_WEIGHT), right))],
        ["pictures alone", over_queries(precision(words @ test.images.T, right))],
        ["title vectors alone", over_queries(precision(words @ test.texts.T, right))],
        [
            "BM25 of titles",
            over_queries(precision(np.stack([bm25.scores(t) for t in texts]), right)),
        ],
    ]
    joint, pairs = _other_colours(test)
    colours = queries(encoder, [colour.lower() for _, colour, _ in pairs])
    like = test.images[[row for row, _, _ in pairs]]
    near = test.nearer([colour.lower() for _, colour, _ in pairs])
    scores = test.fused(colours, JOINT_IMAGE_WEIGHT, like, near)
    alone = like @ test.images.T
    for matrix in (scores, alone):
        matrix[np.arange(len(pairs)), [at for at, _, _ in pairs]] = -9
    rows += [
        ["“like this, but in red”: both", over_queries(precision(scores, joint))],
        ["… the picture alone", over_queries(precision(alone, joint))],
    ]
    return [
        *markdown.table(["", "P@10"], rows),
        "",
        f"{len(named)} combinations of colour, type and gender with 5 products or more, and "
        f"{len(pairs)} pictures with another colour that 5 products of their kind have.",
    ]


def galleries(workspace: Path, encoder: Encoder, folder: Path) -> list[str]:
    """Write the buyers' galleries; return what their first ten are, by the sellers' labels."""
    styles = rows_by_id(products.data_folder() / "fashion-products" / "styles.csv")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, query in enumerate(BUYERS, start=1):
        with Workspace.indexed(workspace, encoder) as opened:
            result = search(opened, Query(query, k=10))
        labelled = [styles[Path(hit.id).stem] for hit in result.hits]
        kinds = Counter(row["articleType"] for row in labelled)
        colours = Counter(row["baseColour"] for row in labelled)
        seen = SEEN[query] if encoder.fingerprint.startswith(SEEN_WITH) else "not looked at"
        rows.append([query, _counted(kinds), _counted(colours), seen])
        command(workspace, query, "--html", str(folder / f"{number:02}.html"), "--no-daemon")
    return markdown.table(["query", "types of the first ten", "colours", "by eye"], rows)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common(4))


def command(workspace: Path, *arguments: str, daemon: str = "0") -> float:
    """Run ``fashiontag search`` in a process of its own; return its seconds."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "fashiontag", "search", *arguments, "--workspace", str(workspace)],
        check=True, capture_output=True, env=os.environ | {"FASHIONTAG_DAEMON": daemon},
    )  # fmt: skip
    return time.perf_counter() - started


def latency(encoder: Encoder, items: int = 21_447) -> list[str]:
    """Time whole processes, seven after one that isn't counted, on random vectors."""

    def several(run: Callable[[int], float]) -> list[float]:
        return [run(number) for number in range(8)][1:]

    def timed(*code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", *code], check=True)
        return time.perf_counter() - started

    with tempfile.TemporaryDirectory() as name:
        workspace = Path(name)
        stock(workspace, encoder, items)
        base = several(lambda _: timed("import torch, open_clip"))
        least = several(lambda _: timed("import numpy, sqlite3"))
        rows = [
            ["`python -c 'import torch, open_clip'`", base],
            ["`python -c 'import numpy, sqlite3'`", least],
            ["new words, cold process", several(lambda n: command(workspace, f"dress {n}"))],
            ["words asked before, cold", several(lambda _: command(workspace, "red dress"))],
            [
                "new words, after another search",
                several(lambda n: command(workspace, f"shirt {n}", daemon="1")),
            ],
        ]
    return markdown.table(
        [f"whole process, {items:,} items", "seconds, median [least, most]", "of torch's import"],
        [
            [name, markdown.spread(all_, 3), f"{np.median(all_) / np.median(base):.2f}"]
            for name, all_ in rows
        ],
    )


def stock(workspace: Path, encoder: Encoder, items: int) -> None:
    """Fill a workspace with real titles and random vectors: time doesn't depend on their values."""
    random = np.random.default_rng(0)
    styles = rows_by_id(products.data_folder() / "fashion-products" / "styles.csv")
    rows = list(styles.values())[:items]
    titles = [row["productDisplayName"] or "untitled" for row in rows]
    with Workspace.open(workspace, encoder) as opened:
        for shard, keys in (
            (opened.images, [f"{at:032x}" for at in range(len(rows))]),
            (opened.texts, [text_key(title) for title in dict.fromkeys(titles)]),
        ):
            vectors = unit(random.normal(size=(len(keys), encoder.dim)).astype(np.float32))
            shard.add(keys, vectors)
        opened.index.replace_source(
            "/shop",
            (
                Entry(
                    make_item(
                        f"{row['id']}.jpg",
                        f"/shop/{row['id']}.jpg",
                        FileRef(f"/shop/{row['id']}.jpg"),
                        Words(title, {"season": row["season"]}),
                    ),
                    (f"articleType={row['articleType']}", f"baseColour={row['baseColour']}"),
                    f"{at:032x}",
                    text_key(title),
                )
                for at, (row, title) in enumerate(zip(rows, titles, strict=True))
            ),
            fingerprint=encoder.fingerprint,
            model=encoder.name,
            labels="",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--model", default=None)
    parser.add_argument("--no-time", action="store_true", help="leave out what a busy box spoils")
    parser.add_argument("--galleries", type=Path, default=None, metavar="DIR")
    given = parser.parse_args()
    encoder = resolve(given.model)
    seconds = build(given.workspace, encoder, FIT_SPLITS if given.fit else None)
    if given.fit:
        markdown.write(RESULT.with_name("search-fit.md"), fit(given.workspace, encoder))
        return
    where = given.galleries or given.workspace / "galleries"
    markdown.write(
        RESULT,
        [
            "# Search",
            "",
            f"`python -m benchmarks.search WORKSPACE` · {products.made_with(encoder)}. 95 % "
            "intervals by bootstrap over families.",
            "",
            "## Titles find their photos",
            "",
            "Each of the 2,125 test titles, as it is, against pictures alone.",
            "",
            *by_title(given.workspace, encoder),
            "",
            "## A name without brand and colour finds the product or a sibling",
            "",
            "Against the test photos with their titles; right is the product's family (same "
            "title without colours, same type and gender).",
            "",
            *by_name(given.workspace, encoder),
            "",
            "## Attributes as words, and a picture with a word",
            "",
            *by_attributes(given.workspace, encoder),
            "",
            "## Ten queries of buyers",
            "",
            "Over all 21,447 photos, the first ten with families folded.",
            "",
            *galleries(given.workspace, encoder, where),
            "",
            *([] if given.no_time else ["## Time", "", *latency(encoder), ""]),
        ],
    )
    print(json.dumps({"indexing took seconds": round(seconds, 1)}), file=sys.stderr)


if __name__ == "__main__":
    main()
