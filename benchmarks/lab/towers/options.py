"""What a suite may say of a tower method, with what it says if it says nothing."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from fashiontag.errors import UsageError

if TYPE_CHECKING:
    from benchmarks.lab.methods import Task


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a method's entry in a suite.

    Attributes
    ----------
    image, text : str
        Towers by name, see `backbones.image_tower` and `backbones.text_tower`.
    pretrained : bool
        With the hub's weights, for towers that come from there.
    size : tuple of int
        Height and width of pictures; () takes the tower's own.
    length : int
        Tokens of a title at most.
    augment : tuple of str
        Of ``flip`` and ``rotate``, for training pictures.
    fusion : str
        How modalities are fused, where the method's name doesn't say it.
    train_towers : bool
        Whether towers learn, where the method's name doesn't say it.
    epochs, tower_epochs : int
        At most so many, for new layers on cached features and for towers that learn.
    patience, batch : int
    rate, tower_rate : float
        Peak learning rates of new layers and of pre-trained towers.
    hidden : int
        Width of the layer behind each tower.
    dropout : float in [0, 1)
    """

    image: str = "mini"
    text: str = "minilm"
    pretrained: bool = True
    size: tuple[int, ...] = ()
    length: int = 30
    augment: tuple[str, ...] = ("flip",)
    fusion: str = "concatenate"
    train_towers: bool = False
    epochs: int = 40
    tower_epochs: int = 3
    patience: int = 5
    batch: int = 64
    rate: float = 1e-3
    tower_rate: float = 1e-4
    hidden: int = 500
    dropout: float = 0.2

    def of(self, task: Task) -> Options:
        """Return these options with what the suite says put over them.

        Raises
        ------
        UsageError
            The suite gives one that doesn't exist, or of another type.
        """
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in task.options.items()
        }
        known = {option.name: getattr(self, option.name) for option in fields(self)}
        for key, value in given.items():
            if key not in known:
                raise UsageError(f"There is no option {key!r}; known are {', '.join(known)}.")
            if type(value) is not type(known[key]):
                raise UsageError(f"The option {key} is {value!r}; give it like {known[key]!r}.")
        return replace(self, **given)
