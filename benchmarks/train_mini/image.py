"""Stage 1: the image tower, and a small text head over frozen MiniLM vectors, trained together.

The zero-shot classifier itself is the training target: an image's vector is compared with the
prompts of every label of every group (sentences drawn anew each step). Beside it: image and
caption find each other, titles find their labels, and throw-away heads on the columns.
"""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as fn

from benchmarks.train_mini import pictures, towers, words
from benchmarks.train_mini.texts import MINILM, WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.train_mini.material import Material

DIM = 256
BATCH = 128  # over all processes
# Share of a round's time up to which pictures have that size: small ones teach as much per second,
# and half of the catalogue's photos are 80x60 anyway.
SIZES = ((0.3, (128, 96)), (1.0, pictures.SIZE))
LATER_SIZES = ((0.2, (128, 96)), (1.0, pictures.SIZE))
LATER_RATE = 0.6  # of the first round's: far enough to leave its minimum, too little to forget it
TRUNK_RATE = 0.6  # of what begins at random: ImageNet's weights needn't go far
AUXILIARY = ("articleType", "baseColour", "gender", "season", "usage", "plain")
SMOOTHING = 0.05
HIDDEN = 0.33
PAIR = 1.0  # weight of "photo and caption find each other"
RARE = ("pattern", "sleeve", "neckline", "length")  # few titles name one: such photos come oftener
REMEMBERED = 8192  # pictures and texts of earlier steps that stand by as wrong answers


class TextHead(nn.Module):
    """What `texts.read` gives → joint space (n, 256), not normalised: a line plus a small MLP."""

    def __init__(self, width: int = MINILM + WORDS, hidden: int = 512, dim: int = DIM) -> None:
        super().__init__()
        self.line = nn.Linear(width, dim)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x) + self.mlp(x)


class Pair(nn.Module):
    """Image tower and text head, their temperatures, and the throw-away heads."""

    def __init__(self, groups: list[words.Group], tower: str) -> None:
        super().__init__()
        self.trunk = towers.build(tower, DIM)
        self.half = False  # bfloat16 in the convolutions
        self.text = TextHead()
        names = [g.name for g in groups]
        self.scale = nn.ParameterDict(
            {n: nn.Parameter(torch.tensor(math.log(20.0))) for n in names}
        )
        self.title_scale = nn.ParameterDict(
            {n: nn.Parameter(torch.tensor(math.log(20.0))) for n in names}
        )
        self.pair_scale = nn.Parameter(torch.tensor(math.log(15.0)))
        wide = self.trunk.classifier.in_features
        self.aux = nn.ModuleDict(
            {g.name: nn.Linear(wide, len(g.labels) + 1) for g in groups if g.name in AUXILIARY}
        )

    def image(self, x: torch.Tensor, drop: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
        """Return unit vectors (n, 256) and the pooled features before the projection."""
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.half):
            pooled = self.trunk.forward_head(self.trunk.forward_features(x), pre_logits=True)
        pooled = pooled.float()
        pooled = fn.dropout(pooled, drop, training=self.training)
        return fn.normalize(self.trunk.classifier(pooled), dim=-1), pooled


def normalise(x: torch.Tensor) -> torch.Tensor:
    """Pixels in 0..1 → -1..1, which is mean .5 and std .5 in open_clip's words."""
    return (x - 0.5) / 0.5


