"""``python -m fashiontag``, and what the installed command starts."""

import sys


def main() -> None:
    """Run the command line, or let a process that is warm already do it."""
    if sys.argv[1:2] == ["search"]:
        from fashiontag import daemon

        status = daemon.ask(sys.argv[1:])
        if status is not None:
            sys.exit(status)
    from fashiontag.cli import main as run  # typer alone takes as long as the whole answer

    run()


if __name__ == "__main__":
    main()
