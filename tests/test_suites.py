"""The suite that tries the laboratory out; benchmarks/lab/tests runs it, outside `make test`."""

from benchmarks.lab.registry import find_method
from benchmarks.lab.suite import load_suite


def test_the_smoke_suite_is_valid_and_its_methods_exist(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    for spec in load_suite("smoke").methods:
        assert callable(find_method(spec.method))
