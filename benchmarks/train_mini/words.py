"""What is said of a picture: label groups with their prompts, targets, and composed captions."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.labels import load_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    import pandas as pd

    Row = Any  # what DataFrame.itertuples() yields

OPEN_VOCABULARY = Path(__file__).parents[1] / "openvocab.toml"

# Loss weight per group. The first seven are the data's columns, `plain` the ten classes of
# ordinary photos, the others those of prompts/fashion.toml, mostly read off the titles.
WEIGHTS = {
    "articleType": 1.0, "baseColour": 1.0, "gender": 0.6, "season": 0.2, "usage": 0.4,
    "subCategory": 0.3, "masterCategory": 0.3, "plain": 0.5, "category": 0.3, "color": 0.3,
    "audience": 0.1, "occasion": 0.1, "pattern": 0.3, "sleeve": 0.2, "neckline": 0.2,
    "material": 0.15, "length": 0.1, "fit": 0.05, "style": 0.05, "closure": 0.05,
}  # fmt: skip
COLUMNS = (
    "articleType", "baseColour", "gender", "season", "usage", "subCategory", "masterCategory",
)  # fmt: skip
# Groups of fashion.toml whose truth is a column under other names, joined through shared words.
SAME_AS = {
    "category": "articleType", "color": "baseColour", "audience": "gender", "season": "season",
    "occasion": "usage",
}  # fmt: skip
# Short sentences that people type; the label files' own templates come on top.
GENERIC = ("{label}", "a {label}", "a product photo of a {label}", "a photo of a {label}")
BACKGROUND = (
    "random noise", "a plain colour", "a page of text", "a landscape", "no clothes, no product",
    "an empty picture", "a chart with numbers", "an abstract pattern of shapes",
    "a picture without any product",
)  # fmt: skip
NOTHING_WORDS = {
    "noise": ("random noise", "coloured noise, no product"),
    "plain": ("a plain colour", "an empty picture", "one colour and nothing else"),
    "gradient": ("a colour gradient", "a smooth gradient, no product"),
    "text": ("a page of text", "a printed document", "words on paper"),
    "landscape": ("a landscape", "hills and sky", "a landscape, no clothes"),
    "shapes": ("an abstract pattern of shapes", "circles and squares"),
    "chart": ("a chart with numbers", "a bar chart", "a diagram"),
    "blur": ("a blurred picture", "blurred colours, nothing to see"),
    "shapes and textures": ("shapes and textures, no product", "not a product photo"),
}
# The ten classes of ordinary photos: what one may call them, and the types that they cover.
PLAIN = {
    "dress": (("dress",), ("Dresses", "Nightdress", "Jumpsuit")),
    "hat": (("hat", "cap"), ("Caps", "Hat")),
    "longsleeve": (
        ("longsleeve", "long-sleeve t-shirt", "long-sleeved top", "long sleeve"),
        ("Sweatshirts", "Sweaters", "Tshirts", "Tops"),
    ),
    "outwear": (
        ("outwear", "outerwear", "jacket or coat", "coat"),
        ("Jackets", "Rain Jacket", "Blazers", "Nehru Jackets"),
    ),
    "pants": (("pants", "trousers"), ("Trousers", "Jeans", "Track Pants", "Leggings")),
    "shirt": (("shirt",), ("Shirts",)),
    "shoes": (
        ("shoes", "pair of shoes"),
        ("Casual Shoes", "Sports Shoes", "Formal Shoes", "Heels", "Flats"),
    ),
    "shorts": (("shorts",), ("Shorts",)),
    "skirt": (("skirt",), ("Skirts",)),
    "t-shirt": (("t-shirt", "tee"), ("Tshirts",)),
}
# What `examples/drawing.py` calls its kinds → the type it is, as far as there is one.
KIND_TYPES = {
    "t-shirt": ("Tshirts",), "shirt": ("Shirts",), "polo shirt": ("Tshirts",), "top": ("Tops",),
    "sweater": ("Sweaters",), "hoodie": ("Sweatshirts",), "jacket": ("Jackets",),
    "blazer": ("Blazers",), "coat": ("Jackets", "Rain Jacket"), "dress": ("Dresses",),
    "skirt": ("Skirts",), "trousers": ("Trousers", "Track Pants"), "jeans": ("Jeans",),
    "shorts": ("Shorts",), "socks": ("Socks",), "cap": ("Caps",), "hat": ("Hat", "Caps"),
    "beanie": ("Caps",), "bag": ("Handbags",), "backpack": ("Backpacks",), "wallet": ("Wallets",),
    "shoe": ("Casual Shoes", "Sports Shoes"), "formal shoe": ("Formal Shoes",),
    "heel": ("Heels",), "boot": ("Casual Shoes", "Formal Shoes", "Heels"),
    "sandal": ("Sandals", "Flats"), "flip-flops": ("Flip Flops",), "belt": ("Belts",),
    "tie": ("Ties",), "scarf": ("Scarves", "Stoles", "Mufflers"), "gloves": ("Gloves",),
    "watch": ("Watches",), "sunglasses": ("Sunglasses",),
}  # fmt: skip
KIND_CATEGORY = {
    "polo shirt": "polo shirt", "hoodie": "hoodie", "coat": "coat", "blazer": "blazer",
    "boot": "boots", "beanie": "beanie", "hat": "hat", "cap": "cap", "jacket": "jacket",
    "sandal": "sandals",
}  # fmt: skip
DRAWN_COLOUR = {"navy": "Navy Blue", "turquoise": "Turquoise Blue"}
DRAWN_PATTERN = {
    "solid": "solid", "striped": "striped", "checked": "checked", "floral": "floral",
    "dotted": "polka dot", "graphic": "graphic print",
}  # fmt: skip


def words_pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Match any of the words, singular or plural, as a whole word."""
    stems = {re.escape(w.lower().removesuffix("s")) for w in words}
    return re.compile(r"(?<![a-z])(?:" + "|".join(sorted(stems)) + r")(?:s|es)?(?![a-z])")


