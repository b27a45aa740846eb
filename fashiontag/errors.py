"""Every error that fashiontag raises on purpose.

Each is one sentence: what was got, what was wanted, what to do. Each is also the built-in that
callers already catch, and knows the exit status that the command line gives it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class FashiontagError(Exception):
    """The base of the family; catching it catches every expected failure."""

    exit_code = 1


@contextmanager
def after(warnings: Iterable[str]) -> Iterator[None]:
    """Let warnings survive an error of the block: they become its notes, and are shown with it."""
    try:
        yield
    except FashiontagError as error:
        for warning in warnings:
            error.add_note(warning)
        raise


class UsageError(FashiontagError, ValueError):
    """The call itself is wrong: an option, a missing source, an unknown label file or model."""

    exit_code = 2


class CatalogError(FashiontagError, ValueError):
    """A folder or table was found but can't be read as a catalogue."""


class AddressError(CatalogError):
    """An address can't or may not be read; the message is the reason, to stand after it."""


class NoAnswerError(AddressError):
    """A host was asked and gave no whole answer; later it may."""


class ImageError(FashiontagError, OSError):
    """One picture can't be read; the message is the reason that its row shows."""


class LabelFileError(FashiontagError, ValueError):
    """A label file breaks a rule; the message names file, group and label."""


class ModelError(FashiontagError, RuntimeError):
    """A model can't be had or loaded here; the message gives the way out."""


class ForeignEncoderError(FashiontagError, ValueError):
    """An artefact was made by another encoder; the message names both."""


class StoreError(FashiontagError, OSError):
    """The workspace can't be read or written."""


class OutputError(FashiontagError, OSError):
    """A result can't be written where it was asked for."""


class QueryError(UsageError):
    """A search query or filter can't be understood."""
