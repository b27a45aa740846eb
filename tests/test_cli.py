"""The command line as a user meets it, with the embedded model.

In this process, which has imported all that a command needs; where streams, signals or imports
matter, by a process of its own.
"""

import contextlib
import csv
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from commandline import call
from fakes import color_picture
from rich.text import Text

from fashiontag.cli import output

LABELS = """\
[groups.colour]
labels = ["red", "blue"]
[groups.material]
exclusive = false
visible = false
labels = ["silk", "wool"]
"""


def draw_shop(folder: Path) -> Path:
    for name in ("red", "green", "blue"):
        color_picture(folder / "shop" / f"{name}.png", name)
    (folder / "few.toml").write_text(LABELS)
    (folder / "titles.csv").write_text("image;title\nred.png;A red silk dress\n")
    return folder / "shop"


@pytest.fixture(scope="module")
def warm(tmp_path_factory) -> Path:
    """Return a workspace that holds all vectors."""
    folder = tmp_path_factory.mktemp("warm")
    shop = draw_shop(folder)
    call(*tag(shop), "--titles", "titles.csv", cwd=folder)
    call("search", "red", cwd=folder)
    return folder / ".fashiontag"


@pytest.fixture
def shop(tmp_path, warm) -> Path:
    shutil.copytree(warm, tmp_path / ".fashiontag")
    (tmp_path / ".fashiontag/index.sqlite").unlink()
    return draw_shop(tmp_path)