def open_vocabulary() -> dict[str, dict[str, list[str]]]:
    """`benchmarks/openvocab.toml`: group → word → the values that are right for it."""
    with OPEN_VOCABULARY.open("rb") as file:
        return tomllib.load(file)


class Filter:
    """Says whether a text may be used: it holds no open-vocabulary word and nothing held out."""

    def __init__(self, held_out: Iterable[str] = ()) -> None:
        words = [w for group in open_vocabulary().values() for w in group]
        self._pattern = words_pattern([*words, *held_out])

    def __call__(self, text: str) -> bool:
        return not self._pattern.search(text.lower())

    def split(self, text: str) -> tuple[str, str]:
        """Return the first refused word, lower-case, and the text with ``{}`` in its place."""
        found = self._pattern.search(text.lower())
        if found is None:
            raise ValueError(f"{text!r} holds no refused word.")
        return found[0], f"{text[: found.start()]}{{}}{text[found.end() :]}"


@dataclass(frozen=True)
class Group:
    """One question: its labels, and what may be said for each; the last is "none of them"."""

    name: str
    labels: tuple[str, ...]
    sentences: tuple[tuple[str, ...], ...]  # per label, then the background's
    words: tuple[tuple[str, ...], ...]  # per label, for captions


def generic(word: str) -> Iterable[str]:
    for template in GENERIC:
        yield template.replace("{label}", word)


