"""A model's constants that were fitted on the user's own catalogue: kept, and found again.

One file a model, ``calibrations/FINGERPRINT.json``. A group is known by its content (labels,
prompts, background), so whoever changes one group of a label file keeps what was fitted for the
others.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from fashiontag.errors import StoreError
from fashiontag.heads.statistics import GroupConstants

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from fashiontag.labels import LabelSpace

FOLDER = "calibrations"
FORMAT = "groups, first format"


def group_keys(space: LabelSpace) -> dict[str, str]:
    """Return what each group of a label file is known by, its name aside."""
    return {
        group.name: space.only({f"{group.name}={label}" for label in group.names}).hash
        for group in space.groups
    }


def calibration_file(workspace: Path, fingerprint: str) -> Path:
    """Return where a model's own constants are kept."""
    return workspace / FOLDER / f"{fingerprint[:32]}.json"


def save_constants(
    workspace: Path, fingerprint: str, space: LabelSpace, fitted: Mapping[str, GroupConstants]
) -> Path:
    """Keep constants by group's name, in place of those that were kept for the same groups.

    Raises
    ------
    StoreError
        The workspace can't be written.
    """
    path, keys = calibration_file(workspace, fingerprint), group_keys(space)
    groups = _kept(path) | {
        keys[name]: {"group": f"{space.name}/{name}", "constants": asdict(one)}
        for name, one in fitted.items()
    }
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(exist_ok=True)
        content = {"fingerprint": fingerprint, FORMAT: groups}
        part.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} can't be written ({error.strerror}); give a --workspace that can."
        ) from error
    return path


def load_constants(
    workspace: Path, fingerprint: str, space: LabelSpace
) -> dict[str, GroupConstants]:
    """Return what was fitted for groups of a label file, by ``label file/group``.

    Raises
    ------
    StoreError
        The file is damaged, or of another version.
    """
    kept = _kept(calibration_file(workspace, fingerprint))
    return {
        f"{space.name}/{name}": GroupConstants(**kept[key]["constants"])
        for name, key in (group_keys(space).items() if kept else ())
        if key in kept
    }


def calibrated_groups(workspace: Path) -> dict[str, tuple[str, ...]]:
    """Return, by model's fingerprint, the groups that have constants of their own here."""
    return {
        path.stem: tuple(sorted({one["group"] for one in _kept(path).values()}))
        for path in sorted((workspace / FOLDER).glob("*.json"))
    }


def _kept(path: Path) -> dict[str, dict[str, Any]]:
    try:
        groups: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))[FORMAT]
        for values in groups.values():
            _ = values["group"], GroupConstants(**values["constants"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} can't be read ({error}); delete it and calibrate again."
        ) from error
    return groups