def tag(shop: Path | str) -> tuple[object, ...]:
    return ("tag", shop, "--labels", "few.toml")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "fashiontag", *map(str, arguments)]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tag_then_search(shop, tmp_path) -> None:
    done = call(*tag(shop), "--titles", "titles.csv", cwd=tmp_path)
    assert "3 items, 0 errors, 0 newly encoded" in done.stdout
    table = rows(tmp_path / "tags.csv")
    assert [row["id"] for row in table] == ["blue.png", "green.png", "red.png"]
    assert table[2]["material"] == "silk"
    found = call("search", "red", "--json", cwd=tmp_path)
    assert len(json.loads(found.stdout)["hits"]) == 3
    only = call("search", "red", "--where", "material = silk", "--paths", cwd=tmp_path)
    assert only.stdout.splitlines() == [str(shop / "red.png")]


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_terminal_shows_pictures(shop, tmp_path) -> None:
    import pty
    import termios

    call(*tag(shop), cwd=tmp_path)
    search = ("search", "red", "--pictures", "-k", "1")
    piped = call(*search, cwd=tmp_path)
    assert "no terminal" in piped.stderr
    assert "▀" not in piped.stdout
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 120))
    terminal = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "120"}
    terminal.pop("NO_COLOR", None)
    with subprocess.Popen(
        command(*search), cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, env=terminal
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # of a terminal that nobody writes to any more
            while part := os.read(ours, 2**16):
                shown += part
        os.close(ours)
    assert process.returncode == 0, shown.decode()
    assert "▀".encode() in shown
    (best,) = json.loads(call("search", "red", "-k", "1", "--json", cwd=tmp_path).stdout)["hits"]
    colour = {"red.png": b"255;0;0", "green.png": b"0;255;0", "blue.png": b"0;0;255"}[best["id"]]
    assert colour in shown


def test_pictures_without_their_library_say_what_to_install(shop, tmp_path) -> None:
    call(*tag(shop), cwd=tmp_path)
    (tmp_path / "textual_image.py").write_text("raise ImportError\n")
    done = printed("search", "red", "--pictures", cwd=tmp_path, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert b"fashiontag[pictures]" in done.stderr


def test_a_repeated_run_writes_the_same_bytes(shop, tmp_path) -> None:
    outputs = []
    for _ in range(2):
        call(*tag(shop), "--out", "t.jsonl", "--scores", cwd=tmp_path)
        outputs.append((tmp_path / "t.jsonl").read_bytes())
    assert outputs[0] == outputs[1]


def test_a_run_with_nothing_to_do_says_so(shop, tmp_path) -> None:
    long_ago = time.time() - 60  # what has just been written is looked at again
    for picture in shop.iterdir():
        os.utime(picture, (long_ago, long_ago))
    call(*tag(shop), cwd=tmp_path)
    stamp = (tmp_path / "tags.csv").stat()
    assert "nothing changed" in call(*tag(shop), cwd=tmp_path).stdout
    told = json.loads(call(*tag(shop), "--json", cwd=tmp_path).stdout)
    assert (told["unchanged"], told["items"], told["encoded"]) == (True, 3, 0)
    assert (tmp_path / "tags.csv").stat() == stamp


def test_stdout_is_csv_and_nothing_else(shop, tmp_path) -> None:
    done = call(*tag(shop), "--out", "-", cwd=tmp_path)
    table = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["status"] for row in table] == ["ok"] * 3
    assert "3 items" in done.stderr


def test_json_is_one_document(shop, tmp_path) -> None:
    (shop / "empty.png").touch()
    done = call(*tag(shop), "--json", cwd=tmp_path)
    summary = json.loads(done.stdout)
    assert (summary["items"], summary["ok"], summary["errors"]) == (4, 3, 1)
    assert summary["reasons"] == {"empty file": 1}
    assert summary["probabilities"] is True  # fitted for the embedded model


def test_strict_fails_on_an_unreadable_picture(shop, tmp_path) -> None:
    (shop / "empty.png").touch()
    call(*tag(shop), "--strict", cwd=tmp_path, code=1)
    assert len(rows(tmp_path / "tags.csv")) == 4


def test_a_report_is_one_file_with_inert_titles(shop, tmp_path) -> None:
    title = "<i>A</i> red silk dress"  # without markup it is a title that is encoded already
    (tmp_path / "t.csv").write_text(f'image,title\nred.png,"{title}"\n')
    call(*tag(shop), "--titles", "t.csv", "--html", "r.html", cwd=tmp_path)
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "<i>A" not in page
    assert "/9j/" in page, "no JPEG thumbnail in the page"


MISUSE = {
    "unknown option": (("tag", "shop", "--colour"), 2, "--colour"),
    "missing source": (("tag", "nowhere"), 2, "nowhere"),
    "unknown label file": (("tag", "shop", "--labels", "fashon"), 2, "fashion"),
    "unknown model": (("tag", "shop", "--model", "fashion-siglib"), 2, "fashion-siglip"),
    "missing model folder": (("tag", "shop", "--model", "local-dir:nowhere"), 1, "nowhere"),
    "unknown title column": (
        ("tag", "shop", "--titles", "t.csv", "--title-column", "nom"),
        2,
        "nom",
    ),
    "missing titles": (("tag", "shop", "--titles", "none.csv"), 2, "none.csv"),
    "empty folder": (("tag", "void"), 1, "void"),
    "unreadable table": (("tag", "shop", "--titles", "void.csv"), 1, "void.csv"),
    "unknown output format": (("tag", "shop", "--out", "tags.doc"), 2, ".parquet"),
    "unwritable output": (("tag", "shop", "--out", "none/tags.csv"), 1, "none/tags.csv"),
    "output over a picture": (("tag", "shop", "--html", "shop/red.png"), 2, "red.png"),
    "output over the titles": (("tag", "shop", "--titles", "t.csv", "--out", "t.csv"), 2, "t.csv"),
    "two outputs in one file": (("tag", "shop", "--out", "x.csv", "--html", "x.csv"), 2, "x.csv"),
    "scores without a place": (("tag", "shop", "--scores"), 2, ".jsonl"),
    "workspace that is a file": (("tag", "shop", "--workspace", "t.csv"), 1, "t.csv"),
    "bad device": (("tag", "shop", "--device", "gpu"), 2, "cuda"),
    "bad precision": (("tag", "shop", "--precision", "int8"), 2, "bf16"),
    "search without index": (("search", "dress"), 1, "fashiontag tag"),
    "search for nothing": (("search",), 2, "words"),
    "search for blanks": (("search", "  "), 2, "words"),
    "two kinds of output": (("search", "dress", "--paths", "--json"), 2, "--paths and --json"),
    "pictures for a program": (("search", "dress", "--pictures", "--json"), 2, "--pictures"),
    "styles of photos": (("duplicates", "--photos-only", "--min-score", ".9"), 2, "--min-score"),
    "paths in a document": (("duplicates", "--paths", "--json"), 2, "--paths and --json"),
    "status of a source": (("index", "--status", "shop"), 2, "SOURCE"),
    "an object store": (("tag", "ftp://host/shop/"), 2, "ftp://"),
    "index nothing": (("index", ""), 2, "SOURCE"),
    "label file that breaks a rule": (("labels", "bad.toml"), 1, "bad.toml"),
}


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".fashiontag")


