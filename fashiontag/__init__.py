"""fashiontag: photos and titles of fashion products in, catalogue tags and a search index out."""

__version__ = "0.1.0"
