"""The noun in the middle: one folder and one model, with what is kept of both.

`Workspace` owns the store and the index and hands out vectors; `embed` fills it, `prompts` are a
label space's vectors in it, `neighbours` is what FAISS knows of it, `receipts` are what earlier
runs wrote.
"""

from fashiontag.workspace.workspace import Workspace, indexed_model, indexed_sources

__all__ = ["Workspace", "indexed_model", "indexed_sources"]