def build_groups(
    allowed: Filter, held_types: frozenset[str], held_groups: frozenset[str]
) -> list[Group]:
    """All groups with their prompts, less what `allowed` refuses."""
    found = []
    for file in ("fashion-products", "fashion"):
        space = load_labels(file)
        for group in space.groups:
            if file == "fashion" and group.name == "season":
                continue  # the data's column says the same
            if group.name in held_groups or SAME_AS.get(group.name) in held_groups:
                continue
            labels, sentences, words = [], [], []
            for label in group.labels:
                if group.name == "articleType" and label.name in held_types:
                    continue
                said = label.words or (label.name.lower(), *label.aliases)
                good = tuple(dict.fromkeys(w for w in said if allowed(w)))
                own = [s for s in group.sentences(label) if allowed(s)]
                own += [s for w in good for s in generic(w)] if not label.prompts else []
                if not own:
                    continue
                labels.append(label.name)
                sentences.append(tuple(dict.fromkeys(own)))
                words.append(good or (label.name.lower(),))
            none = tuple(dict.fromkeys([*BACKGROUND, *group.background]))
            found.append(Group(group.name, tuple(labels), (*sentences, none), tuple(words)))
    plain = {k: tuple(w for w in v[0] if allowed(w)) for k, v in PLAIN.items()}
    plain = {k: v for k, v in plain.items() if v}
    said = tuple(tuple(s for w in v for s in generic(w)) for v in plain.values())
    found.append(Group("plain", tuple(plain), (*said, BACKGROUND), tuple(plain.values())))
    return found


# --- targets ------------------------------------------------------------------------------


def lexical(groups: Sequence[Group]) -> dict[str, Callable[[str], list[int]]]:
    """For groups that only titles tell: a function from a title to the labels it names."""
    finders: dict[str, Callable[[str], list[int]]] = {}
    for group in groups:
        if group.name in COLUMNS or group.name in SAME_AS or group.name == "plain":
            continue
        patterns = [
            words_pattern([name.lower(), *said])
            for name, said in zip(group.labels, group.words, strict=True)
        ]
        finders[group.name] = lambda title, p=patterns: [
            i for i, pattern in enumerate(p) if pattern.search(title.lower())
        ]
    return finders


def _shared(a: Group, b: Group) -> dict[str, list[int]]:
    """Labels of b → labels of a that share a word with them."""
    sets = [{*said, name.lower()} for name, said in zip(a.labels, a.words, strict=True)]
    return {
        name: [i for i, s in enumerate(sets) if s & {*said, name.lower()}]
        for name, said in zip(b.labels, b.words, strict=True)
    }


# Type → category where the two files share no word.
MORE_CATEGORIES = {
    "Casual Shoes": ("casual shoes", "sneakers"), "Sports Shoes": ("sports shoes", "sneakers"),
    "Handbags": ("handbag", "messenger bag"), "Tops": ("top", "tank top"),
    "Sweaters": ("sweater", "cardigan"), "Sweatshirts": ("sweatshirt", "hoodie"),
    "Sandals": ("sandals",), "Sports Sandals": ("sandals",), "Tshirts": ("t-shirt",),
    "Nightdress": ("nightwear",), "Night suits": ("nightwear",), "Trousers": ("trousers",),
}  # fmt: skip
# Categories that a title may name more exactly than its type does.
TOLD_BY_TITLE = (
    "boots", "cardigan", "hoodie", "waistcoat", "coat", "beanie", "messenger bag", "laptop bag",
    "tank top", "raincoat", "blazer", "phone pouch", "suit", "bra", "underpants",
)  # fmt: skip


