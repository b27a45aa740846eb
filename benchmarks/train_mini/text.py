"""Stage 2: MiniLM and its head are the teacher; a small byte-pair transformer learns its vectors.

Each token's embedding starts as the goal of that token as a word, cut to the tower's width by
principal components; so words that no caption ever had begin near their meaning (`lexicon.py`).
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import torch
from torch import nn
from torch.nn import functional as fn

from benchmarks.train_mini import pictures
from benchmarks.train_mini.image import DIM, Pair, normalise
from benchmarks.train_mini.lexicon import Lexicon
from benchmarks.train_mini.material import held_out, held_words
from benchmarks.train_mini.texts import read
from benchmarks.train_mini.words import PLAIN, Filter, build_groups, generic
from fashiontag.labels import load_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CONTEXT, HEADS, LAYERS = 32, 4, 4
BATCH = 512
AROUND = (
    "a product photo of a {}", "a {} product", "a photo of a {}", "{} clothing and accessories",
    "{} on a white background", "women's {}", "men's {}", "a {} dress", "a {} shirt", "{} shoes",
)  # fmt: skip
TAUGHT = 0.7  # share of the sentences around it in which a word of a table or dictionary is learned


def text_config(width: int) -> dict[str, Any]:
    """open_clip's text configuration; most of the tower's weights are in its token embedding."""
    return {
        "context_length": CONTEXT, "vocab_size": 49408, "width": width, "heads": HEADS,
        "layers": LAYERS,
    }  # fmt: skip


def vision_config(tower: str) -> dict[str, Any]:
    """open_clip's vision configuration of the tower."""
    return {
        "timm_model_name": tower, "timm_model_pretrained": False, "timm_pool": "avg",
        "timm_proj": "", "image_size": list(pictures.SIZE),
    }  # fmt: skip


def token_words(within: set[str] | None = None) -> tuple[list[int], list[str]]:
    """Return the byte-pair tokens that are whole words of three letters or more, and the words."""
    decoder = open_clip.SimpleTokenizer().decoder
    found = [(i, t[:-4]) for i, t in decoder.items() if t.endswith("</w>")]
    found = [(i, w) for i, w in found if len(w) > 2 and w.isascii() and w.isalpha()]
    found = [(i, w) for i, w in found if within is None or w in within]
    return [i for i, _ in found], [w for _, w in found]


def label_sentences() -> list[str]:
    """Every prompt of both label files, backgrounds included."""
    texts: list[str] = []
    for name in ("fashion-products", "fashion"):
        space = load_labels(name)
        for group in space.groups:
            texts += [s for label in group.labels for s in group.sentences(label)]
            texts += [w for label in group.labels for w in label.terms]
            texts += group.background
    return list(dict.fromkeys(texts))


@dataclass
class Corpus:
    """Texts to learn, their goals (n, 256), how often each is drawn, and the word tokens."""

    texts: list[str]
    goals: np.ndarray
    weights: np.ndarray
    tokens: tuple[list[int], np.ndarray]  # token numbers and their words' goals


