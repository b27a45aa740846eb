"""FAISS."""

from __future__ import annotations


def engine() -> dict[str, str]:
    """Return FAISS's version, what it runs on and how it was compiled; imports faiss."""
    import faiss

    cards = int(getattr(faiss, "get_num_gpus", int)())  # a wheel without GPUs may lack the function
    return {
        "version": str(faiss.__version__),
        "active": f"{cards} GPUs" if cards > 1 else "1 GPU" if cards else "CPU",
        "compiled for": str(faiss.get_compile_options()).strip(),
    }
