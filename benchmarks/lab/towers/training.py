"""One training loop for all: shuffled batches, decaying rates, the best epoch on val kept."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.lab.towers.device import device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.lab.towers.features import Feed
    from fashiontag.labels import LabelSpace

Loss = Literal["softmax", "sigmoid"]

_log = logging.getLogger(__name__)

CLIP = 1.0
WARM_UP = 0.1
_FORWARD = 256


@dataclass(frozen=True, slots=True)
class Settings:
    """How a net is trained.

    Attributes
    ----------
    epochs, patience : int
        At most so many; stop after `patience` epochs without a lower loss on val.
    batch : int
    rate, tower_rate : float
        Peak learning rates of new layers and of towers.
    decay : float
        Weight decay: 0 is Adam, more is AdamW.
    loss : {"softmax", "sigmoid"}
        ``softmax``: cross-entropy in exclusive groups; ``sigmoid``: binary cross-entropy in all.
    """

    epochs: int = 60
    patience: int = 6
    batch: int = 64
    rate: float = 1e-3
    tower_rate: float = 1e-4
    decay: float = 0.0
    loss: Loss = "softmax"


@dataclass(frozen=True, slots=True)
class Trained:
    """What training came to: the kept epoch (from 1), its loss on val (NaN without), its time."""

    epoch: int
    loss: float
    seconds: float
    parameters: int


@dataclass(frozen=True, slots=True)
class Examples:
    """Feeds of one or two modalities, and what sellers entered, shape (n, t): 1, 0, -1 unknown."""

    feeds: tuple[Feed, ...]
    targets: NDArray[np.int8]


def train(
    net: nn.Module,
    space: LabelSpace,
    examples: Examples,
    val: Examples | None,
    settings: Settings,
    seed: int,
) -> Trained:
    """Train what requires a gradient, in place, and leave the net as it was at its best epoch.

    Frozen towers are the caller's: their parameters require no gradient, and they don't stand in
    `net`, whose every part is put into training mode. A group "tower" of the optimizer is whatever
    parameter has "tower" in its name.
    """
    began = time.perf_counter()
    rng = np.random.default_rng(seed)
    place = device()
    net.to(place)
    towers: list[nn.Parameter] = []
    new: list[nn.Parameter] = []
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            (towers if "tower" in name else new).append(parameter)
    groups = [{"params": new, "lr": settings.rate}, {"params": towers, "lr": settings.tower_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=settings.decay)
    steps = -(-len(examples.targets) // settings.batch) * settings.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / steps))
    best, kept, state = float("inf"), 0, _copy(net)
    targets = torch.from_numpy(examples.targets)
    for epoch in range(1, settings.epochs + 1):
        net.train()
        order = rng.permutation(len(targets))
        for start in range(0, len(order), settings.batch):
            rows = order[start : start + settings.batch]
            if len(rows) == 1 and len(order) > 1:
                schedule.step()
                continue  # a batch of one has no variance to normalise by
            optimizer.zero_grad(set_to_none=True)
            logits = net(*[feed.batch(rows, rng).to(place) for feed in examples.feeds])
            loss = loss_of(logits, targets[rows].to(place), space, settings.loss)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_([*towers, *new], CLIP)
            optimizer.step()
            schedule.step()
        if val is None:
            kept = epoch
            continue
        with torch.inference_mode():
            logits = torch.from_numpy(forward(net, val.feeds))
            judged = float(loss_of(logits, torch.from_numpy(val.targets), space, settings.loss))
        _log.info("epoch %d of %d: loss on val %.4f", epoch, settings.epochs, judged)
        if judged < best:
            best, kept, state = judged, epoch, _copy(net)
        elif epoch - kept >= settings.patience:
            break
    if val is not None:
        net.load_state_dict(state)
    net.eval()
    value = best if val is not None else float("nan")
    size = sum(parameter.numel() for parameter in (*towers, *new))
    return Trained(kept, value, time.perf_counter() - began, size)


def forward(net: nn.Module, feeds: Sequence[Feed]) -> NDArray[np.float32]:
    """Return what a net says of all rows, plain views, in evaluation mode: (n, ...), float32."""
    place = device()
    net.to(place).eval()
    out = []
    with torch.inference_mode():
        for start in range(0, len(feeds[0]), _FORWARD):
            rows = np.arange(start, min(start + _FORWARD, len(feeds[0])))
            out.append(net(*[feed.batch(rows, None).to(place) for feed in feeds]).cpu().numpy())
    return np.concatenate(out)


def loss_of(logits: Tensor, targets: Tensor, space: LabelSpace, loss: Loss) -> Tensor:
    """Return the mean loss over what is known; 0 where nothing is."""
    terms = []
    for group in space.groups:
        span = space.span(group.name)
        predicted, truth = logits[:, span], targets[:, span]
        if loss == "softmax" and group.exclusive:
            known = (truth == 1).any(dim=1)
            if known.any():
                terms.append(
                    nn.functional.cross_entropy(predicted[known], truth[known].argmax(dim=1))
                )
        elif (truth >= 0).any():
            known = truth >= 0
            wanted = truth[known].to(predicted.dtype)
            terms.append(nn.functional.binary_cross_entropy_with_logits(predicted[known], wanted))
    return torch.stack(terms).sum() if terms else logits.sum() * 0


def probabilities(
    logits: NDArray[np.float32], space: LabelSpace, loss: Loss
) -> NDArray[np.float32]:
    """Return what a loss was trained to make of logits, shape (n, t), in [0, 1]."""
    tensor = torch.from_numpy(logits)
    out = torch.sigmoid(tensor)
    for group in space.groups:
        if loss == "softmax" and group.exclusive:
            out[:, space.span(group.name)] = torch.softmax(tensor[:, space.span(group.name)], dim=1)
    found: NDArray[np.float32] = out.numpy()
    return found


def _rate(done: float) -> float:
    """Rise for the first tenth, then fall in a straight line."""
    return min((done + 1e-3) / WARM_UP, (1 - done) / (1 - WARM_UP))


def _copy(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
