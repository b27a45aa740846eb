"""The one place that prints: results to standard output, talk and progress to standard error."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG_EVERY = 10.0
"""Seconds between progress lines where standard error is a file and no bar can be drawn."""

interrupted = threading.Event()
"""Set by Ctrl-C. Python drops the exception where it lands in a destructor or in a callback from C,
as it once did in our tests, and a long run would go on; so its progress looks here as well."""


def notice_interrupts() -> None:
    """Remember Ctrl-C beside raising `KeyboardInterrupt`; only the main thread may ask for it."""

    def note(number: int, frame: object) -> None:
        del number, frame
        interrupted.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)


results = Console(highlight=False, soft_wrap=False)
talk = Console(stderr=True, highlight=False)


def say(sentence: str) -> None:
    """Tell the user something that is no result."""
    talk.print(sentence, markup=False, soft_wrap=True)


def warn(sentence: str) -> None:
    """Tell the user something that may be wrong with the input."""
    talk.print(f"[yellow]warning:[/] {_plain(sentence)}", soft_wrap=True)


def line(text: str) -> None:
    """Print one line of a result as it is, for pipes."""
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")


def document(value: Any) -> None:  # noqa: ANN401
    """Print the one JSON document of ``--json``."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


@contextmanager
def progress(what: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show how far a long job is, how fast it goes and how long it will take.

    Parameters
    ----------
    what : str
        "Tagging".
    total : int
        Items to do.
    unit : str
        "images".

    Yields
    ------
    callable
        Takes the number of items that have just been done.
    """
    if not talk.is_terminal:
        yield _stopping(_log_lines(what, total, unit))
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=talk, transient=True) as bar:
        task = bar.add_task(what, total=total, speed="")

        def advance(done: int) -> None:
            bar.advance(task, done)
            speed = bar.tasks[0].speed
            bar.update(task, speed=f"{speed:,.0f} {unit}/s" if speed else "")

        yield _stopping(advance)


def _stopping(advance: Callable[[int], None]) -> Callable[[int], None]:
    def advance_or_stop(done: int) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        advance(done)

    return advance_or_stop


def _log_lines(what: str, total: int, unit: str) -> Callable[[int], None]:
    started = told = time.monotonic()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, told
        done += more
        now = time.monotonic()
        if now - told >= LOG_EVERY and done < total:
            told = now
            speed = done / (now - started)
            left = (total - done) / speed
            say(f"{what}: {done:,} of {total:,}, {speed:,.0f} {unit}/s, {left:,.0f} s left")

    return advance
