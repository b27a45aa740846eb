"""Encoders: what a folder must hold, what a vector must be, and that open_clip agrees."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import encoder_folders
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from fashiontag.datamodels import Encoder
from fashiontag.encoders import KNOWN_MODELS, LazyEncoder, registry, resolve, text_numpy, tokens
from fashiontag.encoders.preprocess import Preprocess
from fashiontag.errors import ModelError, UsageError

ROOT = Path(__file__).parent.parent
SINGLE = {"device": "cpu", "precision": "fp32"}
"""What is compared with open_clip's own vectors to the last digits."""
TEXTS = ["a red dress", "blue jeans for men", "shirt"]
LONG = " ".join(f"word{n} red" for n in range(30))


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    return encoder_folders.write_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="session")
def siglip(tmp_path_factory) -> Path:
    return encoder_folders.write_siglip(tmp_path_factory.mktemp("models") / "siglip")


@pytest.fixture(scope="session")
def encoder(clip):
    return resolve(f"local-dir:{clip}", **SINGLE)


@pytest.fixture
def broken(clip, tmp_path) -> Path:
    """A copy of the good folder, for a test to damage."""
    return Path(shutil.copytree(clip, tmp_path / "broken"))


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    sizes = [(40, 50), (100, 30), (32, 32), (33, 32), (7, 9), (1, 1), (200, 199), (1, 90), (90, 1)]
    return [
        Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


def edit_config(folder: Path, change) -> None:
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def sentence(error: pytest.ExceptionInfo) -> str:
    """One line that ends like a sentence."""
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


# --- what is known without torch


def test_an_encoder_knows_itself_without_torch(clip):
    code = f"""
import sys
from PIL import Image
from fashiontag.encoders import resolve
e = resolve('local-dir:{clip}')
pixels = e.prepare(Image.new('RGB', (9, 9)))
heavy = [m for m in ('torch', 'open_clip', 'huggingface_hub', 'pandas') if m in sys.modules]
print(e.name, e.dim, e.image_size, len(e.fingerprint), e.folder, pixels.shape, *heavy)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stderr == ""
    assert run.stdout.split() == [
        f"local-dir:{clip}",
        *["16", "32", "32"],
        str(clip),
        *["(32,", "32,", "3)"],
    ]


def test_models_with_open_clips_tokenizer_read_latin_letters_alone(encoder):
    for text in ("Red", "Größe", "Zara платье", "T恤 dress"):
        assert encoder.reads(text)
    for text in ("", "लाल कुर्ता", "платье", "靴", "A 1", "👗"):
        assert not encoder.reads(text)
    other = LazyEncoder(replace(encoder.files, tokenizer=Path("a folder")))
    assert other.reads("लाल कुर्ता")


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, Encoder)


def test_fingerprint_follows_the_bytes_and_not_the_place(encoder, clip, broken):
    assert resolve(f"local-dir:{broken}").fingerprint == encoder.fingerprint
    weights = bytearray((broken / "open_clip_model.safetensors").read_bytes())
    weights[-1] ^= 1
    (broken / "open_clip_model.safetensors").write_bytes(weights)
    assert resolve(f"local-dir:{broken}").fingerprint != encoder.fingerprint
    shutil.copy(clip / "open_clip_model.safetensors", broken)
    edit_config(broken, lambda config: config["preprocess_cfg"].update(resize_mode="squash"))
    assert resolve(f"local-dir:{broken}").fingerprint != encoder.fingerprint


def test_fingerprint_of_large_weights_samples_every_tensor(broken, monkeypatch):
    from fashiontag.encoders import files

    monkeypatch.setattr(files, "_WHOLE_FILE", 0)
    before = resolve(f"local-dir:{broken}").fingerprint
    assert resolve(f"local-dir:{broken}").fingerprint == before
    path = broken / "open_clip_model.safetensors"
    header, data = files.safetensors_header(path), bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    for entry in header.values():
        start, stop = (8 + length + offset for offset in entry["data_offsets"])
        changed = bytearray(data)
        changed[start:stop] = bytes(byte ^ 1 for byte in changed[start:stop])
        path.write_bytes(changed)
        assert resolve(f"local-dir:{broken}").fingerprint != before


# --- pictures


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [32, (24, 40)])
def test_prepare_gives_the_pixels_of_open_clips_transform(mode, size):
    from open_clip.transform import PreprocessCfg, image_transform_v2

    filters = ("bicubic",) if mode == "shortest" and size != 32 else ("bicubic", "bilinear")
    for interpolation in filters:
        settings = encoder_folders.PREPROCESS | {"resize_mode": mode, "fill_color": 7}
        settings["interpolation"] = interpolation
        config = {"model_cfg": {"vision_cfg": {"image_size": size}}, "preprocess_cfg": settings}
        ours = Preprocess.from_config(config, "test")
        theirs = image_transform_v2(PreprocessCfg(size=size, **settings), is_train=False)
        *steps, _ = theirs.transforms  # all but the normalisation
        for picture in pictures():
            if mode == "longest" and min(picture.size) * 32 < max(picture.size):
                continue  # open_clip fails on a strip that would be less than a pixel wide
            wanted = picture
            for step in steps:
                wanted = step(wanted)
            got = ours(picture)
            assert got.dtype == np.uint8
            levels = np.rint(wanted.numpy() * 255).transpose(1, 2, 0) - got
            # Very long strips are cut before they are resized: the same but for rounding.
            strip = max(picture.size) > 8 * min(picture.size)
            assert np.abs(levels).max() <= (1 if strip else 0), (picture.size, interpolation)


def test_a_strip_is_not_blown_up_before_it_is_cropped(encoder):
    # 32 x 1,920,000 pixels if the crop came second.
    assert (
        encoder.prepare(Image.new("RGB", (60_000, 1), "red")).tolist() == [[[255, 0, 0]] * 32] * 32
    )


def test_image_vectors_equal_open_clips(clip, encoder):
    import open_clip
    import torch

    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{clip}")
    with torch.no_grad():
        batch = torch.stack([transform(picture) for picture in pictures()])
        wanted = model.eval().encode_image(batch, normalize=True).numpy()
    got = encoder.encode_images([encoder.prepare(picture) for picture in pictures()])
    assert got.dtype == np.float32
    assert got.shape == (len(wanted), encoder.dim)
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-6)


def test_a_vector_does_not_depend_on_its_batch(encoder):
    pixels = [encoder.prepare(picture) for picture in pictures()]
    together = encoder.encode_images(pixels)
    alone = np.concatenate([encoder.encode_images([picture]) for picture in pixels])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_nothing_in_nothing_out(encoder):
    assert encoder.encode_images([]).shape == (0, 16)
    texts = encoder.encode_texts([])
    assert texts.vectors.shape == (0, 16)
    assert texts.windows.shape == (0,)


def test_pixels_of_another_shape_are_refused(encoder):
    with pytest.raises(ValueError, match=r"shape \(32, 32, 3\).*got uint8 of shape \(5, 5, 3\)"):
        encoder.encode_images([np.zeros((5, 5, 3), np.uint8)])


# --- texts


def with_torch(encoder):
    """Encode more texts than torch is spared for."""
    texts = [f"dress {n}" for n in range(text_numpy.FEW + 1)]
    return encoder.encode_texts(texts).vectors


def without_torch(encoder):
    vectors = encoder.encode_texts(["dress"]).vectors
    assert encoder._loaded is None
    return vectors


def test_text_vectors_equal_open_clips(clip, encoder):
    import open_clip
    import torch

    model = open_clip.create_model(f"local-dir:{clip}").eval()
    with torch.no_grad():
        rows = open_clip.get_tokenizer(f"local-dir:{clip}")(TEXTS)
        wanted = model.encode_text(rows, normalize=True).numpy()
    got = encoder.encode_texts(TEXTS)
    np.testing.assert_allclose(got.vectors, wanted, atol=1e-6)
    assert got.windows.tolist() == [1, 1, 1]


def test_a_long_text_is_the_mean_of_its_windows(clip, encoder):
    import open_clip
    import torch

    model = open_clip.create_model(f"local-dir:{clip}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{clip}")
    ids = tokenizer.encode(LONG)
    count = -(-len(ids) // 14)  # 16 places, two of them for start and end
    cuts = [len(ids) * part // count for part in range(count + 1)]
    rows = torch.zeros(count, 16, dtype=torch.long)
    for row, start, stop in zip(rows, cuts, cuts[1:], strict=False):
        row[: stop - start + 2] = torch.tensor(
            [tokenizer.sot_token_id, *ids[start:stop], tokenizer.eot_token_id]
        )
    with torch.no_grad():
        mean = model.encode_text(rows, normalize=True).numpy().mean(axis=0)
    got = encoder.encode_texts([TEXTS[0], LONG])
    assert got.windows.tolist() == [1, count]
    np.testing.assert_allclose(got.vectors[1], mean / np.linalg.norm(mean), atol=1e-6)


def test_texts_keep_their_order_and_ignore_their_neighbours(encoder, monkeypatch):
    texts = [LONG, *TEXTS, "x", LONG[:60], *TEXTS]
    model = encoder._model()
    monkeypatch.setattr(model, "_tokens_at_once", 40)  # several batches of mixed lengths
    together = model.encode_texts(texts)
    alone = [model.encode_texts([text]) for text in texts]
    np.testing.assert_allclose(together.vectors, [text.vectors[0] for text in alone], atol=1e-6)
    assert together.windows.tolist() == [text.windows[0] for text in alone]


OURS = tokens.BytePairs()
WORDS = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("aaeiotsr   ''<>&;-_\u00e9\ufb01\t")),
    max_size=40,
)


@given(WORDS)
@example("Women&amp;#39;s <B>10%</B> \u017fize")
@example("<end_of_text> sch\u00c3\u00b6n")
@settings(max_examples=300, deadline=None)
def test_byte_pairs_without_torch_are_open_clips(text):
    import open_clip

    theirs = open_clip.tokenizer._tokenizer
    special = set(theirs.all_special_ids)
    assert OURS.encode(text) == [token for token in theirs.encode(text) if token not in special]


@pytest.mark.parametrize("custom", [False, True])
def test_a_few_texts_are_encoded_alike_with_and_without_torch(tmp_path, custom):
    model = encoder_folders.CLIP | {"embed_dim": 24, "custom_text": custom}
    model["text_cfg"] = model["text_cfg"] | {"layers": 3, "heads": 4}
    folder = encoder_folders.write_clip(tmp_path / "clip", half=True, model=model)
    encoder = resolve(f"local-dir:{folder}", **SINGLE)
    texts = [*TEXTS, LONG, "Женское платье 名前 👗", "50% OFF!!! <b>it's</b>", "x", "?", LONG[:70]]
    texts += [f"{colour} {n} {text}" for n, colour in enumerate(("red", "navy")) for text in TEXTS]
    texts += [f"number {n} of a size {7 * n}" for n in range(100)]  # several batches of one length
    few = encoder.encode_texts(texts)
    assert encoder._loaded is None
    torch = encoder._model().encode_texts(texts)
    np.testing.assert_allclose(few.vectors, torch.vectors, atol=1e-5)
    assert few.windows.tolist() == torch.windows.tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"no_causal_mask": True},
        {"pool_type": "last"},
        {"proj_bias": True},
        {"qk_norm": True},
        {"norm_kwargs": {"eps": 1e-6}},
        {"tokenizer_kwargs": {"clean": "canonicalize"}},
        {"layers": 2},
    ],
)
def test_another_text_tower_is_left_to_torch(clip, broken, change):
    assert text_numpy.fits(resolve(f"local-dir:{clip}").files)
    edit_config(broken, lambda config: config["model_cfg"]["text_cfg"].update(change))
    assert not text_numpy.fits(resolve(f"local-dir:{broken}").files)


def test_a_title_that_spells_the_end_token_does_not_end_there(encoder):
    spelt, plain, cut = encoder.encode_texts(
        ["red <end_of_text> dress", "red dress", "red"]
    ).vectors
    assert spelt @ plain > 0.999999 > spelt @ cut


def test_an_empty_text_is_refused(encoder):
    with pytest.raises(ValueError, match="empty text"):
        encoder.encode_texts(["dress", ""])


def test_siglip_speaks_through_its_own_tokenizer(siglip):
    """open_clip#716, #903: SigLIP with another tokenizer or context gives quiet nonsense."""
    import open_clip
    import torch

    encoder = resolve(f"local-dir:{siglip}", **SINGLE)
    long = "a red dress with long sleeves and pockets in cotton"
    got = encoder.encode_texts(["A red, dress!", long])
    assert got.windows.tolist() == [1, 2]  # seven words and an end fit in eight places
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{siglip}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{siglip}")
    with torch.no_grad():
        texts = model.eval().encode_text(tokenizer(["a red dress"]), normalize=True).numpy()
        images = model.encode_image(transform(pictures()[0])[None], normalize=True).numpy()
    np.testing.assert_allclose(got.vectors[:1], texts, atol=1e-6)
    pixels = encoder.prepare(pictures()[0])
    np.testing.assert_allclose(encoder.encode_images([pixels]), images, atol=1e-6)


# --- forms of weights


def test_half_precision_weights_are_computed_in_single(tmp_path, encoder):
    folder = encoder_folders.write_clip(tmp_path / "half", half=True)
    half = resolve(f"local-dir:{folder}", **SINGLE)
    pixels = [encoder.prepare(picture) for picture in pictures()]
    got = half.encode_images(pixels)
    assert got.dtype == np.float32
    assert (got * encoder.encode_images(pixels)).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_a_clip_of_transformers_gives_the_vectors_of_transformers(tmp_path, activation):
    """What FashionCLIP 2.0 is published as (`fashion-clip-2`)."""
    import torch

    model = encoder_folders.write_transformers_clip(tmp_path / "theirs", activation)
    encoder = resolve(f"local-dir:{tmp_path / 'theirs'}", **SINGLE)
    pixels = encoder.prepare(pictures()[2])
    mean, std = (np.array(encoder_folders.PREPROCESS[key]) for key in ("mean", "std"))
    values = torch.tensor(((pixels / 255 - mean) / std).transpose(2, 0, 1), dtype=torch.float32)
    ids = torch.tensor([[49406, 320, 736, 2595, 49407]])  # a red dress
    with torch.no_grad():
        wanted = model(input_ids=ids, pixel_values=values[None])
    np.testing.assert_allclose(
        encoder.encode_images([pixels]), wanted.image_embeds.numpy(), atol=1e-6
    )
    np.testing.assert_allclose(
        encoder.encode_texts(["a red dress"]).vectors, wanted.text_embeds.numpy(), atol=1e-6
    )


def test_pickled_weights_need_a_word_of_trust(broken, encoder):
    import torch
    from safetensors.torch import load_file

    weights = broken / "open_clip_model.safetensors"
    torch.save(load_file(weights), broken / "open_clip_pytorch_model.bin")
    weights.unlink()
    with pytest.raises(ModelError, match="--allow-pickle") as error:
        resolve(f"local-dir:{broken}")
    sentence(error)
    trusted = resolve(f"local-dir:{broken}", **SINGLE, allow_pickle=True)
    np.testing.assert_allclose(
        trusted.encode_texts(TEXTS).vectors, encoder.encode_texts(TEXTS).vectors, atol=1e-6
    )


class Malice:
    def __reduce__(self):
        return os.mkdir, ("was-run",)


def test_even_a_trusted_pickle_runs_no_code(broken, tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    (broken / "open_clip_model.safetensors").unlink()
    torch.save({"visual.proj": Malice()}, broken / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError) as error:
        resolve(f"local-dir:{broken}", allow_pickle=True).encode_texts(["dress"])
    sentence(error)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.slow
def test_a_full_size_vit_b_32_from_a_folder(tmp_path):
    model = json.loads(registry._architectures()["ViT-B-32"].read_text())
    folder = encoder_folders.write_clip(tmp_path / "vit-b-32", model=model)
    encoder = resolve(f"local-dir:{folder}", **SINGLE)
    assert (encoder.dim, encoder.image_size) == (512, 224)
    vectors = encoder.encode_images([encoder.prepare(picture) for picture in pictures()])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert encoder.encode_texts([LONG]).windows.tolist() == [2]


# --- folders that are not what they should be


def lose(key: str, *path: str):
    def change(config):
        for step in path:
            config = config[step]
        del config[key]

    return change


def put(value, key: str, *path: str):
    def change(config):
        for step in path:
            config = config[step]
        config[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lose("model_cfg"), "no model_cfg"),
        (lose("text_cfg", "model_cfg"), "lacks text_cfg"),
        (lose("preprocess_cfg"), "mean and std"),  # open_clip#1068: would take OpenAI's
        (lose("mean", "preprocess_cfg"), "mean and std"),
        (put("area", "interpolation", "preprocess_cfg"), "interpolation"),
        (put(32000, "vocab_size", "model_cfg", "text_cfg"), "names no tokenizer"),  # open_clip#1118
        (put("acme/words", "hf_tokenizer_name", "model_cfg", "text_cfg"), "holds none of"),
        (put("hf_hub:acme/vit", "timm_model_name", "model_cfg", "vision_cfg"), "from elsewhere"),
    ],
)
def test_a_configuration_that_leaves_something_to_guess_is_an_error(broken, change, reason):
    edit_config(broken, change)
    with pytest.raises(ModelError, match=reason) as error:
        resolve(f"local-dir:{broken}")
    assert str(broken) in sentence(error)


