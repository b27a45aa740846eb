"""Models of the Hugging Face hub: from the cache if they are there, else downloaded once.

A model that is cached is used as it is and the network is not asked, so a run is the same today
and tomorrow, with and without ``--offline``.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashiontag.encoders import files, transformers_clip
from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# The first question to the hub; huggingface_hub alone would retry for half a minute before it
# says that there is no network, and name resolution knows no timeout at all.
_DEADLINE = 4.0


def fetch(
    repo: str,
    weights: str | None,
    *,
    name: str,
    configured: bool,
    offline: bool,
    allow_pickle: bool,
    announce: Callable[[str], None] | None,
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
    offline, allow_pickle, announce
        As in `fashiontag.encoders.resolve`.

    Raises
    ------
    ModelError
        If the hub can't be reached, or doesn't have the model in a form that may be read.
    """
    # Like open_clip: where a pickle is named, the safetensors of the same stem is better.
    safe = (str(Path(weights).with_suffix(".safetensors")),) if weights else files.SAFE_WEIGHTS
    pickled = (weights,) if weights else files.PICKLED_WEIGHTS
    path = cached(repo, (*safe, *(pickled if allow_pickle else ())), configured=configured)
    if path is not None:
        return path
    if offline:
        raise ModelError(
            f"{name} is not in the model cache ({_cache_folder()}) and --offline forbids to fetch"
            " it; run once without --offline, or copy the model here and use local-dir:PATH."
        )
    hub = _Hub(repo, name)
    configs = hub.configs() if configured else []
    for part in (*safe, *pickled):
        size = hub.size(part)
        if size is None:
            continue
        if part in pickled and not allow_pickle:
            raise files.refuse_pickle(name, part)
        if announce is not None:
            announce(
                f"Downloading {name}: {size / 1e6:,.0f} MB, licence {hub.licence()}, into"
                f" {_cache_folder()}."
            )
        if configured and not files.is_described(hub.download(configs).parent):
            raise hub.undescribed()
        path = hub.download([part])
        if files.is_readable(path):
            return path
    raise ModelError(f"{name} has no weights on the hub that open_clip reads; take another model.")


def cached(repo: str, weights: Iterable[str], *, configured: bool) -> Path | None:
    """Return the first of these weights that the cache holds, with a configuration if asked for.

    Another tool may have cached a repository's weights without what we need beside them.
    """
    for part in weights:
        path = _cached(repo, part)
        if path and (not configured or files.is_described(path.parent)) and files.is_readable(path):
            return path
    return None


def fetch_tokenizer(
    repo: str, *, name: str, offline: bool, announce: Callable[[str], None] | None
) -> Path:
    """Return the cached folder of a tokenizer's repository; parameters as in `fetch`."""
    for known in files.VOCABULARIES:
        path = _cached(repo, known)
        if path:
            return path.parent
    if offline:
        raise ModelError(
            f"The tokenizer {repo} of {name} is not in the model cache ({_cache_folder()}) and"
            " --offline forbids to fetch it; run once without --offline."
        )
    hub = _Hub(repo, name)
    present = [part for part in files.TOKENIZER_FILES if hub.size(part) is not None]
    if not set(present) & set(files.VOCABULARIES):
        raise ModelError(f"{repo}, the tokenizer of {name}, has no vocabulary on the hub.")
    if announce is not None:
        announce(f"Downloading the tokenizer {repo} of {name}, licence {hub.licence()}.")
    # The vocabulary comes last: its presence in the cache means that all of it is there.
    present.sort(key=lambda part: part in files.VOCABULARIES)
    return hub.download(present).parent


class _Hub:
    """One repository of the hub, asked with little patience."""

    def __init__(self, repo: str, name: str) -> None:
        self.repo = repo
        self.name = name

    def size(self, part: str) -> int | None:
        """Return a file's bytes, or None if the repository doesn't have it."""
        import huggingface_hub
        from huggingface_hub import errors

        url = huggingface_hub.hf_hub_url(self.repo, part)
        try:
            answer = _within(
                _DEADLINE, lambda: huggingface_hub.get_hf_file_metadata(url, timeout=_DEADLINE)
            )
        except errors.GatedRepoError:
            raise ModelError(
                f"{self.name} is behind a form on the hub; accept its terms at"
                f" {_endpoint()}/{self.repo}, log in with `hf auth login`, and try again."
            ) from None
        except errors.RepositoryNotFoundError:
            raise ModelError(
                f"{self.name} is not on the hub ({_endpoint()}), or is private; check the spelling"
                " of hf-hub:ORG/NAME, or log in with `hf auth login`."
            ) from None
        except errors.HfHubHTTPError as error:
            if error.response is not None and error.response.status_code == 404:
                return None
            raise self._unreachable(error) from None
        except Exception as error:  # whatever a transport raises, the user's way out is the same
            raise self._unreachable(error) from None
        return answer.size or 0

    def configs(self) -> list[str]:
        """Return the names of the files that describe the model, open_clip's if it has one."""
        if self.size(files.CONFIG) is not None:
            return [files.CONFIG]
        theirs = [transformers_clip.PICTURES, transformers_clip.CONFIG]
        if all(self.size(part) is not None for part in theirs):
            return theirs
        raise self.undescribed()

    def undescribed(self) -> ModelError:
        """Return the error of a repository that is no CLIP."""
        return ModelError(
            f"{self.name} has no {files.CONFIG} at {_endpoint()}; check the name and the network,"
            " or give a copy with local-dir:PATH."
        )

    def licence(self) -> str:
        """Return the licence that the model's card names."""
        import huggingface_hub

        with contextlib.suppress(Exception):  # a mirror without the API still serves the files
            info = _within(
                _DEADLINE, lambda: huggingface_hub.model_info(self.repo, timeout=_DEADLINE)
            )
            for tag in info.tags or ():
                if tag.startswith("license:"):
                    return str(tag.removeprefix("license:"))
        return f"not named (see {_endpoint()}/{self.repo})"

    def download(self, parts: Iterable[str]) -> Path:
        """Put these files in the cache and return the last one's path."""
        import huggingface_hub

        path = ""
        for part in parts:
            try:
                path = huggingface_hub.hf_hub_download(self.repo, part)
            except Exception as error:
                raise self._unreachable(error) from None
        return Path(path)

    def _unreachable(self, error: Exception) -> ModelError:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else ""
        return ModelError(
            f"{self.name} is not in the model cache and could not be fetched from {_endpoint()}"
            f" ({reason or type(error).__name__}); check the network, or leave --model out for the"
            " embedded model, or give a copy with local-dir:PATH."
        )


def _cached(repo: str, part: str) -> Path | None:
    """Return the path of a file if the cache holds it."""
    import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache(repo, part)
    return Path(found) if isinstance(found, str) else None


def _within(seconds: float, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - the call's own
    """Return what `call` returns, or raise `TimeoutError`; the thread that hangs is left behind."""
    outcome: list[tuple[bool, Any]] = []

    def work() -> None:
        try:
            outcome.append((True, call()))
        except Exception as error:
            outcome.append((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer in {seconds:.0f} s")
    done, value = outcome[0]
    if not done:
        raise value
    return value


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _cache_folder() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)
