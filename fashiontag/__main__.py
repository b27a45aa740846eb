"""``python -m fashiontag`` is the command line."""

from fashiontag.cli import main

main()
