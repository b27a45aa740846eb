"""The command line in this process, which has imported what a command needs."""

import contextlib
import io
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from fashiontag.cli import run


class Done(NamedTuple):
    stdout: str
    stderr: str


def call(*arguments: object, cwd: Path, code: int = 0) -> Done:
    """Run one command in a folder, and return what it printed; its status has to be ``code``."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.chdir(cwd)
        patch.setattr(os, "environ", os.environ.copy())  # some options are told to libraries so
        status = run([*map(str, arguments)], debug=False)
    assert status == code, err.getvalue()
    assert "Traceback" not in err.getvalue()
    return Done(out.getvalue(), err.getvalue())