def set_loss(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """-log of the probability given to the set of possible labels; rows without a set count 0."""
    known = mask.any(1)
    if not known.any():
        return logits.sum() * 0
    logp = fn.log_softmax(logits[known], 1)
    inside = logp.masked_fill(~mask[known], -1e4).logsumexp(1)
    loss = -(1 - SMOOTHING) * inside - SMOOTHING * logp.mean(1)
    return loss.sum() / len(logits)  # a group known for few is a small part of the batch's loss


def unsteady(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Blur MiniLM's part a little, and hide the words of a third: unknown words must work too."""
    said = x[:, :MINILM] + 0.008 * torch.randn(len(x), MINILM, generator=generator)
    hidden = torch.rand(len(x), 1, generator=generator) < HIDDEN
    bare = x[:, MINILM:].masked_fill(hidden, 0)
    return torch.cat([fn.normalize(said, dim=-1), bare], 1)


class Prompts:
    """Draws sentences for all labels of all groups, as one block of text vectors."""

    def __init__(self, material: Material, vectors: torch.Tensor) -> None:
        self.vectors = vectors
        rows, self.spans, start = [], {}, 0
        self.background: dict[str, torch.Tensor] = {}
        for group in material.groups:
            said = material.sentences[group.name]
            rows += said[:-1]
            self.spans[group.name] = slice(start, start := start + len(said) - 1)
            self.background[group.name] = torch.tensor(said[-1])
        longest = max(map(len, rows))
        self.counts = torch.tensor([len(r) for r in rows])
        self.table = torch.tensor([r + [0] * (longest - len(r)) for r in rows])

    def draw(self, head: nn.Module, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Per group (labels + 4, 256) unit vectors: two sentences' mean, then 4 backgrounds."""
        n = len(self.table)
        picks = (torch.rand(n, 2, generator=generator) * self.counts[:, None]).long()
        ids = self.table.gather(1, picks).flatten()
        none = [
            b[torch.randint(len(b), (4,), generator=generator)] for b in self.background.values()
        ]
        x = unsteady(self.vectors[torch.cat([ids, *none])], generator)
        out = fn.normalize(head(x), dim=-1)
        labels = fn.normalize(out[: 2 * n].view(n, 2, -1).mean(1), dim=-1)
        rest = out[2 * n :].view(len(none), 4, -1)
        return {
            name: torch.cat([labels[span], rest[i]])
            for i, (name, span) in enumerate(self.spans.items())
        }


def group_logits(x: torch.Tensor, prompts: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """(n, labels + 1): scaled cosines, the backgrounds folded into the last column."""
    logits = scale.exp().clamp(max=60) * x @ prompts.T
    return torch.cat([logits[:, :-4], logits[:, -4:].logsumexp(1, keepdim=True)], 1)


class Sampler:
    """One epoch's order: all products (rare types up to three times), ordinary photos, drawings."""

    def __init__(self, material: Material, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        source = np.array(material.source)
        types = material.masks["articleType"]
        counts = np.maximum(types[source == "backbone"].sum(0), 1)
        repeat = np.clip(np.sqrt(40 / counts), 1, 3)[types.argmax(1)]
        for name in RARE:
            if name in material.masks:
                repeat = np.where(material.masks[name][:, :-1].any(1), 1.6 * repeat, repeat)
        part = {"backbone": 1.0, "clothing_train": 1.0, "drawn": 0.4, "nothing": 0.5}
        self.expected = np.where(source == "backbone", repeat, [part[s] for s in source])

    def epoch(self) -> np.ndarray:
        """Item numbers in random order."""
        whole = np.floor(self.expected + self.rng.random(len(self.expected))).astype(int)
        return self.rng.permutation(np.repeat(np.arange(len(whole)), whole))


def train(rank: int, world: int, material: Material, options: dict[str, Any]) -> None:
    """Train for rounds of `minutes`, on `world` processes that average their gradients; resumes.

    In every round the rate falls as a cosine (warm restarts: Loshchilov and Hutter, ICLR 2017).
    One thread each: on two cores that other programs use too, two processes that meet once per
    step were five times faster than two threads that meet in every operation.
    """
    torch.set_num_threads(max(1, options["cores"] // world))
    torch.set_flush_denormal(True)
    if world > 1:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{options['work']}/meet-{options['run']}",
            rank=rank,
            world_size=world,
        )
    work: Path = options["work"]
    torch.manual_seed(options["seed"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vectors = torch.from_numpy(material.vectors.astype(np.float32))
    pixels = material.pixels(work)
    grounds = torch.from_numpy(np.load(work / "grounds.npy")).permute(0, 3, 1, 2)
    model = Pair(material.groups, options["tower"]).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(model).requires_grad_(False)
    if device.type == "cpu" and towers.has_bfloat16():
        towers.quicken(model.trunk)
        model.half = True
    begun = {id(p) for name, p in model.trunk.named_parameters() if "classifier" not in name}
    optimiser = torch.optim.AdamW(
        [
            {"params": some, "weight_decay": decay, "share": share}
            for share in (TRUNK_RATE, 1.0)
            for decay in (0.05, 0.0)
            if (
                some := [
                    p
                    for p in model.parameters()
                    if (id(p) in begun) == (share < 1) and (p.ndim > 1) == (decay > 0)
                ]
            )
        ],
        lr=0, betas=(0.9, 0.98),
    )  # fmt: skip
    epoch, elapsed, step = 0, 0.0, 0
    if options["start"]:
        for net in (model, average):
            net.load_state_dict(load_file(options["start"]), strict=False)
    checkpoint = work / f"{options['name']}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        epoch, elapsed, step = state["epoch"], state["elapsed"], state["step"]
    prompts = Prompts(material, vectors)
    sampler = Sampler(material, options["seed"] + 1000 * epoch)
    g = torch.Generator().manual_seed(options["seed"] + 77 * epoch + rank)
    rng = np.random.default_rng(options["seed"] + 77 * epoch + rank)
    masks = {k: torch.from_numpy(v) for k, v in material.masks.items()}
    title_masks = {k: torch.from_numpy(v) for k, v in material.title_masks.items()}
    family = torch.from_numpy(material.family)
    source = np.array(material.source)
    seen_images: dict[str, torch.Tensor] = {}
    seen_texts: dict[str, torch.Tensor] = {}
    batch, total = BATCH // world, sum(options["minutes"]) * 60
    parameters = list(model.parameters())
    while elapsed < total:
        order = sampler.epoch()
        steps, seen, begun, sums = len(order) // BATCH, 0, time.monotonic(), {}
        for i in range(steps):
            tick = time.monotonic()
            begun_before, progress = round_at(elapsed, options["minutes"])
            rate = options["rate"] * min(1.0, progress / 0.02)
            rate *= (0.5 + 0.5 * math.cos(math.pi * progress)) * LATER_RATE**begun_before
            for part in optimiser.param_groups:
                part["lr"] = rate * part["share"] + 1e-6
            ids = order[i * BATCH + rank * batch : i * BATCH + (rank + 1) * batch]
            raw = np.stack([pixels[material.source[j]][material.at[j]] for j in ids])
            sizes = LATER_SIZES if begun_before else SIZES
            size = next(size for end, size in sizes if progress <= end)
            x = pictures.augment(
                torch.from_numpy(raw).permute(0, 3, 1, 2), size, generator=g,
                ordinary=torch.from_numpy(source[ids] == "clothing_train"), grounds=grounds,
            )  # fmt: skip
            x = normalise(x).to(device, memory_format=torch.channels_last)
            model.train()
            image, pooled = model.image(x, drop=0.15)
            said = {k: v.to(device) for k, v in prompts.draw(model.text, g).items()}
            losses = {}
            loss = torch.zeros((), device=device)
            here = {k: v[ids] for k, v in masks.items()}
            for name, weight in words.WEIGHTS.items():
                if name not in said or name not in model.scale:
                    continue
                one = set_loss(group_logits(image, said[name], model.scale[name]), here[name])
                losses[name] = one
                loss = loss + weight * one
                if name in model.aux:
                    loss = loss + 0.3 * weight * set_loss(model.aux[name](pooled), here[name])
            # Captions: a title or a composed one; more titles stand by as wrong answers.
            chosen, is_title = _captions(material, ids, rng)
            extra = rng.integers(0, len(material.title_text), 192)
            numbers = torch.tensor(chosen + material.title_text[extra].tolist())
            text = fn.normalize(model.text(unsteady(vectors[numbers], g)), dim=-1)
            texts = {
                "family": torch.cat([family[ids], torch.from_numpy(material.title_family[extra])]),
                "number": numbers,
                "title": torch.cat([torch.from_numpy(is_title), torch.ones(192, dtype=torch.bool)]),
                "type": torch.cat([here["articleType"], title_masks["articleType"][extra]]),
                "colour": torch.cat([here["baseColour"], title_masks["baseColour"][extra]]),
            }
            images = {
                "family": family[ids],
                "type": here["articleType"],
                "colour": here["baseColour"],
            }
            scale = model.pair_scale.exp().clamp(max=60)
            wrong = _wrong(images, texts)
            wrong[torch.arange(len(ids)), torch.arange(len(ids))] = True
            logits = (scale * image @ text.T).masked_fill(~wrong, -1e4)
            if seen_texts:
                more = scale * image @ seen_texts["vector"].T
                logits = torch.cat([logits, more.masked_fill(~_wrong(images, seen_texts), -1e4)], 1)
            pair = fn.cross_entropy(logits, torch.arange(len(ids)), label_smoothing=0.0)
            own = {k: v[: len(ids)] for k, v in texts.items()}
            back = scale * text[: len(ids)] @ image.T
            allow = _wrong(images, own).T.clone()
            allow.fill_diagonal_(True)
            back = back.masked_fill(~allow, -1e4)
            if seen_images:
                more = scale * text[: len(ids)] @ seen_images["vector"].T
                back = torch.cat([back, more.masked_fill(~_wrong(seen_images, own).T, -1e4)], 1)
            pair = (pair + fn.cross_entropy(back, torch.arange(len(ids)))) / 2
            losses["pair"] = pair
            loss = loss + PAIR * pair
            # Titles find their labels too.
            for name, weight in words.WEIGHTS.items():
                if name in said and name not in ("plain", "sleeve", "neckline", "length", "fit"):
                    guess = group_logits(text[len(ids) :], said[name], model.title_scale[name])
                    loss = loss + 0.25 * weight * set_loss(guess, title_masks[name][extra])
            # Both clouds stay centred, so that centring them later changes no argmax.
            middle = image[torch.from_numpy(source[ids] == "backbone")].mean(0)
            whole = torch.cat([v[:-4] for v in said.values()]).mean(0)
            loss = loss + 0.5 * (
                middle.square().sum() + whole.square().sum() + text.mean(0).square().sum()
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if world > 1:
                _average_gradients(parameters, world)
            nn.utils.clip_grad_norm_(parameters, 2.0)
            optimiser.step()
            seen_images = _remember(seen_images, image, images)
            seen_texts = _remember(seen_texts, text, texts)
            step += 1
            keep = min(0.996, (1 + step) / (20 + step))
            with torch.no_grad():
                for a, b in zip(
                    average.state_dict().values(), model.state_dict().values(), strict=True
                ):
                    if a.dtype.is_floating_point:
                        a.lerp_(b, 1 - keep)
            seen += BATCH
            for k, v in losses.items():
                sums[k] = sums.get(k, 0.0) + float(v.detach())
            # Every process must see the same clock, or they would stop at different steps.
            elapsed += _same(
                min(time.monotonic() - tick, 10.0), world
            )  # a paused run loses no time
            if elapsed >= total:
                break
        epoch += 1
        if world > 1:
            for buffer in average.buffers():
                if buffer.dtype.is_floating_point:
                    dist.all_reduce(buffer)
                    buffer /= world
        if rank == 0:
            rate_now = seen / (time.monotonic() - begun)
            done = max(1, round(seen / BATCH))
            text_log = " ".join(
                f"{k}={v / done:.2f}"
                for k, v in sums.items()
                if k in ("articleType", "baseColour", "gender", "usage", "plain", "pattern", "pair")
            )
            print(
                f"epoch {epoch} {elapsed / 60:.1f} min {rate_now:.0f} img/s {text_log}", flush=True
            )
            state = {
                "model": model.state_dict(), "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "epoch": epoch, "elapsed": elapsed, "step": step,
            }  # fmt: skip
            part = checkpoint.with_suffix(".part")
            torch.save(state, part)
            part.rename(checkpoint)
            if options["evaluate"] and (epoch % 4 == 0 or elapsed >= total):
                print("   ", options["evaluate"](average), flush=True)
        if world > 1:
            dist.barrier()
    if world > 1:
        dist.destroy_process_group()


def round_at(elapsed: float, minutes: Sequence[float]) -> tuple[int, float]:
    """Return how many rounds are over after `elapsed` seconds, and the share of the next (0..1)."""
    for done, length in enumerate(minutes):
        if elapsed < length * 60:
            return done, elapsed / (length * 60)
        elapsed -= length * 60
    return len(minutes) - 1, 1.0


def _captions(
    material: Material, ids: np.ndarray, rng: np.random.Generator
) -> tuple[list[int], np.ndarray]:
    chosen, is_title = [], []
    for j in ids:
        titles, composed = material.titles[j], material.composed[j]
        take = bool(titles) and (not composed or rng.random() < 0.65)
        options = titles if take else composed
        if take:  # the whole title twice as often as a part of it
            whole = len(titles) == 1 or rng.random() < 0.65
            chosen.append(titles[0] if whole else titles[int(rng.integers(1, len(titles)))])
        else:
            chosen.append(options[int(rng.integers(len(options)))] if options else 0)
        is_title.append(take)
    return chosen, np.array(is_title)


def _wrong(images: dict[str, torch.Tensor], texts: dict[str, torch.Tensor]) -> torch.Tensor:
    """(images, texts) bool: the text is surely not about that picture.

    Not of its family; and where the text is composed, of another type or another colour.
    """
    other = images["family"][:, None] != texts["family"][None]
    kind = (images["type"].float() @ texts["type"].float().T) > 0
    known = images["colour"].any(1)[:, None] & texts["colour"].any(1)[None]
    colour = ((images["colour"].float() @ texts["colour"].float().T) > 0) | ~known
    return other & (texts["title"][None] | ~(kind & colour))


def _remember(
    memory: dict[str, torch.Tensor], vectors: torch.Tensor, known: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    new = {"vector": vectors.detach(), **known}
    if not memory:
        return new
    return {k: torch.cat([new[k], memory[k]])[:REMEMBERED] for k in new}


def _average_gradients(parameters: list[nn.Parameter], world: int) -> None:
    grads = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([x.flatten() for x in grads])
    dist.all_reduce(flat)
    flat /= world
    start = 0
    for x in grads:
        x.copy_(flat[start : start + x.numel()].view_as(x))
        start += x.numel()


def _same(seconds: float, world: int) -> float:
    if world == 1:
        return seconds
    value = torch.tensor([seconds], dtype=torch.float64)
    dist.all_reduce(value)
    return float(value) / world