@pytest.mark.parametrize(("arguments", "code", "said"), MISUSE.values(), ids=MISUSE)
def test_misuse_gets_one_sentence_and_leaves_nothing(arguments, code, said, shop, tmp_path) -> None:
    (tmp_path / "void").mkdir()
    (tmp_path / "void.csv").touch()
    (tmp_path / "t.csv").write_text("image,title\nred.png,Red\n")
    (tmp_path / "bad.toml").write_text("[groups.a]\nlabels = ['x', 'x']\n")
    before = visible(tmp_path)
    done = call(*arguments, cwd=tmp_path, code=code)
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith("error: ")
    assert said in sentence
    assert visible(tmp_path) == before


def test_ctrl_c_says_how_to_go_on(tmp_path) -> None:
    (tmp_path / "few.toml").write_text(LABELS)
    for number in range(400):
        color_picture(tmp_path / f"shop/{number:03}.png", (number % 256, number // 2, 9))
    with subprocess.Popen(
        command(*tag("shop"), "--batch-size", 1),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        vectors = tmp_path / ".fashiontag/vectors"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not any(
            path.stat().st_size for path in vectors.glob("*")
        ):
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the run was done before it could be interrupted")
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert not (tmp_path / "tags.csv").exists()
    call(*tag("shop"), cwd=tmp_path)
    assert len(rows(tmp_path / "tags.csv")) == 400


def test_an_interrupt_that_python_dropped_still_stops_the_run(monkeypatch) -> None:
    monkeypatch.setattr(output, "interrupted", threading.Event())
    with output.progress("Tagging", 2) as advance:
        advance(1)
        output.interrupted.set()
        with pytest.raises(KeyboardInterrupt):
            advance(1)


def test_labels_and_version_answer() -> None:
    shown = call("labels", "fashion-products", cwd=Path.cwd())
    assert "articleType" in shown.stdout
    assert call("--version", cwd=Path.cwd()).stdout.startswith("fashiontag 0.")


def test_a_search_by_words_waits_for_no_picture_and_no_page(shop, tmp_path) -> None:
    call(*tag(shop), cwd=tmp_path)
    code = """
import sys
from fashiontag.cli import run
run(["search", "red", "--no-daemon"], debug=True)
print([name for name in ("PIL", "jinja2", "faiss", "sklearn") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_offline_is_known_before_a_data_set_is_looked_for(tmp_path) -> None:
    code = """
import os, sys
from fashiontag import catalog
def look(*_): print(os.environ.get("HF_HUB_OFFLINE")); sys.exit(0)
catalog.read_catalog = look
from fashiontag.cli import run
run(["tag", "hf:some/data", "--offline"], debug=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr


def test_no_command_shows_what_there_is(tmp_path) -> None:
    assert call(cwd=tmp_path).stdout == call("--help", cwd=tmp_path).stdout


def test_quiet_says_nothing_but_results_and_warnings(shop, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("image,title\nred.png,Red\nnone.png,Blue\n")
    done = call(*tag(shop), "--titles", "t.csv", "--quiet", cwd=tmp_path)
    assert done.stdout == ""
    assert done.stderr.startswith("warning:")
    assert call("search", "red", "-q", "--paths", cwd=tmp_path).stdout.count(".png") == 3


def test_shells_complete_commands_and_their_options(tmp_path) -> None:
    def complete(words: str) -> str:
        asked = {"_FASHIONTAG_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "1"}
        asked["COMP_CWORD"] = str(len(words.split()) - (not words.endswith(" ")))
        done = subprocess.run(
            command(), cwd=tmp_path, capture_output=True, text=True, env=os.environ | asked
        )
        return done.stdout

    assert "probe-train" in complete("fashiontag probe-").split()
    assert "--titles" in complete("fashiontag tag --ti").split()
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # CI is started by no shell
    shown = subprocess.run(
        command("--show-completion", "bash"), capture_output=True, text=True, env=os.environ | told
    )
    assert "_FASHIONTAG_COMPLETE=complete_bash" in shown.stdout


def test_debug_shows_where(tmp_path) -> None:
    done = subprocess.run(
        command("tag", "nowhere", "--debug"), cwd=tmp_path, capture_output=True, text=True
    )
    assert "Traceback" in done.stderr


def test_doctor_names_versions_and_devices(tmp_path) -> None:
    facts = json.loads(call("doctor", "--json", cwd=tmp_path).stdout)
    assert facts["libraries"]["torch"]
    assert facts["embedded model"]["pictures by"].startswith("ONNX Runtime")
    assert facts["devices"]["cpu"].endswith(("computes in fp32", "computes in bf16"))
    assert facts["faiss"]["active"]
    assert not list(tmp_path.iterdir())


# -- streams and folders that aren't as usual -----------------------------------------------------


def printed(*arguments: object, cwd: Path, **options) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | options.pop("env", {})
    return subprocess.run(command(*arguments), cwd=cwd, env=environment, **options)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_stream_that_is_no_utf8_gets_what_it_can_show(shop, tmp_path, encoding) -> None:
    (tmp_path / "titles.csv").write_text("image;title\nred.png;A red dress ♥ é\n", "utf-8")
    told = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for arguments in (
        (*tag(shop), "--titles", "titles.csv"),
        ("search", "red"),
        ("search", "red ♥", "--json"),
    ):
        done = printed(*arguments, cwd=tmp_path, env=told, capture_output=True)
        assert done.returncode == 0, done.stderr
        assert b"red" in done.stdout
    hits = json.loads(done.stdout.decode(encoding))["hits"]
    assert any(hit["title"] == "A red dress ♥ é" for hit in hits)  # JSON loses nothing


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_run_whose_table_is_written_never_fails_for_its_summary(shop, tmp_path, as_json) -> None:
    extra = ["--json"] if as_json else []
    with Path("/dev/full").open("w") as full:
        done = printed(*tag(shop), *extra, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr
        assert b"the summary couldn't be shown (No space left on device)" in done.stderr
        assert len(rows(tmp_path / "tags.csv")) == 3
        done = printed("search", "red", cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: can't write to standard output")


def test_a_closed_standard_output_costs_no_table(shop, tmp_path) -> None:
    closed = " ".join(map(shlex.quote, command(*tag(shop)))) + " >&-"
    assert subprocess.run(["sh", "-c", closed], cwd=tmp_path, check=False).returncode == 0
    assert len(rows(tmp_path / "tags.csv")) == 3


@pytest.mark.parametrize(
    "control", ["\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "\u202e", "\x08\x7f"]
)
def test_control_characters_never_reach_a_terminal(control) -> None:
    shown = io.StringIO()
    console = output.Console(file=shown, force_terminal=True, width=60, color_system=None)
    table = output.empty_table("title")
    table.add_row(Text(f"red{control}dress"))
    console.print(table)
    console.print(f"told{control}", markup=False, soft_wrap=True)
    assert not {*control} & {*"\x1b\x07\x08\x7f\x9b\u202e"} & {*shown.getvalue()}
    assert "red" in shown.getvalue()


def test_an_error_that_names_a_file_shows_no_control_characters(tmp_path) -> None:
    done = call("tag", "no\x1bsuch", cwd=tmp_path, code=2)
    assert "nosuch" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes")
@pytest.mark.parametrize("name", [b"caf\xe9.png", b"two\nlines.png", b"\xff\xfe.png"])
def test_paths_are_the_names_on_disk_and_may_end_in_nul(shop, tmp_path, name) -> None:
    try:
        shutil.copy(shop / "red.png", os.fsencode(shop) + b"/" + name)
    except OSError:
        pytest.skip("this file system takes no such name")
    call(*tag(shop), cwd=tmp_path)
    done = printed("search", "red", "--no-fold", "--paths", "-0", cwd=tmp_path, capture_output=True)
    paths = done.stdout.split(b"\0")
    assert os.fsencode(shop) + b"/" + name in paths
    assert paths.pop() == b""
    assert all(map(os.path.exists, paths))


@pytest.mark.skipif(os.name != "posix", reason="a folder in use can't be deleted elsewhere")
@pytest.mark.parametrize("arguments", [("search", "red"), ("tag", "."), ("store",)])
def test_a_folder_that_was_deleted_meanwhile_is_one_sentence(tmp_path, arguments) -> None:
    (tmp_path / "gone").mkdir()
    script = f"rmdir ../gone; {' '.join(map(shlex.quote, command(*arguments)))}"
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path / "gone", capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: The folder that this runs in")


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (("stoer",), "? See: fashiontag --help"),
        (("tag", "x", "--nope"), ". See: fashiontag tag"),
    ],
)
def test_a_question_ends_in_its_own_sign(tmp_path, arguments, end) -> None:
    stderr = call(*arguments, cwd=tmp_path, code=2).stderr
    assert end in stderr or "? See:" in stderr
    assert "?." not in stderr
    assert ".." not in stderr
