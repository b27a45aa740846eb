"""StyleSense, and the course report's EfficientNet with an LSTM: two towers, a fusion, a layer.

StyleSense projects each modality to a common width and fuses by concatenation, attention, bilinear
products or cross-modal attention; sigmoids, binary cross-entropy, rotated and flipped pictures. The
course report concatenates the features of two towers that learn from scratch; softmax, Adam 1e-3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from benchmarks.lab.methods import Fitted, Rows, Task
from benchmarks.lab.towers.backbones import LSTM
from benchmarks.lab.towers.features import FLIP, ROTATE, Feed, Layer, Tower, frozen, live
from benchmarks.lab.towers.fusions import (
    LEARNED,
    PARTS,
    Attention,
    Bilinear,
    CrossAttention,
    Projection,
)
from benchmarks.lab.towers.options import Options
from benchmarks.lab.towers.strategies import Side, settings, tower
from benchmarks.lab.towers.training import Examples, Loss, forward, probabilities, train
from fashiontag.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Modality = Literal["image", "text", "both"]

COMMON = 256
STYLESENSE = Options(augment=(FLIP, ROTATE))
EFFICIENTNET_LSTM = Options(
    image="efficientnet_b0",
    text=LSTM,
    pretrained=False,
    length=100,
    augment=(),
    train_towers=True,
    tower_epochs=10,
    tower_rate=1e-3,
)


class Joint(nn.Module):
    """Towers that learn, or none before cached features; projections; a fusion; one layer.

    Parameters
    ----------
    towers : sequence of Tower or None
        One per modality, None where features come in.
    widths : sequence of int
        Of what each modality brings.
    fusion : str
        One of `LEARNED`; of no matter with one modality.
    common : int
        Width of the projections; 0 leaves features as they are.
    """

    def __init__(
        self,
        towers: Sequence[Tower | None],
        widths: Sequence[int],
        classes: int,
        fusion: str,
        common: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.towers = nn.ModuleList([nn.Identity() if tower is None else tower for tower in towers])
        sizes = [common or width for width in widths]
        self.projections = nn.ModuleList(
            [Projection(width, common, dropout) if common else nn.Identity() for width in widths]
        )
        self.fuse: nn.Module | None = None
        out = sum(sizes)
        if len(widths) > 1 and fusion != "concatenate":
            made: dict[str, Callable[[], Attention | Bilinear | CrossAttention]] = {
                "attention": lambda: Attention(common),
                "bilinear": lambda: Bilinear(common),
                PARTS: lambda: CrossAttention(common, dropout),
            }
            fuse = made[fusion]()
            self.fuse, out = fuse, fuse.out
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(out, classes))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits, (b, classes)."""
        features = [tower(x) for tower, x in zip(self.towers, inputs, strict=True)]
        projected = [project(x) for project, x in zip(self.projections, features, strict=True)]
        if self.fuse is None:
            fused = torch.cat(projected, dim=1)
        elif isinstance(self.fuse, CrossAttention):
            fused = self.fuse(*projected, features[1].abs().sum(dim=2) > 0)
        else:
            fused = self.fuse(*projected)
        out: Tensor = self.classifier(fused)
        return out


def stylesense(task: Task, modality: Modality) -> Fitted:
    """Fit StyleSense on pictures, titles or both, towers frozen unless the suite says otherwise."""
    return _fit(task, modality, STYLESENSE.of(task), "sigmoid", COMMON)


def efficientnet_lstm(task: Task, modality: Modality) -> Fitted:
    """Fit the course report's network, or one of its towers alone."""
    return _fit(task, modality, EFFICIENTNET_LSTM.of(task), "softmax", 0)


def _fit(task: Task, modality: Modality, options: Options, loss: Loss, common: int) -> Fitted:
    known = LEARNED if common else LEARNED[:1]
    if options.fusion not in known:
        raise UsageError(f"There is no fusion {options.fusion!r} here; give {', '.join(known)}.")
    sides: tuple[Side, ...] = ("image", "text") if modality == "both" else (modality,)
    layer: Layer = "parts" if options.fusion == PARTS and modality == "both" else "pooled"
    learning = options.train_towers
    if learning and layer == "parts":
        raise UsageError(f"{PARTS} stands on frozen towers here; set train_towers = false.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        towers = [tower(task, side, options, learning=learning) for side in sides]

        def feeds(rows: Rows, augment: tuple[str, ...] = ()) -> tuple[Feed, ...]:
            if learning:
                return tuple(live(tower, rows, augment) for tower in towers)
            return tuple(
                frozen(tower, rows, task.store, layer=layer, augment=augment) for tower in towers
            )

        examples = Examples(feeds(task.train, options.augment), task.train.targets)
        val = None if task.val is None else Examples(feeds(task.val), task.val.targets)
        widths = [tower.width for tower in towers]
        if not learning:
            widths = [feed.views.shape[-1] for feed in examples.feeds]
        net = Joint(
            towers if learning else [None] * len(towers),
            widths,
            task.space.size,
            options.fusion,
            common,
            options.dropout,
        )
        how = settings(options, learning=learning, loss=loss)
        trained = train(net, task.space, examples, val, how, task.seed)
    return Fitted(
        lambda rows: probabilities(forward(net, feeds(rows)), task.space, loss),
        trained.parameters,
        trained.seconds + sum(feed.seconds for feed in examples.feeds),
        {
            "backbones": ", ".join(getattr(options, side) for side in sides),
            "epoch": trained.epoch,
        },
    )
