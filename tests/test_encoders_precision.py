"""Precision by device, and a batch that doesn't fit the device's memory."""

from __future__ import annotations

import inspect

import encoder_folders
import numpy as np
import pytest
import torch
from PIL import Image

from fashiontag.cli import commands
from fashiontag.encoders import devices, openclip, registry, resolve
from fashiontag.errors import ModelError, UsageError

TEXTS = ["a red dress", "blue jeans for men", "shirt", "a long shirt " * 20]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    place = tmp_path_factory.mktemp("models")
    encoder_folders.write_transformers_clip(place / "theirs", "quick_gelu")
    encoder_folders.write_clip(place / "clip")
    encoder_folders.write_siglip(place / "siglip")
    return {name: f"local-dir:{place / name}" for name in ("clip", "siglip", "theirs")}


@pytest.fixture
def single(folders):
    return resolve(folders["clip"], device="cpu", precision="fp32")


def pixels(encoder, count: int = 9) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    sizes = [(20 + 7 * n, 90 - 5 * n, 3) for n in range(count)]
    return [
        encoder.prepare(Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)))
        for size in sizes
    ]


# --- what is chosen


@pytest.mark.parametrize(
    ("device", "facts", "chosen"),
    [
        ("cpu", True, torch.bfloat16),
        ("cpu", False, torch.float32),
        ("mps", None, torch.float16),
        ("cuda:0", (9, 0), torch.bfloat16),
        ("cuda:0", (8, 0), torch.bfloat16),
        ("cuda:0", (7, 0), torch.float16),
        ("cuda:0", (6, 1), torch.float32),
    ],
)
def test_each_device_takes_what_it_computes_fast(monkeypatch, device, facts, chosen):
    monkeypatch.setattr(devices, "_processor_multiplies_bf16", lambda: facts)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: facts)
    assert devices.choose_precision("auto", torch.device(device)) == chosen
    assert devices.choose_precision("fp32", torch.device(device)) == torch.float32


@pytest.mark.parametrize(
    ("flags", "there"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_bf16": False}, False)],
)
def test_a_processor_says_whether_it_multiplies_bf16(monkeypatch, flags, there):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    assert devices._processor_multiplies_bf16() is there


def test_what_nobody_computes_in_is_refused_in_a_sentence(folders):
    with pytest.raises(UsageError, match="no precision 'int8'; give auto, fp32, bf16, fp16"):
        resolve(folders["clip"], precision="int8")
    half = resolve(folders["clip"], device="cpu", precision="fp16")
    with pytest.raises(UsageError, match="does not compute in fp16; give --precision bf16 or fp32"):
        half.encode_images(pixels(half))


def test_every_command_with_a_model_has_the_option():
    for name in commands.COMMANDS:
        options = inspect.signature(commands.function_of(name)).parameters
        assert ("precision" in options) == ("model" in options), name


# --- what it changes


@pytest.mark.parametrize("name", ["clip", "siglip", "theirs"])
def test_half_precision_turns_no_vector_by_more_than_a_thousandth(folders, name):
    whole = resolve(folders[name], device="cpu", precision="fp32")
    half = resolve(folders[name], device="cpu", precision="bf16")
    assert half.fingerprint == whole.fingerprint  # so that one index serves both
    for one, other in (
        (half.encode_images(pixels(half)), whole.encode_images(pixels(whole))),
        (half.encode_texts(TEXTS).vectors, whole.encode_texts(TEXTS).vectors),
    ):
        assert one.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-6)
        assert (one != other).any()  # else it was not computed in another precision
        assert (one * other).sum(axis=1).min() > 0.999
    kept = {weights.dtype for weights in half._model()._model.parameters()}
    assert kept == {torch.bfloat16}  # converted once: no pass does it again


def test_half_precision_by_name_is_not_answered_in_single(folders):
    for precision, loaded in (("auto", False), ("fp32", False), ("bf16", True)):
        encoder = resolve(folders["clip"], device="cpu", precision=precision)
        encoder.encode_texts(["dress"])
        assert (encoder._loaded is not None) is loaded


@pytest.mark.skipif(
    not (registry.EMBEDDED_FOLDER / "selftest.json").is_file(), reason="no embedded model here"
)
def test_the_embedded_model_passes_its_self_test_in_half_precision():
    assert resolve(device="cpu", precision="bf16").batch_size == 32


# --- what doesn't fit


def limited(function, most: int, error: RuntimeError):
    """Return a function that fails for tensors of more than `most` rows, and the sizes it saw."""
    asked = []

    def fails(batch):
        asked.append(len(batch))
        if len(batch) > most:
            raise error
        return function(batch)

    return fails, asked


def limit_pictures(encoder, most: int, error: RuntimeError) -> list[int]:
    model = encoder._model()._model
    model.encode_image, asked = limited(model.encode_image, most, error)
    return asked


NO_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize(
    "error",
    [
        NO_MEMORY,
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.0 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_lost(single, error):
    pictures = pixels(single)
    wanted = single.encode_images(pictures)
    asked = limit_pictures(single, 2, error)
    np.testing.assert_allclose(single.encode_images(pictures), wanted, atol=1e-6)
    assert asked == [9, 4, 2, 2, 2, 2, 1]
    np.testing.assert_allclose(single.encode_images(pictures), wanted, atol=1e-6)
    assert max(asked[7:]) == 2  # what was learned is kept


def test_titles_that_do_not_fit_are_halved_and_none_is_lost(single, monkeypatch):
    model, titles = single._model(), [f"{text} {n}" for n in range(5) for text in TEXTS]
    wanted = model.encode_texts(titles)
    tower, asked = limited(openclip._causal_forward(model._model), 3, NO_MEMORY)
    monkeypatch.setattr(openclip, "_causal_forward", lambda _: tower)
    got = model.encode_texts(titles)
    np.testing.assert_allclose(got.vectors, wanted.vectors, atol=1e-6)
    assert got.windows.tolist() == wanted.windows.tolist()
    assert max(asked) > 3 >= asked[-1]


def test_one_picture_that_does_not_fit_is_a_sentence(single):
    limit_pictures(single, 0, NO_MEMORY)
    with pytest.raises(ModelError, match=r"cpu has not enough memory left .* --precision bf16\.$"):
        single.encode_images(pixels(single))


def test_another_error_of_the_device_is_not_taken_for_want_of_memory(single):
    asked = limit_pictures(single, 0, RuntimeError("device-side assert triggered"))
    with pytest.raises(RuntimeError, match="assert"):
        single.encode_images(pixels(single))
    assert asked == [9]
