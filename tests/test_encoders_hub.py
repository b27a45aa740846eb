"""Models of the hub, against a stand-in on loopback: nothing here touches a network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import encoder_folders
import hub_standin
import pytest

ROOT = Path(__file__).parent.parent

# What the command line does with a model, and how long it takes beyond the imports.
PROGRAM = """
import json, sys, time
import huggingface_hub
huggingface_hub.hf_hub_download
from fashiontag.encoders import resolve
from fashiontag.errors import FashiontagError
name, offline, allow_pickle = json.loads(sys.argv[1])
announced, began = [], time.perf_counter()
try:
    encoder = resolve(name, device="cpu", offline=offline, allow_pickle=allow_pickle,
                      announce=announced.append)
    out = {"name": encoder.name, "fingerprint": encoder.fingerprint}
    out["seconds"] = time.perf_counter() - began
except FashiontagError as error:
    out = {"error": str(error), "code": error.exit_code, "seconds": time.perf_counter() - began}
print(json.dumps(out | {"announced": announced, "torch": "torch" in sys.modules}))
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> dict[str, Path]:
    """The repositories of a hub."""
    top = tmp_path_factory.mktemp("hub")
    clip = encoder_folders.write_clip(top / "clip")
    pickled = Path(shutil.copytree(clip, top / "pickled"))
    (pickled / "open_clip_model.safetensors").rename(pickled / "open_clip_pytorch_model.bin")
    siglip = encoder_folders.write_siglip(top / "siglip")
    for part in ("tokenizer.json", "tokenizer_config.json"):
        (siglip / part).unlink()
    words = encoder_folders.write_tokenizer(top / "words")
    (top / "empty").mkdir()
    return {
        "acme/clip": clip,
        "acme/pickled": pickled,
        "acme/siglip": siglip,
        "acme/words": words,
        "acme/empty": top / "empty",
    }


def ask(name: str, endpoint: str, home: Path, *, offline=False, allow_pickle=False) -> dict:
    environment = {
        key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")
    }
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PYTHONPATH": str(ROOT)}
    argument = json.dumps([name, offline, allow_pickle])
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, argument], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    answer = json.loads(run.stdout)
    if "error" in answer:
        assert "\n" not in answer["error"]
        assert answer["error"].endswith(".")
        assert answer["seconds"] < 5
    return answer


def test_a_model_is_announced_fetched_once_and_then_used_without_the_network(shelf, tmp_path):
    with hub_standin.serve(shelf, licence="apache-2.0") as hub:
        first = ask("hf-hub:acme/clip", hub.url, tmp_path)
        (announced,) = first["announced"]
        megabytes = (shelf["acme/clip"] / "open_clip_model.safetensors").stat().st_size / 1e6
        assert f"{megabytes:,.0f} MB" in announced
        assert "apache-2.0" in announced
        assert any(line.startswith("GET") and "safetensors" in line for line in hub.asked)
        hub.asked.clear()
        offline = ask("hf-hub:acme/clip", hub.url, tmp_path, offline=True)
        online = ask("hf-hub:acme/clip", hub.url, tmp_path)
        assert hub.asked == []
    assert offline["announced"] == online["announced"] == []
    assert first["fingerprint"] == offline["fingerprint"] == online["fingerprint"]
    assert not first["torch"]
    from fashiontag.encoders import resolve

    assert first["fingerprint"] == resolve(f"local-dir:{shelf['acme/clip']}").fingerprint


def test_a_tokenizer_of_another_repository_comes_along(shelf, tmp_path, monkeypatch):
    with hub_standin.serve(shelf) as hub:
        first = ask("hf-hub:acme/siglip", hub.url, tmp_path)
        assert len(first["announced"]) == 2
        assert "acme/words" in first["announced"][1]

    def refuse(*args, **kwargs):
        raise AssertionError("loading asked the network")

    from huggingface_hub import constants

    from fashiontag.encoders import resolve

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    encoder = resolve("hf-hub:acme/siglip", device="cpu")
    assert encoder.fingerprint == first["fingerprint"]
    assert encoder.encode_texts(["a red dress"]).windows.tolist() == [1]


def test_what_another_tool_has_cached_is_completed(shelf, tmp_path):
    folder = tmp_path / "hub" / "models--acme--clip"
    snapshot = folder / "snapshots" / hub_standin.COMMIT
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(hub_standin.COMMIT)
    (snapshot / "config.json").write_text('{"model_type": "clip"}')
    shutil.copy(shelf["acme/clip"] / "open_clip_model.safetensors", snapshot)
    with hub_standin.serve(shelf) as hub:
        assert "--offline" in ask("hf-hub:acme/clip", hub.url, tmp_path, offline=True)["error"]
        assert "fingerprint" in ask("hf-hub:acme/clip", hub.url, tmp_path)


def test_pickled_weights_are_refused_before_they_are_fetched(shelf, tmp_path):
    with hub_standin.serve(shelf) as hub:
        answer = ask("hf-hub:acme/pickled", hub.url, tmp_path)
        assert "--allow-pickle" in answer["error"]
        assert not any("GET" in line and "resolve" in line for line in hub.asked)
        assert "fingerprint" in ask("hf-hub:acme/pickled", hub.url, tmp_path, allow_pickle=True)
        # What was fetched with trust is not used without.
        assert "--allow-pickle" in ask("hf-hub:acme/pickled", hub.url, tmp_path)["error"]


def test_what_the_hub_does_not_have_is_one_sentence(shelf, tmp_path):
    with hub_standin.serve(shelf) as hub:
        answer = ask("hf-hub:acme/nothing", hub.url, tmp_path)
        assert "not on the hub" in answer["error"]
        assert answer["code"] == 1
        answer = ask("hf-hub:acme/empty", hub.url, tmp_path)
        assert "no open_clip_config.json" in answer["error"]


def test_no_network_is_one_sentence_in_time(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    answer = ask("fashion-siglip", f"http://127.0.0.1:{port}", tmp_path)
    assert "check the network" in answer["error"]
    assert "local-dir:" in answer["error"]


def test_a_hub_that_accepts_and_never_answers_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = ask("fashion-clip", f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path)
    assert "could not be fetched" in answer["error"]


def test_offline_asks_nobody(shelf, tmp_path):
    with hub_standin.serve(shelf) as hub:
        began = time.perf_counter()
        answer = ask("hf-hub:acme/clip", hub.url, tmp_path, offline=True)
        assert "--offline" in answer["error"]
        assert hub.asked == []
        assert time.perf_counter() - began < 60


def test_safetensors_that_are_asked_for_by_name_are_no_pickle(shelf, monkeypatch):
    from fashiontag.encoders import hub
    from fashiontag.encoders.files import Access

    weights = shelf["acme/clip"] / "open_clip_model.safetensors"
    monkeypatch.setattr(hub, "cached", lambda *_, **__: None)
    monkeypatch.setattr(hub._Hub, "size", lambda *_: 5)
    monkeypatch.setattr(hub._Hub, "licence", lambda _: "MIT")
    monkeypatch.setattr(hub._Hub, "download", lambda _, parts: shelf["acme/clip"] / parts[-1])
    fetched = hub.fetch("acme/clip", weights.name, name="acme", configured=False, access=Access())
    assert fetched == weights
