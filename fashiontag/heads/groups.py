"""Where the columns of an attribute group lie, and whether one label at most holds there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fashiontag.labels import LabelSpace


@dataclass(frozen=True, slots=True)
class GroupSpan:
    """The columns of one attribute group.

    Attributes
    ----------
    span : slice
        Where the group's labels stand among all t columns.
    exclusive : bool
        Whether at most one of them holds.
    """

    span: slice
    exclusive: bool


def group_spans(space: LabelSpace) -> tuple[GroupSpan, ...]:
    """Return the groups of a label space, in its order."""
    return tuple(GroupSpan(space.span(group.name), group.exclusive) for group in space.groups)
