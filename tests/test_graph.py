"""The embedded model without torch: its graph, and the vectors of prompts that ship with it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import encoder_folders
import numpy as np
import pytest

from fashiontag.encoders import graph, registry, resolve, shipped
from fashiontag.errors import ModelError
from fashiontag.labels import load_labels, shipped_labels
from fashiontag.workspace.prompts import reference_sentences, sentences

ROOT = Path(__file__).parents[1]
MINI = registry.EMBEDDED_FOLDER
AGAIN = "run python -m benchmarks.train_mini.graph fashiontag/encoders/mini"


@pytest.fixture(scope="module")
def encoder():
    return resolve()


@pytest.fixture(scope="module")
def with_torch():
    return resolve(precision="fp32")._model()


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of the embedded model, for a test to change."""
    return Path(shutil.copytree(MINI, tmp_path / "mini"))


def pixels(encoder, count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return list(random.integers(0, 256, (count, *encoder.preprocess.size, 3), dtype=np.uint8))


def refusal(folder: Path) -> str:
    encoder = resolve(f"local-dir:{folder}")

    def encode() -> None:
        encoder.encode_images(pixels(encoder, 1))
        encoder.encode_texts(["dress"])

    with pytest.raises(ModelError) as error:
        encode()
    assert "\n" not in str(error.value)
    return str(error.value)


# --- pictures


def test_pictures_have_the_vectors_that_torch_gives(encoder, with_torch):
    some = pixels(encoder, 9)
    got = encoder.encode_images(some)
    assert (got.dtype, got.shape) == (np.float32, (9, encoder.dim))
    np.testing.assert_allclose(got, with_torch.encode_images(some), atol=1e-5)
    assert encoder._loaded is None


def test_a_vector_does_not_depend_on_its_batch(encoder):
    some = pixels(encoder, 5)
    alone = np.concatenate([encoder.encode_images([one]) for one in some])
    np.testing.assert_allclose(encoder.encode_images(some), alone, atol=1e-6)


def test_the_same_batch_has_the_same_bytes_in_another_process(encoder):
    code = """
import hashlib, numpy as np
from fashiontag.encoders import resolve
encoder = resolve()
shape = (5, *encoder.preprocess.size, 3)
some = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
print(hashlib.sha256(encoder.encode_images(list(some)).tobytes()).hexdigest())
"""
    runs = [subprocess.check_output([sys.executable, "-c", code], cwd=ROOT) for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("device", "engine"),
    [("auto", "ONNX Runtime"), ("cpu", "ONNX Runtime"), ("cuda", "torch"), ("mps", "torch")],
)
def test_a_processor_that_is_asked_for_by_name_is_torchs(device, engine):
    assert resolve(device=device).engine.startswith(engine)


def test_a_folder_without_a_graph_goes_through_torch(copy, encoder):
    (copy / graph.FILE_NAME).unlink()
    plain = resolve(f"local-dir:{copy}", precision="fp32")
    assert plain.engine == "torch"
    assert plain.fingerprint == encoder.fingerprint
    some = pixels(encoder, 3)
    np.testing.assert_allclose(plain.encode_images(some), encoder.encode_images(some), atol=1e-5)
    assert plain._loaded is not None


def test_a_damaged_graph_is_one_sentence_with_the_way_out(copy):
    path = copy / graph.FILE_NAME
    path.write_bytes(path.read_bytes()[:5000])
    assert "delete that file to let torch compute" in refusal(copy)


@pytest.mark.parametrize("lost", [(), (graph.FILE_NAME,)])
def test_what_was_made_of_other_weights_is_refused(copy, lost):
    weights = copy / "open_clip_model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    for name in lost:
        (copy / name).unlink()
    assert "was made of other weights" in refusal(copy)


def test_a_graph_of_another_configuration_is_refused(copy):
    path = copy / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["preprocess_cfg"]["mean"] = [0.4, 0.5, 0.5]  # it is folded into the graph
    path.write_text(json.dumps(config))
    assert "another configuration" in refusal(copy)


def test_the_self_test_looks_at_the_graph(copy):
    path = copy / "selftest.json"
    test = json.loads(path.read_text())
    test["image"]["vector"] = test["image"]["vector"][::-1]
    path.write_text(json.dumps(test))
    assert "fails its self-test: for its picture" in refusal(copy)


# --- prompts


def test_no_prompt_of_the_shipped_label_files_has_to_be_encoded(encoder):
    wanted = set(reference_sentences())
    for name in shipped_labels():
        wanted.update(text for some in sentences(load_labels(name)) for text in some)
    texts = sorted(wanted)
    rows = encoder._shipped.find(texts)
    missing = [text for text, row in zip(texts, rows, strict=True) if row < 0]
    assert not missing, f"{len(missing)} prompts have no vector, such as {missing[0]!r}; {AGAIN}"
    assert len(encoder._shipped.keys) == len(texts), f"some are no prompts any more; {AGAIN}"


def test_shipped_vectors_are_the_text_towers_as_they_would_be_stored(encoder):
    texts = reference_sentences()
    got = encoder.encode_texts(texts)
    computed = encoder._text_tower.encode_texts(texts)
    np.testing.assert_allclose(got.vectors, computed.vectors, atol=2**-12)  # float16 below .5
    assert got.windows.tolist() == computed.windows.tolist()


def test_what_was_not_shipped_is_encoded_and_keeps_its_place(encoder):
    prompt, long = reference_sentences()[0], "a long tale of a red dress " * 9
    texts = ["a dress that nobody thought of", prompt, long, prompt + "!"]
    assert (encoder._shipped.find(texts) >= 0).tolist() == [False, True, False, False]
    got = encoder.encode_texts(texts)
    alone = [encoder.encode_texts([text]) for text in texts]
    wanted = np.concatenate([one.vectors for one in alone])
    np.testing.assert_allclose(got.vectors, wanted, atol=1e-6)
    assert got.windows.tolist() == [1, 1, int(alone[2].windows[0]), 1]
    assert got.windows[2] > 1


def test_damaged_prompts_are_one_sentence_with_the_way_out(copy):
    path = copy / shipped.FILE_NAME
    path.write_bytes(path.read_bytes()[:5000])
    assert "delete that file to have all prompts encoded" in refusal(copy)


# --- no torch


COMMANDS = """
import os, sys
from fashiontag.cli import run
work, catalog = sys.argv[1], "examples/catalog"
place = ["--workspace", f"{work}/ws", "--quiet"]
titles = ["--titles", f"{catalog}/titles.csv"]
lines = [
    ["index", catalog, *titles],
    ["tag", catalog, *titles, "--out", f"{work}/tags.csv"],
    ["search", "red dress", "--no-daemon"],
    ["search", "--image", f"{catalog}/SKU-10432.jpg", "--no-daemon"],
    ["duplicates"],
    ["probe-train", f"{catalog}/truth.csv", "--images", catalog, "--out", f"{work}/probe"],
    ["tag", catalog, *titles, "--probe", f"{work}/probe", "--out", f"{work}/tags.csv"],
    ["suggest", catalog, "--out", f"{work}/suggest.csv"],
]
def say(command, code):
    loaded = [name for name in ("torch", "open_clip", "timm") if name in sys.modules]
    print("\\n#", command, code, *loaded, file=sys.stderr)
for line in lines:
    say(line[0], run([*line, *place], debug=True))
from fashiontag.cli.warm import warm
say("warm", warm("mini"))
"""


def test_no_command_imports_torch_for_the_embedded_model(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", COMMANDS, str(tmp_path)], capture_output=True, text=True, cwd=ROOT
    )
    said = [line.split()[1:] for line in run.stderr.splitlines() if line.startswith("# ")]
    wanted = "index 0 tag 0 search 0 search 0 duplicates 0 probe-train 0 tag 0 suggest 0 warm None"
    assert " ".join(word for words in said for word in words) == wanted, run.stderr


# --- what makes graph and prompts


def test_any_folder_with_a_timm_tower_can_be_given_both(tmp_path):
    pytest.importorskip("onnx")
    from benchmarks.train_mini.graph import equip

    model = encoder_folders.CLIP | {"custom_text": True}
    model["vision_cfg"] = {
        "image_size": [40, 32],
        "timm_model_name": "test_efficientnet",
        "timm_pool": "avg",
        "timm_proj": "",
    }
    folder = encoder_folders.write_clip(tmp_path / "timm", half=True, model=model)
    plain = resolve(f"local-dir:{folder}", device="cpu", precision="fp32")
    some = pixels(plain, 3)
    wanted, prompt = plain.encode_images(some), reference_sentences()[:1]
    assert plain._loaded is not None
    equip(folder)
    quick = resolve(f"local-dir:{folder}", device="cpu")
    np.testing.assert_allclose(quick.encode_images(some), wanted, atol=1e-5)
    assert quick._loaded is None
    assert quick._shipped.find(prompt) >= 0
    assert (folder / graph.FILE_NAME).stat().st_size < 1e6  # weights lie beside it
