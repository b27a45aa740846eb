"""The process that a search leaves behind: same answers, sooner; and its manners."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from fakes import color_picture

from fashiontag import daemon

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sockets in folders are POSIX")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace beside a folder of two pictures."""
    folder = tmp_path_factory.mktemp("shop")
    for color in ("red", "blue"):
        color_picture(folder / "shop" / f"{color}.png", color)
    run(folder, "index", "shop")
    return folder


@pytest.fixture
def here(monkeypatch):
    """A folder for sockets, short enough to be an address, and its processes ended."""
    folder = tempfile.mkdtemp(dir="/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    monkeypatch.setenv(daemon.SWITCH, "1")
    yield Path(folder)
    for process in processes(folder):
        os.kill(process, signal.SIGKILL)
    shutil.rmtree(folder)


def processes(folder):
    """Find the processes that were started with this folder for their sockets."""
    marked = f"XDG_RUNTIME_DIR={folder}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
            if b"fashiontag.cli.warm" in words and marked in (place / "environ").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def run(folder, *arguments, **given):
    return subprocess.run(
        [sys.executable, "-m", "fashiontag", *arguments],
        cwd=folder, capture_output=True, text=True, **given,
    )  # fmt: skip


def alive(here):
    for _ in range(200):
        if sockets := [p for p in here.glob("*/*") if p.is_socket()]:
            return sockets[0]
        time.sleep(0.05)
    raise AssertionError("no process is listening")


def the_process(here):
    """Wait until one is listening, and any that found it there has gone again."""
    alive(here)
    for _ in range(200):
        if len(found := processes(here)) == 1:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"{found} are there")


linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


@linux
def test_the_second_search_is_answered_by_what_the_first_left_behind(shop, here):
    first = run(shop, "search", "red", "--json")
    assert alive(here).stat().st_mode & 0o777 == 0o600
    assert alive(here).parent.stat().st_mode & 0o777 == 0o700
    process = the_process(here)
    asked = ("search", "red", "--json", "--workspace", ".fashiontag")
    second = run(shop, *asked)
    assert (second.stdout, second.returncode) == (first.stdout, 0)
    os.kill(process, signal.SIGSTOP)  # an answer now can't be its own
    alone = run(shop, *asked, "--no-daemon")
    assert alone.stdout == first.stdout
    os.kill(process, signal.SIGCONT)
    assert the_process(here) == process  # and nobody started another
    assert run(shop, "search", "blue").stdout.count(".png") == 2
    wrong = run(shop, "search", "red", "--where", "a =")
    assert (wrong.returncode, wrong.stderr.startswith("error: --where")) == (2, True)
    assert json.loads(run(shop.parent, "search", "x", "--json", "--workspace",
                          str(shop / ".fashiontag")).stdout)["hits"]  # fmt: skip


@linux
def test_it_has_its_own_session_no_streams_no_folder_and_no_lock(shop, here):
    run(shop, "search", "red")
    process = the_process(here)
    run(shop, "search", "blue")
    assert os.getsid(process) == process
    facts = Path(f"/proc/{process}")
    assert [str((facts / "fd" / name).readlink()) for name in "012"] == ["/dev/null"] * 3
    assert str((facts / "cwd").readlink()) == "/"
    held = [str(path.readlink()) for path in (facts / "fd").iterdir()]
    assert not [path for path in held if str(shop / ".fashiontag") in path]


@linux
def test_a_killed_one_is_replaced(shop, here):
    run(shop, "search", "red")
    killed = the_process(here)
    os.kill(killed, signal.SIGKILL)
    assert run(shop, "search", "red", "--json").returncode == 0
    assert the_process(here) != killed
    assert run(shop, "search", "red", "--json").returncode == 0


def test_idleness_ends_it(shop, here):
    code = "from fashiontag.cli.warm import serve; serve('local-dir:nowhere', idle=0.2)"
    assert run(shop, "search", "red", "--no-daemon").returncode == 0
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert time.monotonic() - started < 30
    assert not [path for path in here.glob("*/*") if path.is_socket()]


def test_nobody_else_may_enter_the_folder(here):
    folder = Path(daemon.address()).parent
    folder.chmod(0o755)
    with pytest.raises(PermissionError):
        daemon.address()
    folder.rmdir()
    folder.symlink_to("/tmp")
    with pytest.raises(PermissionError):
        daemon.address()
    folder.unlink()


def test_what_concerns_the_model_stays_here(here, monkeypatch):
    monkeypatch.setattr(daemon, "address", lambda: pytest.fail("somebody was asked"))
    for arguments in (
        ["tag", "shop"], ["search", "x", "--model", "y"], ["search", "x", "--model=y"],
        ["search", "x", "--no-daemon"], ["search", "--help"], ["search", "-h"], [],
    ):  # fmt: skip
        assert daemon.ask(arguments) is None
    monkeypatch.setenv(daemon.SWITCH, "0")
    assert daemon.ask(["search", "x"]) is None


def test_a_command_line_becomes_a_question_or_is_left_alone():
    def asked(*arguments):
        told = daemon.question(arguments)
        if told is not None:
            del told["folder"], told["terminals"], told["environment"]
        return told

    assert asked("red dress") == {"words": "red dress", "workspace": ".fashiontag"}
    assert asked(
        "--where", "a = 'b'", "-k", "3", "x", "--min-score=auto", "--no-fold", "--json",
        "--workspace", "w", "--image=a.png", "--minus", "y", "--image-weight", "0.5",
    ) == {
        "words": "x", "where": "a = 'b'", "k": 3, "min_score": "auto", "fold": False, "json": True,
        "workspace": "w", "image": "a.png", "minus": "y", "image_weight": 0.5,
    }  # fmt: skip
    for odd in (
        ["a", "b"], ["-k", "x"], ["-k3", "a"], ["a", "--pictures"], ["a", "--html", "f"], ["--"],
        ["a", "-k"], ["a", "--where"], ["-h"], ["--jso"], ["a", "--minus", "-x"], ["-k=3", "a"],
    ):  # fmt: skip
        assert asked(*odd) is None, odd


def test_an_address_changes_with_the_code_and_the_environment(here, monkeypatch):
    before = daemon.address()
    assert before == daemon.address()
    monkeypatch.setenv("HF_HOME", "/elsewhere")
    assert daemon.address() != before


@linux
def test_a_garbled_question_is_outlived(shop, here):
    run(shop, "search", "red")
    process = the_process(here)
    [place] = [path for path in here.glob("*/*") if path.is_socket()]
    for nonsense in (b"", b"nonsense", b"7", b"{}"):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(place))
            line.sendall(nonsense)
            line.shutdown(socket.SHUT_WR)
            assert line.recv(1) == b""
    assert run(shop, "search", "red").returncode == 0
    assert the_process(here) == process


def test_a_garbled_answer_is_none(here):
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(daemon.address())
        line.listen()
        child = subprocess.Popen(
            [sys.executable, "-c", "from fashiontag import daemon; print(daemon.ask(['search']))"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        caller, _ = line.accept()
        caller.close()
        assert child.communicate(timeout=30)[0] == "None\n"
