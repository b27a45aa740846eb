"""Models of the Hugging Face hub: from the cache if they are there, else downloaded once.

A model that is cached is used as it is and the network is not asked, so a run is the same today
and tomorrow, with and without ``--offline``.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import huggingface_hub
from huggingface_hub import constants, errors

from fashiontag.encoders import files, transformers_clip
from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fashiontag.encoders.files import Access

T = TypeVar("T")

# The first question to the hub; huggingface_hub alone would retry for half a minute before it
# says that there is no network, and name resolution knows no timeout at all.
_DEADLINE = 4.0


def fetch(
    repo: str,
    weights: str | None,
    *,
    name: str,
    configured: bool,
    access: Access,
) -> Path:
    """Return the cached weights file of a repository, its configuration beside it if asked for.

    Parameters
    ----------
    repo : str
        ``ORG/NAME``.
    weights : str or None
        The weights' file name where the caller knows it; None means the usual ones.
    name : str
        The model as the user typed it, for messages.
    configured : bool
        Whether the repository must hold open_clip's configuration too.
    access : Access

    Raises
    ------
    ModelError
        If the hub can't be reached, or doesn't have the model in a form that may be read.
    """
    # Like open_clip: where a pickle is named, the safetensors of the same stem is better.
    names: Sequence[str] = files.SAFE_WEIGHTS + files.PICKLED_WEIGHTS
    if weights:
        names = (str(Path(weights).with_suffix(".safetensors")), weights)
    safe = [part for part in names if part.endswith(".safetensors")]
    path = cached(repo, names if access.allow_pickle else safe, configured=configured)
    if path is not None:
        return path
    if access.offline:
        raise ModelError(
            f"{name} is not in the model cache ({constants.HF_HUB_CACHE}) and --offline forbids to"
            " fetch it; run once without --offline, or copy the model here and use local-dir:PATH."
        )
    hub = _Hub(repo, name)
    configs = hub.configs() if configured else []
    for part in names:
        size = hub.size(part)
        if size is None:
            continue
        if part not in safe and not access.allow_pickle:
            raise files.refuse_pickle(name, part)
        access.say(
            f"Downloading {name}: {size / 1e6:,.0f} MB, licence {hub.licence()}, into"
            f" {constants.HF_HUB_CACHE}."
        )
        if configured and not files.is_described(hub.download(configs).parent):
            raise hub.undescribed()
        path = hub.download([part])
        if files.is_readable(path):
            return path
    raise ModelError(f"{name} has no weights on the hub that open_clip reads; take another model.")


def cached(repo: str, names: Iterable[str], *, configured: bool) -> Path | None:
    """Return the first of these files that the cache holds, with a configuration if asked for.

    Another tool may have cached a repository's weights without what we need beside them.
    """
    found = (huggingface_hub.try_to_load_from_cache(repo, name) for name in names)
    for path in (Path(place) for place in found if isinstance(place, str)):
        if (not configured or files.is_described(path.parent)) and files.is_readable(path):
            return path
    return None


def fetch_tokenizer(repo: str, *, name: str, access: Access) -> Path:
    """Return the cached folder of a tokenizer's repository; parameters as in `fetch`."""
    path = cached(repo, files.VOCABULARIES, configured=False)
    if path is not None:
        return path.parent
    if access.offline:
        raise ModelError(
            f"The tokenizer {repo} of {name} is not in the model cache ({constants.HF_HUB_CACHE})"
            " and --offline forbids to fetch it; run once without --offline."
        )
    hub = _Hub(repo, name)
    present = [part for part in files.TOKENIZER_FILES if hub.size(part) is not None]
    if not set(present) & set(files.VOCABULARIES):
        raise ModelError(f"{repo}, the tokenizer of {name}, has no vocabulary on the hub.")
    access.say(f"Downloading the tokenizer {repo} of {name}, licence {hub.licence()}.")
    # The vocabulary comes last: its presence in the cache means that all of it is there.
    present.sort(key=lambda part: part in files.VOCABULARIES)
    return hub.download(present).parent


@dataclass(frozen=True, slots=True)
class _Hub:
    """One repository of the hub, asked with little patience."""

    repo: str
    name: str

    def size(self, part: str) -> int | None:
        """Return a file's bytes, or None if the repository doesn't have it."""
        url = huggingface_hub.hf_hub_url(self.repo, part)
        try:
            answer = _in_time(lambda: huggingface_hub.get_hf_file_metadata(url, timeout=_DEADLINE))
        except errors.GatedRepoError:
            raise ModelError(
                f"{self.name} is behind a form on the hub; accept its terms at"
                f" {constants.ENDPOINT}/{self.repo}, log in with `hf auth login`, and try again."
            ) from None
        except errors.RepositoryNotFoundError:
            raise ModelError(
                f"{self.name} is not on the hub ({constants.ENDPOINT}), or is private; check the"
                " spelling of hf-hub:ORG/NAME, or log in with `hf auth login`."
            ) from None
        except Exception as error:  # whatever a transport raises, the user's way out is the same
            if getattr(getattr(error, "response", None), "status_code", None) == 404:
                return None
            raise self._unreachable(error) from None
        return answer.size or 0

    def configs(self) -> list[str]:
        """Return the names of the files that describe the model, open_clip's if it has one."""
        for parts in ([files.CONFIG], [transformers_clip.PICTURES, transformers_clip.CONFIG]):
            if all(self.size(part) is not None for part in parts):
                return parts
        raise self.undescribed()

    def undescribed(self) -> ModelError:
        """Return the error of a repository that is no CLIP."""
        return ModelError(
            f"{self.name} has no {files.CONFIG} at {constants.ENDPOINT}; check the name and the"
            " network, or give a copy with local-dir:PATH."
        )

    def licence(self) -> str:
        """Return the licence that the model's card names."""
        with suppress(Exception):  # a mirror without the API still serves the files
            info = _in_time(lambda: huggingface_hub.model_info(self.repo, timeout=_DEADLINE))
            for tag in info.tags or ():
                if tag.startswith("license:"):
                    return tag.removeprefix("license:")
        return f"not named (see {constants.ENDPOINT}/{self.repo})"

    def download(self, parts: Iterable[str]) -> Path:
        """Put these files in the cache, in their order, and return the last one's path."""
        try:
            return Path([huggingface_hub.hf_hub_download(self.repo, part) for part in parts][-1])
        except Exception as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> ModelError:
        return ModelError(
            f"{self.name} is not in the model cache and could not be fetched from"
            f" {constants.ENDPOINT} ({files.reason(error)}); check the network, or leave --model"
            " out for the embedded model, or give a copy with local-dir:PATH."
        )


def _in_time(call: Callable[[], T]) -> T:
    """Return what `call` returns, or raise `TimeoutError`; the thread that hangs is left behind."""
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return outcome.result(_DEADLINE)
    except TimeoutError:
        raise TimeoutError(f"no answer in {_DEADLINE:.0f} s") from None
