"""What made an artefact: model, labels, version, date; and the refusal of a foreign model."""

from __future__ import annotations

import json
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from fashiontag import __version__
from fashiontag.errors import CatalogError, ForeignEncoderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fashiontag.datamodels import Encoder

FILE_NAME = "manifest.json"
FORMAT = 4


LIBRARIES = ("numpy", "scikit-learn", "torch", "open-clip-torch")


def versions(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts that travel with an artefact.

    Attributes
    ----------
    kind : str
        What the artefact is, such as "probe".
    model, fingerprint : str
        The encoder's name and fingerprint.
    dim : int
    labels, labels_hash : str
        The label space's name and hash.
    training_hash : str
        SHA-256 of what it was fitted on.
    metrics : mapping
        How good it was found to be.
    settings : mapping
        How it was made.
    created : str
        ISO 8601, UTC.
    """

    kind: str
    model: str
    fingerprint: str
    dim: int
    labels: str
    labels_hash: str
    training_hash: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    fashiontag: str = __version__
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: Mapping[str, str] = field(default_factory=versions)
    format: int = FORMAT

    def check_encoder(self, encoder: Encoder, where: str) -> None:
        """Refuse another encoder by naming both; `ForeignEncoderError`."""
        if encoder.fingerprint != self.fingerprint:
            raise ForeignEncoderError(
                f"{where} was made with the model {self.model} ({self.fingerprint[:8]}), and "
                f"{encoder.name} ({encoder.fingerprint[:8]}) was given; use --model {self.model}, "
                "or train again."
            )

    def save(self, folder: Path) -> None:
        """Write ``manifest.json`` into a folder."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=2)
        (folder / FILE_NAME).write_text(text + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path, kind: str) -> Manifest:
        """Read a folder's manifest.

        Raises
        ------
        CatalogError
            The folder holds no artefact of this kind, or one of a newer version.
        """
        path = folder / FILE_NAME
        try:
            content = json.loads(path.read_text("utf-8"))
            found = cls(**content)
        except FileNotFoundError as error:
            raise CatalogError(
                f"{folder} holds no {kind}: there is no {FILE_NAME} in it; give the folder that "
                f"`fashiontag {kind}-train` wrote."
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise CatalogError(f"{path} can't be read ({error}); make the {kind} again.") from error
        if found.kind != kind or found.format != FORMAT:
            raise CatalogError(
                f"{folder} holds no {kind} of format {FORMAT}; make it again with this version."
            )
        return found
