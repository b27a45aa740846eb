"""The map of rooms in CONTRIBUTING.md, held by reading the imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fashiontag"

LEVELS = {
    "errors": 0,
    "datamodels": 0,
    "labels": 1,
    "metrics": 1,
    "manifest": 1,
    "daemon": 1,
    "catalog": 2,
    "encoders": 2,
    "vectors": 2,
    "heads": 2,
    "index": 2,
    "sinks": 2,
    "workflows": 3,
    "api": 4,
    "cli": 5,
    "server": 5,
    "__main__": 6,
}

HEAVY = {
    "metrics": {"sklearn"},
    "catalog": {
        "PIL", "pillow_heif", "datasets", "pyarrow", "openpyxl", "charset_normalizer",
        "huggingface_hub",
    },
    "encoders": {
        "torch", "open_clip", "tokenizers", "transformers", "safetensors", "PIL",
        "huggingface_hub", "torchvision", "timm", "ftfy", "regex",
    },
    "vectors": {"sqlite3"},
    "heads": {"sklearn", "scipy", "safetensors", "threadpoolctl"},
    "sinks": {"pyarrow", "PIL", "jinja2"},
    "index": {"faiss", "sqlite3"},
    "workflows": {"PIL"},
    "api": {"PIL"},
    "cli": {"typer", "rich", "textual_image"},  # the last for rich, with --pictures only
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    """Every module that a file imports at run time, wherever the statement stands."""
    found: list[str] = []

    class Reader(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                for child in node.orelse:
                    self.visit(child)
                return
            self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.extend(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            assert node.level == 0, f"{path}: relative imports hide the room"
            if node.module == "fashiontag":
                found.extend(f"fashiontag.{alias.name}" for alias in node.names)
            elif node.module:
                found.append(node.module)

    Reader().visit(ast.parse(path.read_text("utf-8")))
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_from_levels_above_it(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    for name in imports(path):
        if not name.startswith("fashiontag."):
            continue
        there = name.split(".")[1]
        if there in {here, "__version__"}:
            continue
        assert LEVELS[there] < LEVELS[here], f"{here} may not import {there}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_uses_only_its_own_heavy_libraries(path: Path) -> None:
    here = room(path)
    free = set(sys.stdlib_module_names) - {"sqlite3"} | {"numpy", "fashiontag"}
    for name in imports(path):
        top = name.split(".")[0]
        assert top in free | HEAVY.get(here, set()), f"{here} may not import {top}"


def test_every_module_belongs_to_a_known_room() -> None:
    assert {room(path) for path in modules()} <= {*LEVELS, "__init__"}


LIGHT = ["torch", "pandas", "sklearn", "open_clip", "datasets", "faiss", "pyarrow", "transformers"]


@pytest.mark.parametrize(
    "code",
    [
        "import fashiontag",
        "from fashiontag.cli import run; run(['--help'], debug=True)",
        "from fashiontag.cli import run; run(['tag', '--help'], debug=True)",
        "from fashiontag.cli import run; run(['labels'], debug=True)",
        "from fashiontag.cli import run; run(['labels', '--json'], debug=True)",
    ],
)
def test_light_commands_load_nothing_heavy(code: str) -> None:
    probe = f"import sys\n{code}\nprint([m for m in {LIGHT!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_labels_answer_without_the_parser() -> None:
    probe = "import sys; from fashiontag.cli import run; run(['labels'], debug=True)"
    probe += "\nprint([m for m in ('typer', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_overview_names_every_command_and_cuts_none() -> None:
    from fashiontag.cli import commands

    done = subprocess.run(
        [sys.executable, "-m", "fashiontag", "--help"], capture_output=True, text=True, check=True
    )
    for name, command in commands.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert command.line in done.stdout
        assert commands.function_of(name).__doc__