@pytest.mark.parametrize(
    "change",
    [
        put(64, "image_size", "model_cfg", "vision_cfg"),  # open_clip would stretch the positions
        put(77, "context_length", "model_cfg", "text_cfg"),
        put(2, "layers", "model_cfg", "text_cfg"),
        put("nonsense", "activation", "model_cfg", "vision_cfg"),
    ],
)
def test_weights_that_do_not_fit_are_an_error(broken, change):
    edit_config(broken, change)
    with pytest.raises(ModelError, match=r"don't fit|don't belong") as error:
        with_torch(resolve(f"local-dir:{broken}", device="cpu"))
    sentence(error)


def test_missing_folder_files_and_halves(broken):
    weights, config = broken / "open_clip_model.safetensors", broken / "open_clip_config.json"
    whole = weights.read_bytes()

    def refused(reason: str, name: Path = broken) -> None:
        with pytest.raises(ModelError, match=reason) as error:
            resolve(f"local-dir:{name}")
        sentence(error)

    refused("does not exist", broken / "nowhere")
    weights.write_bytes(whole[: len(whole) // 2])
    refused("by half")
    for damaged in (b"", b"short", whole[:200], b"\xff" * 400, b"<html>not found</html>"):
        weights.write_bytes(damaged)
        refused("no whole safetensors")
    weights.unlink()
    refused("holds no weights")
    config.write_text("{")
    refused("JSON")
    config.write_text("[]")
    refused("no model_cfg")
    config.unlink()
    refused(r"holds no open_clip_config\.json")


def test_a_vector_that_is_no_number_is_an_error_and_not_a_tag(broken):
    from safetensors.torch import load_file, save_file

    path = broken / "open_clip_model.safetensors"
    state = load_file(path)
    state["visual.proj"][0, 0] = float("nan")
    save_file(state, path)
    encoder = resolve(f"local-dir:{broken}", device="cpu")
    with pytest.raises(ModelError, match="no usable vector for picture 0") as error:
        encoder.encode_images([encoder.prepare(picture) for picture in pictures()])
    sentence(error)


def test_self_test_vectors_are_checked_when_the_model_loads(broken, encoder):
    ramp = 4 * np.arange(64) % 256
    picture = np.stack(
        [np.tile(ramp, (64, 1)), np.tile(ramp[:, None], (1, 64)), np.full((64, 64), 128)], axis=-1
    )
    pixels = encoder.prepare(Image.fromarray(picture.astype(np.uint8)))
    texts = encoder.encode_texts(TEXTS).vectors
    wanted = {
        "texts": {text: vector.tolist() for text, vector in zip(TEXTS, texts, strict=True)},
        "image": {"recipe": "ramps", "vector": encoder.encode_images([pixels])[0].tolist()},
    }
    (broken / "selftest.json").write_text(json.dumps(wanted))
    for load in (with_torch, without_torch):
        load(resolve(f"local-dir:{broken}", device="cpu"))

    edit_config(broken, put([0.1, 0.1, 0.1], "mean", "preprocess_cfg"))
    without_torch(resolve(f"local-dir:{broken}", device="cpu"))  # the texts are as they were
    with pytest.raises(ModelError, match="its picture") as error:
        with_torch(resolve(f"local-dir:{broken}", device="cpu"))
    sentence(error)
    edit_config(broken, put(encoder_folders.PREPROCESS["mean"], "mean", "preprocess_cfg"))
    other = encoder_folders.write_clip(broken / "other", seed=1)
    shutil.copy(other / "open_clip_model.safetensors", broken)
    for load in (with_torch, without_torch):
        with pytest.raises(ModelError, match="fails its self-test"):
            load(resolve(f"local-dir:{broken}", device="cpu"))
    (broken / "selftest.json").write_text("{}")
    for load in (with_torch, without_torch):
        with pytest.raises(ModelError, match="no self-test") as error:
            load(resolve(f"local-dir:{broken}", device="cpu"))
        sentence(error)


# --- names and devices


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fashon-siglip", "did you mean fashion-siglip"),
        ("ViT-B-33/openai", "did you mean ViT-B-32/PRETRAINED"),
        ("ViT-B-32", "did you mean ViT-B-32/PRETRAINED"),
        ("acme/unheard-of", "hf-hub:acme/unheard-of"),
        ("whatever", "fashion-clip-2"),
        ("hf-hub:acme", "hf-hub:ORG/NAME"),
        ("hf-hub:../../etc", "hf-hub:ORG/NAME"),
        ("local-dir:", "local-dir:PATH"),
        (str(ROOT), "local-dir:"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(name, hint):
    with pytest.raises(UsageError, match=hint) as error:
        resolve(name)
    sentence(error)


def test_an_unknown_tag_suggests_the_nearest():
    with pytest.raises(UsageError, match="nearest is ViT-B-32/laion2b_s34b_b79k") as error:
        resolve("ViT-B-32/laion2b_s34b_b79")
    sentence(error)


def test_open_clips_names_take_preprocessing_and_activation_from_the_tag(clip, monkeypatch):
    """open_clip#771: ViT-B-32 with OpenAI's weights runs with the wrong activation, and warns."""
    asked = []

    def fetch(repo, weights, **options):
        asked.append((repo, weights, options["configured"]))
        return clip / "open_clip_model.safetensors"

    monkeypatch.setattr("fashiontag.encoders.hub.fetch", fetch)
    encoder = resolve("ViT-B-32/openai")
    assert encoder.files.config["model_cfg"]["quick_gelu"] is True
    assert (encoder.name, encoder.dim, encoder.image_size) == ("ViT-B-32/openai", 512, 224)
    assert resolve("ViT-B-32/laion2b_s34b_b79k").files.config["model_cfg"]["quick_gelu"] is False
    assert asked == [
        ("timm/vit_base_patch32_clip_224.openai", None, False),
        ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", None, False),
    ]


def test_every_name_of_open_clip_has_a_complete_configuration():
    """No guess is left for any of its pretrained models; the fingerprints of none are shared."""
    import open_clip

    from fashiontag.encoders import files

    for architecture, tag in open_clip.list_pretrained():
        repo, _, config = registry._builtin(f"{architecture}/{tag}")
        assert repo
        checked = files.checked_config(config, architecture)
        model = open_clip.get_model_config(architecture)
        assert checked["model_cfg"]["embed_dim"] == model["embed_dim"]


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "", "cuda:99", "mps:5"])
def test_an_unknown_or_absent_device_is_a_usage_error(clip, device):
    with pytest.raises(UsageError, match="device") as error:
        resolve(f"local-dir:{clip}", device=device).encode_texts(["dress"])
    sentence(error)


def test_every_device_that_is_named_encodes(clip):
    from fashiontag.encoders.devices import devices

    assert next(iter(devices())) == "cpu"
    for device in devices():
        vectors = resolve(f"local-dir:{clip}", device=device).encode_texts(TEXTS).vectors
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_known_models_say_size_licence_and_source():
    assert [model.name for model in KNOWN_MODELS][:1] == ["mini"]
    for model in KNOWN_MODELS:
        assert model.megabytes > 0
        assert model.licence in {"Apache-2.0", "MIT"}
        assert model.source == "embedded" or model.source.startswith("hf-hub:")
        assert f"{model.megabytes} MB, {model.licence}, {model.source}" in model.description


# --- the embedded model

MINI = registry.EMBEDDED_FOLDER
needs_mini = pytest.mark.skipif(
    not (MINI / "open_clip_model.safetensors").is_file(), reason="the embedded model is not here"
)


@needs_mini
def test_the_embedded_model_is_small_and_tests_itself():
    assert sum(path.stat().st_size for path in MINI.rglob("*") if path.is_file()) < 40e6
    assert (MINI / "selftest.json").is_file()
    encoder = resolve(device="cpu")
    assert (encoder.name, encoder.folder) == ("mini", MINI)
    assert encoder.encode_texts(["a red dress"]).vectors.shape == (1, encoder.dim)
    assert resolve("mini").fingerprint == encoder.fingerprint


@needs_mini
def test_the_embedded_model_is_an_ordinary_folder_of_open_clip():
    import open_clip
    import torch

    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{MINI}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{MINI}")
    encoder = resolve(**SINGLE)
    with torch.no_grad():
        texts = model.eval().encode_text(tokenizer(TEXTS), normalize=True).numpy()
        batch = torch.stack([transform(picture) for picture in pictures()])
        images = model.encode_image(batch, normalize=True).numpy()
    pixels = [encoder.prepare(picture) for picture in pictures()]
    np.testing.assert_allclose(encoder.encode_texts(TEXTS).vectors, texts, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_images(pixels), images, atol=1e-5)
