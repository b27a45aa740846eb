"""What a model runs on: the devices that torch sees, and the precision that each computes best in.

Half precision is a matter of speed, not of what is decided: weights are converted once (autocast
converts them in every pass and gains nothing on a processor), matrix products sum in single
precision, and vectors are made unit length in it. ``benchmarks/results/precision.md`` says what
changes.
"""

from __future__ import annotations

from pathlib import Path

import torch

from fashiontag.errors import UsageError

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# Pictures of one forward pass. A processor gains nothing beyond 32; a graphics card is filled by
# some 10,000 rows of a matrix, 200 pictures of 50 patches. More than fits is halved in the model.
_BATCH_SIZES = {"cpu": 32, "mps": 64, "cuda": 256}


def devices() -> dict[str, str]:
    """Return what `resolve` can take as ``device`` here, the processor first, and describe it."""
    found = {"cpu": f"{torch.get_num_threads()} threads"}
    for number in range(torch.cuda.device_count()):
        found[f"cuda:{number}"] = torch.cuda.get_device_name(number)
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return {
        name: f"{what}, computes in {precision_name(choose_precision('auto', torch.device(name)))}"
        for name, what in found.items()
    }


def find_device(wanted: str) -> torch.device:
    """Return the device of a name; ``auto`` takes CUDA, then MPS, then the processor.

    Raises
    ------
    UsageError
        If it isn't there.
    """
    here = devices()
    if wanted == "auto":
        wanted = next((name for name in ("cuda:0", "mps") if name in here), "cpu")
    elif wanted == "cuda":
        wanted = "cuda:0"
    if wanted not in here:
        raise UsageError(
            f"The device {wanted} is not here (torch sees {', '.join(here)}); leave --device out to"
            " take what there is."
        )
    return torch.device(wanted)


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """Return what weights and activations are kept in.

    Parameters
    ----------
    wanted : {"auto", "fp32", "bf16", "fp16"}
        ``auto`` is bf16 where the device multiplies it, for it has the range of single precision
        and so never overflows; fp16 on other devices that are faster in that; else fp32.
    device : torch.device

    Raises
    ------
    UsageError
        If the device can't compute in what is wanted.
    """
    if wanted == "fp16" and device.type == "cpu":
        raise UsageError(
            "A processor does not compute in fp16; give --precision bf16 or fp32, or leave it out"
            " to take what is fastest here."
        )
    if wanted != "auto":
        return _DTYPES[wanted]
    if device.type == "cpu":
        return torch.bfloat16 if _processor_multiplies_bf16() else torch.float32
    if device.type == "mps":
        return torch.float16  # the first Apple processors know no bf16
    # Tensor cores: bf16 from Ampere on, fp16 from Volta on; before, fp16 may be 64 times slower.
    major, _ = torch.cuda.get_device_capability(device)
    return torch.bfloat16 if major >= 8 else torch.float16 if major == 7 else torch.float32


def precision_name(dtype: torch.dtype) -> str:
    """Return what `resolve` calls a precision."""
    return next(name for name, known in _DTYPES.items() if known == dtype)


def batch_size(device: torch.device) -> int:
    """Return how many pictures a device is given at once: by its kind alone.

    What fits would depend on who else uses its memory, and a run that was stopped and repeated
    must end in the bytes of an undisturbed one.
    """
    return _BATCH_SIZES[device.type]


def _processor_multiplies_bf16() -> bool:
    """Whether the processor multiplies bf16 by itself: torch emulates it on all others, slowly."""
    if hasattr(torch.cpu, "get_capabilities"):
        facts = {name for name, there in torch.cpu.get_capabilities().items() if there}
    else:  # torch before 2.10; the names are the kernel's
        known = Path("/proc/cpuinfo")
        facts = set(known.read_text(encoding="utf-8").split()) if known.exists() else set()
    return not facts.isdisjoint({"avx512_bf16", "amx_bf16"})