class Targets:
    """Truth of every picture or title as sets of labels per group; empty where unknown."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = {g.name: g for g in groups}
        self._index = {g.name: {n: i for i, n in enumerate(g.labels)} for g in groups}
        self._lexical = lexical(groups)
        self._joined = {
            a: _shared(self.groups[a], self.groups[b])
            for a, b in SAME_AS.items()
            if a in self.groups and b in self.groups and a != b
        }
        self._told = [
            (i, words_pattern([name, *said]))
            for i, (name, said) in enumerate(
                zip(self.groups["category"].labels, self.groups["category"].words, strict=True)
            )
            if name in TOLD_BY_TITLE
        ]
        self._plain_of: dict[str, list[str]] = {}
        for plain, (_, types) in PLAIN.items():
            for t in types:
                self._plain_of.setdefault(t, []).append(plain)
        self._plain_of["Tshirts"] = ["t-shirt"]
        self._plain_of["Tops"] = []

    def _ids(self, group: str, names: Iterable[str]) -> list[int]:
        index = self._index.get(group, {})
        return [index[n] for n in names if n in index]

    def product(self, row: Row) -> dict[str, list[int]]:
        """Read one row of the catalogue."""
        truth = {name: self._ids(name, [getattr(row, name)]) for name in COLUMNS}
        title = row.productDisplayName
        for name, find in self._lexical.items():
            truth[name] = find(title)
        for a, joined in self._joined.items():
            truth[a] = list(joined.get(getattr(row, SAME_AS[a]), []))
        more = MORE_CATEGORIES.get(row.articleType)
        if more:
            truth["category"] = self._ids("category", more)
        told = [i for i, pattern in self._told if pattern.search(title.lower())]
        truth["category"] = sorted({*truth.get("category", ()), *told})
        if re.search(r"polo (t-?\s?shirt|tee)", title.lower()) and row.articleType == "Tshirts":
            truth["category"] = self._ids("category", ["polo shirt"])
        long = bool(re.search(r"(full|long)[ -]sleeve", title.lower()))
        plain = self._plain_of.get(row.articleType, [])
        if row.articleType == "Tshirts" and long:
            plain = ["longsleeve"]
            truth["category"] = self._ids("category", ["long-sleeve t-shirt"])
        truth["plain"] = self._ids("plain", plain)
        if row.masterCategory not in ("Apparel", ""):  # no sleeves, collars or cuts there
            for name in ("sleeve", "neckline", "length", "fit"):
                if name in self.groups:
                    truth[name] = [len(self.groups[name].labels)]
        return truth

    def ordinary(self, plain: str) -> dict[str, list[int]]:
        """Read one ordinary photo: its class."""
        types = PLAIN[plain][1]
        truth = {
            "plain": self._ids("plain", [plain]),
            "articleType": self._ids("articleType", types),
        }
        wide = {"shoes": ("Shoes", "Footwear"), "hat": ("Headwear", "Accessories")}
        below = {"pants", "shorts", "skirt"}
        sub, master = wide.get(plain, ("Bottomwear" if plain in below else "Topwear", "Apparel"))
        truth["subCategory"] = self._ids("subCategory", ["Dress" if plain == "dress" else sub])
        truth["masterCategory"] = self._ids("masterCategory", [master])
        if plain == "longsleeve":
            truth["category"] = self._ids("category", ["long-sleeve t-shirt"])
        elif plain == "outwear":
            truth["category"] = self._ids("category", ["jacket", "coat", "hoodie", "raincoat"])
        elif "category" in self._joined:
            joined = [i for t in types for i in self._joined["category"].get(t, [])]
            truth["category"] = sorted(set(joined))
        if plain in ("longsleeve", "t-shirt") and "sleeve" in self.groups:
            name = "long sleeve" if plain == "longsleeve" else "short sleeve"
            truth["sleeve"] = self._ids("sleeve", [name])
        return truth

    def drawn(self, row: Row) -> dict[str, list[int]]:
        """Read one drawn garment."""
        types = KIND_TYPES.get(row.kind, ())
        truth = {"articleType": self._ids("articleType", types)}
        name = KIND_CATEGORY.get(row.kind)
        if name:
            truth["category"] = self._ids("category", [name])
        elif "category" in self._joined:
            joined = [i for t in types for i in self._joined["category"].get(t, [])]
            truth["category"] = sorted(set(joined))
        colour = DRAWN_COLOUR.get(row.color, row.color.title())
        truth["baseColour"] = self._ids("baseColour", [colour])
        truth["color"] = self._ids("color", [row.color])
        if row.pattern != "graphic":
            truth["pattern"] = self._ids("pattern", [DRAWN_PATTERN[row.pattern]])
        if row.sleeve and "sleeve" in self.groups:
            sleeve = row.sleeve if row.sleeve == "sleeveless" else f"{row.sleeve} sleeve"
            truth["sleeve"] = self._ids("sleeve", [sleeve])
        plains = {p for t in types for p in self._plain_of.get(t, [])}
        truth["plain"] = self._ids("plain", sorted(plains))
        return truth

    def nothing(self) -> dict[str, list[int]]:
        """Read a picture without a product: the background in every group."""
        return {name: [len(g.labels)] for name, g in self.groups.items()}

    def masks(self, truths: Sequence[dict[str, list[int]]]) -> dict[str, np.ndarray]:
        """Per group a bool array (n, labels + 1); the last column is the background."""
        result = {}
        for name, group in self.groups.items():
            mask = np.zeros((len(truths), len(group.labels) + 1), bool)
            for row, truth in enumerate(truths):
                mask[row, truth.get(name, [])] = True
            result[name] = mask
        return result


# --- captions -----------------------------------------------------------------------------

PEOPLE = {
    "Men": ("men", "men's"), "Women": ("women", "women's"), "Boys": ("boys", "boys'"),
    "Girls": ("girls", "girls'"), "Unisex": ("men and women", "unisex"),
}  # fmt: skip
COMPOSED = (
    "{colour} {type}", "{whose} {colour} {type}", "a product photo of a {colour} {type}",
    "{whose} {type}", "{colour} {type} for {who}", "{more} {type}", "{colour} {more} {type}",
    "{whose} {more} {type} in {colour}", "{usage} {type} for {who}",
    "{whose} {usage} {colour} {type}",
)  # fmt: skip


class Captions:
    """Composes captions from what is known of an item; refuses what the filter refuses."""

    def __init__(self, targets: Targets, allowed: Filter, seed: int = 0) -> None:
        self.targets, self.allowed = targets, allowed
        self.rng = np.random.default_rng(seed)

    def _say(self, group: str, truth: dict[str, list[int]]) -> str:
        ids = [i for i in truth.get(group, []) if i < len(self.targets.groups[group].labels)]
        if not ids:
            return ""
        said = self.targets.groups[group].words[ids[int(self.rng.integers(len(ids)))]]
        return said[int(self.rng.integers(len(said)))]

    def compose(self, truth: dict[str, list[int]], gender: str = "") -> str | None:
        """One composed caption, or None where nothing can be said."""
        own = "category" if self.rng.random() < 0.25 and truth.get("category") else "articleType"
        kind = self._say(own, truth) or self._say("plain", truth)
        if not kind:
            return None
        who, whose = PEOPLE.get(gender, ("", ""))
        more = [
            self._say(g, truth)
            for g in ("pattern", "sleeve", "neckline", "material", "fit", "length")
            if truth.get(g) and g in self.targets.groups
        ]
        more = [m for m in more if m]
        template = COMPOSED[int(self.rng.integers(len(COMPOSED)))]
        text = template.format(
            colour=self._say("baseColour", truth), type=kind, who=who or "everyone", whose=whose,
            more=more[int(self.rng.integers(len(more)))] if more else "",
            usage=self._say("usage", truth) if "usage" in self.targets.groups else "",
        )  # fmt: skip
        text = " ".join(text.split())
        return text if self.allowed(text) else None

    def title(self, title: str) -> str | None:
        """Return the title as it is, if it may be used."""
        text = " ".join(title.split())
        return text if text and self.allowed(text) else None

    def part(self, title: str) -> str | None:
        """About half of a title's words, in order, as people search."""
        words = title.split()
        kept = [w for w in words if self.rng.random() < 0.55]
        return self.title(" ".join(kept or words[-1:]))


def split_rows(
    tables: pd.DataFrame, held_types: frozenset[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the backbone's rows: pictured (`at` is the place in backbone.npy), and titles only."""
    backbone = tables[tables.split == "backbone"]
    pictured = backbone[backbone.image == "1"].reset_index(drop=True)
    pictured["at"] = np.arange(len(pictured))
    titles = backbone[backbone.image != "1"].reset_index(drop=True)
    out = lambda rows: rows[~rows.articleType.isin(held_types)].reset_index(drop=True)  # noqa: E731
    return out(pictured), out(titles)