def corpus(options: dict[str, Any], head: Callable[[Sequence[str]], np.ndarray]) -> Corpus:
    """Gather captions, titles and prompts as MiniLM's head has them, and words by the lexicon."""
    work = options["work"]
    captions = json.loads((work / "texts.json").read_text())
    spoken = Counter(w for t in captions for w in t.lower().split())
    types, left = held_out(options["hold_out"])
    allowed = Filter(held_words(types, left))
    lexicon = Lexicon(
        build_groups(allowed, types, left), allowed, {w for w, n in spoken.items() if n >= 5},
        work, head, options["wordnet"],
    )  # fmt: skip
    ids, words = token_words(set(spoken) if options["brief"] else None)
    rng = np.random.default_rng(3)
    # Two labels together are what people search for.
    shown = [
        w
        for n in ("category", "color")
        for x in load_labels("fashion").group(n).labels
        for w in x.terms
        if allowed(w)
    ]
    pairs = [" ".join(rng.choice(shown, 2)) for _ in range(6000)]
    weights = dict.fromkeys(captions, 1.0) | dict.fromkeys(pairs, 1.0)
    weights |= dict.fromkeys(label_sentences(), 6.0)
    weights |= dict.fromkeys((s for w, _ in PLAIN.values() for x in w for s in generic(x)), 6.0)
    plain = list(weights)
    heard = np.array([allowed(t) for t in plain])
    goals = [np.empty((len(plain), DIM), np.float32)]
    goals[0][heard] = head([t for t, known in zip(plain, heard, strict=True) if known])
    # A label's words that no picture taught: what MiniLM's head makes of them is a guess.
    untaught: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for i in np.flatnonzero(~heard):
        word, template = allowed.split(plain[i])
        untaught[template].append((i, word))
    for template, found in untaught.items():
        goals[0][[i for i, _ in found]] = lexicon.vectors([w for _, w in found], template)
    token_goals = lexicon.vectors(words, "{}")
    goals.append(token_goals)
    extra, share = list(words), [0.5] * len(words)
    defined = lexicon.more_words()
    coloured = list(lexicon.table)
    taught = {*coloured, *defined}
    for template in ("{}", *AROUND):
        some = [w for w in words if rng.random() < 1 / len(AROUND)] if template != "{}" else []
        some += [w for w in (*coloured, *defined) if rng.random() < TAUGHT]
        goals.append(lexicon.vectors(some, template))
        extra += [template.format(w) for w in some]
        share += [1.0 if w in taught else 0.5 for w in some]
    return Corpus(
        [*plain, *extra], np.concatenate(goals), np.array([*weights.values(), *share]),
        (ids, token_goals),
    )  # fmt: skip


