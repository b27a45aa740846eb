"""``python -m fashiontag``, and what the installed command starts."""

import codecs
import os
import sys


def main() -> None:
    """Run the command line, or let a process that is warm already do it."""
    codecs.register_error("shown", _shown)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="shown")
    if sys.argv[1:2] == ["search"]:
        from fashiontag import daemon

        status = daemon.ask(sys.argv[1:])
        if status is not None:
            sys.exit(status)
    from fashiontag.cli import main as run  # typer alone takes as long as the whole answer

    run()


def _shown(error: UnicodeError) -> tuple[bytes, int]:
    """Print what a stream's encoding lacks as ?, and a byte of a file's name as it is."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return b"".join(
        bytes([ord(sign) - 0xDC00]) if "\udc80" <= sign <= "\udcff" else b"?" for sign in lacking
    ), error.end


if __name__ == "__main__":
    main()
