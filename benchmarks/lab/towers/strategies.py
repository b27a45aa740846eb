"""The 14 strategies of Seo, Lee and Jang (PLoS One 2025): 3 transfers, 6 fusions, 5 operations.

A tower is a backbone, an intermediate layer (A: dense, ReLU, dropout) and a classifier (B). The
three transfers serve either tower: (1) backbone frozen, classifier alone; (2) backbone frozen,
intermediate layer and classifier; (3) everything. A fusion takes layer A or B of towers that were
(1) fine-tuned, then frozen; (2) pre-trained and frozen, the new layers learned with the fusion; (3)
trained with it. What is fused by one of five operations goes through a dense layer of 250.

"Fine-tuned" in (1) means the better on val of transfers 2 and 3, for each tower (the paper's: 2 for
pictures, 3 for titles); without a val, the paper's.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.lab.methods import Fitted, Rows, Task
from benchmarks.lab.towers.backbones import LSTM, image_tower, text_tower
from benchmarks.lab.towers.features import Feed, Tower, frozen, live, stored
from benchmarks.lab.towers.fusions import SIMPLE, Simple
from benchmarks.lab.towers.options import Options
from benchmarks.lab.towers.training import Examples, Loss, Settings, forward, probabilities, train
from fashiontag.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

Side = Literal["image", "text"]
SIDES: tuple[Side, Side] = ("image", "text")

BOTTLENECK = 250
_DECAY = {"image": 0.0, "text": 0.01}
"""Adam for pictures, AdamW for titles, as in the paper."""
_PAPERS = {"image": 2, "text": 3}


class Branch(nn.Module):
    """One modality: a tower that learns, or none before features of a frozen one; new layers."""

    def __init__(self, tower: Tower | None, width: int, classes: int, options: Options) -> None:
        super().__init__()
        self.tower = tower
        hidden = options.hidden
        self.dense = nn.Linear(width, hidden) if hidden else None
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(hidden or width, classes)

    def layer(self, x: Tensor, which: str) -> Tensor:
        """Return layer A, (b, hidden), or B, (b, classes)."""
        if self.tower is not None:
            x = self.tower(x)
        if self.dense is not None:
            x = self.dropout(torch.relu(self.dense(x)))
        out: Tensor = self.classifier(x) if which == "B" else x
        return out

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (b, classes)."""
        return self.layer(x, "B")