def encode_bank(model: Pair, work: Path, count: int = 1536) -> torch.Tensor:
    """Vectors of some training pictures: where texts must agree with the teacher most."""
    raw = np.load(work / "backbone.npy", mmap_mode="r")
    ids = np.sort(np.random.default_rng(0).choice(len(raw), min(count, len(raw)), replace=False))
    found = []
    model.eval()
    with torch.no_grad():
        for part in np.array_split(ids, max(1, len(ids) // 64)):
            colours = torch.from_numpy(raw[part][..., :3])  # without `white_ground`
            x = colours.permute(0, 3, 1, 2).float() / 255
            x = fn.interpolate(x, size=pictures.SIZE, mode="area")
            found.append(model.image(normalise(x))[0])
    return torch.cat(found).clone()


def load_pair(work: Path, name: str, tower: str) -> Pair:
    """Return the averaged image tower and text head of a checkpoint."""
    state = torch.load(work / f"{name}.pt", weights_only=True)["average"]
    model = Pair([], tower)
    kept = {k: v for k, v in state.items() if k.split(".")[0] in ("trunk", "text")}
    missing, _ = model.load_state_dict(kept, strict=False)
    if any(k.split(".")[0] in ("trunk", "text") for k in missing):
        raise ValueError(f"The checkpoint {name}.pt lacks {missing[:3]}.")
    return model


def _start(tower: nn.Module, tokens: tuple[list[int], np.ndarray]) -> None:
    ids, goals = tokens
    with torch.no_grad():
        x = torch.from_numpy(goals)
        x = x - x.mean(0)
        _, _, v = torch.linalg.svd(x, full_matrices=False)
        nn.init.normal_(tower.token_embedding.weight, std=0.01)
        small = x @ v[: tower.token_embedding.weight.shape[1]].T
        tower.token_embedding.weight[torch.tensor(ids)] = small * (0.03 / small.std())


def distil(options: dict[str, Any]) -> None:
    """Train the text tower for `minutes` and write `work/{name}-text.pt`."""
    work, name = options["work"], options["name"]
    torch.set_num_threads(options["cores"])
    torch.set_flush_denormal(True)
    torch.manual_seed(options["seed"])
    pair = load_pair(work, name, options["tower"])

    @torch.no_grad()
    def head(texts: Sequence[str]) -> np.ndarray:
        x = torch.from_numpy(read(texts, work, threads=options["cores"]).astype(np.float32))
        return torch.cat([fn.normalize(pair.text(p), dim=-1) for p in x.split(8192)]).numpy()

    material = corpus(options, head)
    texts, weights, goal = material.texts, material.weights, torch.from_numpy(material.goals)
    bank = encode_bank(pair, work)
    tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
    tokens = torch.cat([tokenizer(texts[i : i + 4096]) for i in range(0, len(texts), 4096)])
    lengths = (tokens != 0).sum(1).numpy()
    tower = open_clip.CustomTextCLIP(
        DIM,
        open_clip.CLIPVisionCfg(**vision_config(options["tower"])),
        open_clip.CLIPTextCfg(**text_config(options["text_width"])),
    ).text
    saved = work / f"{name}-text.pt"
    if saved.exists():  # a later teacher of the same run: go on from the earlier student
        tower.load_state_dict(torch.load(saved, weights_only=True))
        print("text tower goes on from", saved, flush=True)
    else:
        _start(tower, material.tokens)
    causal = tower.attn_mask
    average = {k: v.clone() for k, v in tower.state_dict().items()}
    optimiser = torch.optim.AdamW(tower.parameters(), lr=0, betas=(0.9, 0.98), weight_decay=0.01)
    rng = np.random.default_rng(options["seed"])
    total, elapsed, step, shown = options["minutes"] * 60, 0.0, 0, 0.0
    sums = np.zeros(3)
    while elapsed < total:
        drawn = np.floor(weights + rng.random(len(weights))).astype(int)
        order = rng.permutation(np.repeat(np.arange(len(texts)), drawn))
        # Batches of like length, in random order: half the padding.
        for chunk in np.array_split(order, max(1, len(order) // 32768)):
            ranked = chunk[np.argsort(lengths[chunk], kind="stable")]
            batches = np.array_split(ranked, max(1, len(ranked) // BATCH))
            for b in rng.permutation(len(batches)):
                tick = time.monotonic()
                ids = torch.from_numpy(batches[b])
                for part in optimiser.param_groups:
                    warm = min(1.0, (step + 1) / 100)
                    part["lr"] = (
                        1.5e-3 * warm * (0.5 + 0.5 * math.cos(math.pi * min(1, elapsed / total)))
                        + 1e-6
                    )
                tower.train()
                longest = int(lengths[batches[b]].max())
                tower.attn_mask = causal[:longest, :longest]
                out = fn.normalize(tower(tokens[ids][:, :longest]), dim=-1)
                want = goal[ids]
                far = (1 - (out * want).sum(1)).mean()
                seen = ((out - want) @ bank.T).square().mean()
                loss = far + 10 * seen
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
                optimiser.step()
                step += 1
                keep = min(0.995, (1 + step) / (20 + step))
                with torch.no_grad():
                    for k, v in tower.state_dict().items():
                        if v.dtype.is_floating_point:
                            average[k].lerp_(v, 1 - keep)
                sums += (float(far.detach()), float(seen.detach()), 1)
                elapsed += min(time.monotonic() - tick, 10.0)
                if elapsed - shown > 30:
                    shown = elapsed
                    print(
                        f"text {elapsed / 60:.1f} min step {step} 1-cos {sums[0] / sums[2]:.4f} "
                        f"bank {sums[1] / sums[2]:.5f}",
                        flush=True,
                    )
                    sums[:] = 0
                if elapsed >= total:
                    break
            if elapsed >= total:
                break
    part = saved.with_suffix(".part")
    torch.save(average, part)
    part.rename(saved)
