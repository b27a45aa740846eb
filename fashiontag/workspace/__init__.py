"""The noun in the middle: one folder and one model, with what is kept of both.

`Workspace` owns the store and the index and hands out vectors; `embed` fills it, `prompts` are a
label space's vectors in it, `neighbours` is what FAISS knows of it, `decisions` are what
people said, `written` tells the program's tables from theirs, and `receipts` are of earlier runs.
"""

from fashiontag.workspace.workspace import Workspace, indexed_model, indexed_sources, is_gone

__all__ = ["Workspace", "indexed_model", "indexed_sources", "is_gone"]
