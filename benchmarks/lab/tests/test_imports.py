"""Who imports whom in the laboratory, and whether the scripts beside it still can be."""

import ast
import importlib
from graphlib import TopologicalSorter

import pytest

from benchmarks.paths import ROOT

pytestmark = pytest.mark.lab

LAB = ROOT / "benchmarks" / "lab"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in LAB.rglob("*.py")
    if "tests" not in path.parts
}


class Imports(ast.NodeVisitor):
    """The modules of the laboratory that a file imports at run time, in functions too."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0
        self.found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}


def imports(path):
    reader = Imports()
    reader.visit(ast.parse(path.read_text("utf-8")))
    return reader.found


def test_no_module_imports_itself_by_way_of_others() -> None:
    # A package counts as imported by its modules; benchmarks.lab itself is empty.
    graph = {
        name: {found for found in imports(path) & MODULES.keys() if found != "benchmarks.lab"}
        for name, path in MODULES.items()
    }
    assert graph["benchmarks.lab.registry"] >= {"benchmarks.lab.baselines"}
    list(TopologicalSorter(graph).static_order())  # raises CycleError with the circle


@pytest.mark.parametrize("path", sorted(LAB.parent.glob("*.py")), ids=lambda path: path.stem)
def test_every_script_beside_the_laboratory_can_be_imported(path) -> None:
    importlib.import_module(f"benchmarks.{path.stem}")