class Head(nn.Module):
    """Two layers → fused → 250 → classes."""

    def __init__(self, fusion: str, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.fuse = Simple(fusion, width)
        self.dense = nn.Linear(self.fuse.out, BOTTLENECK)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(BOTTLENECK, classes)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Return logits, (b, classes)."""
        fused = torch.relu(self.dense(self.fuse(image, text)))
        out: Tensor = self.classifier(self.dropout(fused))
        return out


class Whole(nn.Module):
    """Both branches and the head, learning together."""

    def __init__(self, image: Branch, text: Branch, head: Head, which: str) -> None:
        super().__init__()
        self.image, self.text, self.head, self.which = image, text, head, which

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Return logits, (b, classes)."""
        out: Tensor = self.head(
            self.image.layer(image, self.which), self.text.layer(text, self.which)
        )
        return out


@dataclass(frozen=True, slots=True)
class Tuned:
    """A branch after transfer.

    Attributes
    ----------
    branch : Branch
    feed : callable
        Rows → what the branch takes.
    mark : str
        Digest of everything that made it.
    transfer, epoch, parameters : int
    loss, seconds : float
        On val, NaN without; of training and of the features it stands on.
    """

    branch: Branch
    feed: Callable[[Rows], Feed]
    mark: str
    transfer: int
    epoch: int
    parameters: int
    loss: float
    seconds: float


def transfer(task: Task, side: Side, strategy: int) -> Fitted:
    """Fit one tower by transfer 1, 2 or 3."""
    options = Options().of(task)
    tuned = tune(task, side, strategy, options)

    def scores(rows: Rows) -> Floats:
        return probabilities(forward(tuned.branch, [tuned.feed(rows)]), task.space, "softmax")

    notes = {"backbone": getattr(options, side), "epoch": tuned.epoch}
    return Fitted(scores, tuned.parameters, tuned.seconds, notes)


def fuse(task: Task, strategy: int, which: Literal["A", "B"]) -> Fitted:
    """Fuse layer `which` of both towers by strategy 1, 2 or 3; the option `fusion` says how."""
    options = Options().of(task)
    if options.fusion not in SIMPLE:
        raise UsageError(f"There is no fusion {options.fusion!r} here; give {', '.join(SIMPLE)}.")
    width = options.hidden if which == "A" else task.space.size
    # From here on the seed's draws are this cell's alone, whatever ran before.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        head = Head(options.fusion, width, task.space.size, options.dropout)
        if strategy == 1:
            return _fuse_tuned(task, options, head, which)
        return _fuse_whole(task, options, head, which, learning=strategy == 3)


def _fuse_tuned(task: Task, options: Options, head: Head, which: str) -> Fitted:
    chosen = [_best(task, side, options) for side in SIDES]
    seconds = sum(tuned.seconds for tuned in chosen)

    def feeds(rows: Rows) -> tuple[Feed, ...]:
        return tuple(
            _layer(task, tuned, side, which, rows)
            for tuned, side in zip(chosen, SIDES, strict=True)
        )

    examples = Examples(feeds(task.train), task.train.targets)
    val = None if task.val is None else Examples(feeds(task.val), task.val.targets)
    seconds += sum(feed.seconds for feed in examples.feeds)
    trained = train(head, task.space, examples, val, settings(options, learning=False), task.seed)
    notes: dict[str, str | int | float] = {
        f"{side} transfer": tuned.transfer for side, tuned in zip(SIDES, chosen, strict=True)
    }
    notes |= {"backbones": f"{options.image}, {options.text}", "epoch": trained.epoch}
    notes |= {"head_parameters": trained.parameters, "head_seconds": round(trained.seconds, 2)}
    return Fitted(
        lambda rows: probabilities(forward(head, feeds(rows)), task.space, "softmax"),
        trained.parameters + sum(tuned.parameters for tuned in chosen),
        seconds + trained.seconds,
        notes,
    )


def _fuse_whole(task: Task, options: Options, head: Head, which: str, *, learning: bool) -> Fitted:
    towers = [tower(task, side, options, learning=learning) for side in SIDES]
    branches = [
        Branch(tower if learning else None, tower.width, task.space.size, options)
        for tower in towers
    ]
    if which == "A":
        for branch in branches:  # nothing behind layer A learns, or counts
            branch.classifier.requires_grad_(requires_grad=False)
    net = Whole(branches[0], branches[1], head, which)

    def feeds(rows: Rows, augment: tuple[str, ...] = ()) -> tuple[Feed, ...]:
        if learning:
            return tuple(live(tower, rows, augment) for tower in towers)
        return tuple(frozen(tower, rows, task.store, augment=augment) for tower in towers)

    examples = Examples(feeds(task.train, options.augment), task.train.targets)
    val = None if task.val is None else Examples(feeds(task.val), task.val.targets)
    trained = train(net, task.space, examples, val, settings(options, learning=learning), task.seed)
    return Fitted(
        lambda rows: probabilities(forward(net, feeds(rows)), task.space, "softmax"),
        trained.parameters,
        trained.seconds + sum(feed.seconds for feed in examples.feeds),
        {"backbones": f"{options.image}, {options.text}", "epoch": trained.epoch},
    )


def _best(task: Task, side: Side, options: Options) -> Tuned:
    if task.val is None:
        return tune(task, side, _PAPERS[side], options)
    both = [tune(task, side, strategy, options) for strategy in (2, 3)]
    return min(both, key=lambda tuned: tuned.loss)


def _layer(task: Task, tuned: Tuned, side: Side, which: str, rows: Rows) -> Feed:
    """Return a layer of a tuned branch, computed once and stored."""

    def compute(some: Rows) -> Floats:
        branch = tuned.branch.eval()
        x = tuned.feed(some).batch(np.arange(len(some)), None)
        with torch.inference_mode():
            found: Floats = branch.layer(x.to(_place(branch)), which).float().cpu().numpy()
        return found

    keys = rows.texts if side == "text" else rows.training.image_keys
    found, seconds = stored(task.store, side, f"{tuned.mark}-{which}", keys, rows, compute)
    return Feed(found[None], seconds=seconds)


def _place(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


def tune(task: Task, side: Side, strategy: int, options: Options) -> Tuned:
    """Train one tower by a transfer strategy, or take it from the workspace if it was."""
    if strategy == 1:
        options = replace(options, hidden=0)
    learning = strategy == 3
    body = tower(task, side, options, learning=learning)
    mark = _mark(task, side, strategy, options, body)
    path = task.workspace / "towers" / f"{mark}.npz"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        branch = Branch(body if learning else None, body.width, task.space.size, options)

        def feed(rows: Rows, augment: tuple[str, ...] = ()) -> Feed:
            if learning:
                return live(body, rows, augment)
            return frozen(body, rows, task.store, augment=augment)

        if not path.is_file():
            examples = Examples((feed(task.train, options.augment),), task.train.targets)
            val = None if task.val is None else Examples((feed(task.val),), task.val.targets)
            how = replace(settings(options, learning=learning), decay=_DECAY[side])
            trained = train(branch, task.space, examples, val, how, task.seed)
            seconds = trained.seconds + examples.feeds[0].seconds
            _save(path, branch, {**asdict(trained), "seconds": seconds})
    facts = _load(path, branch)
    return Tuned(
        branch, feed, mark, strategy, int(facts["epoch"]), int(facts["parameters"]),
        facts["loss"], facts["seconds"],
    )  # fmt: skip


def tower(task: Task, side: Side, options: Options, *, learning: bool) -> Tower:
    """Return a fresh tower to be trained, or the one that stays as it is."""
    if learning:
        return _build(task, side, options)
    trained = options.pretrained or getattr(options, side) in {"mini", "minilm"}
    if not trained or getattr(options, side) == LSTM:
        raise UsageError(
            f"The tower {getattr(options, side)} knows nothing yet, so freezing it makes no sense; "
            "set pretrained = true or take a strategy that trains towers."
        )
    name = getattr(options, side)
    return _frozen(side, name, options.size, options.length)


def _build(task: Task, side: Side, options: Options) -> Tower:
    if side == "image":
        return image_tower(options.image, pretrained=options.pretrained, size=options.size)
    return text_tower(
        options.text, pretrained=options.pretrained, length=options.length, texts=task.train.texts
    )


@lru_cache(maxsize=4)
def _frozen(side: Side, name: str, size: tuple[int, ...], length: int) -> Tower:
    if side == "image":
        return image_tower(name, pretrained=True, size=size)
    return text_tower(name, pretrained=True, length=length)


def settings(options: Options, *, learning: bool, loss: Loss = "softmax") -> Settings:
    """Return how a net is trained: for few epochs where its towers learn, else for many."""
    return Settings(
        epochs=options.tower_epochs if learning else options.epochs,
        patience=options.patience,
        batch=options.batch,
        rate=options.rate,
        tower_rate=options.tower_rate,
        loss=loss,
    )


def _mark(task: Task, side: Side, strategy: int, options: Options, body: Tower) -> str:
    settings = asdict(options)
    for name in ("fusion", "text" if side == "image" else "image"):
        del settings[name]  # neither matters to this tower
    facts = [
        task.space.hash,
        *[_content(rows, side) for rows in (task.train, task.val) if rows is not None],
        side,
        strategy,
        task.seed,
        body.fingerprint,
        settings,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _content(rows: Rows, side: Side) -> str:
    """Return a digest of what this side is taught: pictures stay the same under other titles."""
    keys = rows.texts if side == "text" else rows.training.image_keys
    digest = hashlib.sha256(json.dumps(keys).encode())
    digest.update(rows.targets.tobytes())
    return digest.hexdigest()


def _save(path: Path, branch: Branch, facts: dict[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: tensor.cpu().numpy() for name, tensor in branch.state_dict().items()}
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        named = {f"net/{name}": array for name, array in arrays.items()}
        np.savez(file, **named, facts=np.array(json.dumps(facts)))
    part.replace(path)


def _load(path: Path, branch: Branch) -> dict[str, float]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name.removeprefix("net/"): file[name] for name in file if name != "facts"}
        facts: dict[str, float] = json.loads(str(file["facts"]))
    branch.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    branch.eval()
    return facts
