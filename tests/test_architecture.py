"""The map of rooms in CONTRIBUTING.md, held by reading the code."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fashiontag"

LEVELS = {
    "errors": 0,
    "datamodels": 0,
    "names": 0,
    "plain": 0,
    "objects": 1,
    "database": 1,
    "words": 1,
    "labels": 1,
    "colours": 1,
    "taxonomy": 1,
    "metrics": 1,
    "manifest": 1,
    "verdicts": 1,
    "daemon": 1,
    "labelcheck": 2,
    "catalog": 2,
    "encoders": 2,
    "vectors": 2,
    "heads": 2,
    "index": 2,
    "sinks": 2,
    "workspace": 3,
    "workflows": 4,
    "api": 5,
    "server": 5,
    "cli": 6,
    "__main__": 7,
}

HEAVY = {
    "metrics": {"sklearn"},
    "colours": {"PIL", "safetensors"},
    "catalog": {
        "PIL", "pillow_heif", "datasets", "pyarrow", "openpyxl", "charset_normalizer",
        "huggingface_hub", "lxml", "httpx", "protego", "scipy",
    },
    "encoders": {
        "torch", "open_clip", "tokenizers", "transformers", "safetensors", "PIL",
        "huggingface_hub", "torchvision", "timm", "ftfy", "regex", "onnxruntime",
    },
    "database": {"sqlite3"},
    "objects": {"pyarrow", "fsspec"},
    "heads": {"sklearn", "scipy", "safetensors", "threadpoolctl"},
    "sinks": {"pyarrow", "PIL", "jinja2", "xlsxwriter", "datasets", "fiftyone"},
    "index": {"faiss", "qdrant_client", "httpx"},
    "workflows": {"PIL", "ray", "sqlite3", "qdrant_client"},
    "api": {"PIL"},
    "server": {"fastapi", "jinja2", "pydantic", "starlette"},
    "cli": {"typer", "rich", "textual_image", "uvicorn"},  # textual_image for rich, with --pictures
}  # fmt: skip


ORDER = {
    "workspace": [
        "calibration", "workspace", "embed", "prompts", "neighbours", "decisions", "written",
        "receipts",
    ],
    "workflows": [
        "naming", "products", "tag", "audit", "stats", "drift", "matches", "cluster", "indexing",
        "search", "push", "duplicates", "upkeep", "evaluate", "suggest", "learn", "corrections",
        "compare", "importing", "exporting", "datasets", "splitting", "calibrate",
    ],
}  # fmt: skip
"""Inside these rooms a module imports only from those before it."""

LONGEST = 80
"""Lines of a function without its docstring."""
MOST_PARAMETERS = 8
LONG: dict[str, str] = {}
"""Functions that may be longer or take more, each with its reason."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )


@cache
def imports(path: Path, *, at_run_time: bool = True) -> tuple[str, ...]:
    """Every module that a file imports, wherever the statement stands, but for type checking.

    With ``at_run_time`` false only what is imported when the file itself is.
    """
    found: list[str] = []

    class Reader(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                for child in node.orelse:
                    self.visit(child)
                return
            self.generic_visit(node)

        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            if at_run_time:
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.extend(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            assert node.level == 0, f"{path}: relative imports hide the room"
            known = {name_of(module) for module in modules()}
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.append(whole if whole in known else str(node.module))

    Reader().visit(ast.parse(path.read_text("utf-8")))
    return tuple(found)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_from_levels_above_it(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    for name in imports(path):
        if not name.startswith("fashiontag."):
            continue
        there = name.split(".")[1]
        if there != here:
            assert LEVELS[there] < LEVELS[here], f"{here} may not import {there}"


@pytest.mark.parametrize("here", ORDER)
def test_inside_a_room_imports_go_one_way(here: str) -> None:
    order = ORDER[here]
    assert {path.stem for path in (PACKAGE / here).glob("*.py")} == {"__init__", *order}
    for stem in order:
        for name in imports(PACKAGE / here / f"{stem}.py"):
            if name.startswith(f"fashiontag.{here}."):
                there = name.split(".")[2]
                assert order.index(there) < order.index(stem), f"{stem} may not import {there}"


def test_no_imports_go_in_a_circle() -> None:
    known = {name_of(path): path for path in modules()}
    done: set[str] = set()

    def follow(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"a circle: {' → '.join((*trail[trail.index(name) :], name))}"
        if name in done:
            return
        for other in imports(known[name]):
            # a package's front imports its own parts, and they may name the front
            front = name.startswith(f"{other}.")
            if other in known and other != name and not front:
                follow(other, (*trail, name))
        done.add(name)

    for name in known:
        follow(name, ())


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_uses_only_its_own_heavy_libraries(path: Path) -> None:
    here = room(path)
    free = set(sys.stdlib_module_names) - {"sqlite3"} | {"numpy", "fashiontag"}
    for name in imports(path):
        top = name.split(".")[0]
        assert top in free | HEAVY.get(here, set()), f"{here} may not import {top}"


def test_every_module_belongs_to_a_known_room() -> None:
    assert {room(path) for path in modules()} <= {*LEVELS, "__init__"}


def functions() -> list[tuple[str, ast.FunctionDef]]:
    return [
        (f"{path.relative_to(PACKAGE)}:{node.name}", node)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]


def parameters(node: ast.FunctionDef) -> list[str]:
    given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return [one.arg for one in given if one.arg not in {"self", "cls"}]


def test_no_function_is_long_or_takes_much() -> None:
    """Commands aside: their parameters are what a user types."""
    found = set()
    for name, node in functions():
        said = len((ast.get_docstring(node) or "").splitlines())
        lines = (node.end_lineno or 0) - node.lineno + 1 - said
        many = len(parameters(node)) > MOST_PARAMETERS and not name.startswith("cli/")
        if lines > LONGEST or many:
            found.add(name)
    assert found == set(LONG)


def test_encoder_and_store_travel_as_a_workspace() -> None:
    both = [name for name, node in functions() if {"encoder", "store"} <= {*parameters(node)}]
    assert len(both) <= 3, both


LIGHT = [
    "torch", "pandas", "sklearn", "open_clip", "datasets", "faiss", "pyarrow", "transformers",
    "onnxruntime",
]  # fmt: skip


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
    for name, line in commands.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert line in done.stdout
        assert commands.function_of(name).__doc__
