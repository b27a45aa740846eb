"""The guide to each platform, walked through: its commands, on the files that it names."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from fashiontag.catalog import read_catalog
from fashiontag.cli import run

ROOT = Path(__file__).parents[1]
GUIDES = {
    "shopify.md": ("shop.csv", "shop"),
    "google-merchant.md": ("google.xml", "google"),
    "woocommerce.md": ("woocommerce.csv", "woocommerce"),
}


def commands(guide: str) -> list[list[str]]:
    text = (ROOT / "docs" / guide).read_text("utf-8")
    return [line.split() for line in re.findall(r"^    fashiontag (.+)$", text, re.MULTILINE)]


def correct() -> str:
    """Change an answer as a person would in a spreadsheet, and return the product's id."""
    with Path("tags.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    row = next(row for row in rows if "tee" in row["id"].lower())
    row["category"] = "polo shirt"
    with Path("tags.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return row["id"]


@pytest.mark.parametrize("guide", GUIDES)
def test_the_guide_leads_there_and_back(guide, tmp_path, monkeypatch, capsys) -> None:
    feed, folder = GUIDES[guide]
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples" / feed, tmp_path)
    shutil.copytree(ROOT / "examples" / "catalog", tmp_path / "images")
    corrected = ""
    for line in commands(guide):
        if line[:2] == ["decisions", "import"]:
            corrected = correct()
        assert run(line, debug=True) == 0, line
    assert corrected
    assert "1 decision from tags.csv" in capsys.readouterr().out
    suffix = Path(feed).suffix
    result = Path(f"{Path(feed).stem}-tagged{suffix}")
    assert "polo shirt" in result.read_text("utf-8")
    assert result.read_bytes() != Path(feed).read_bytes()
    before = {item.id: item.title for item in read_catalog(folder).items}
    assert run(["import", str(result), "--images", "images", "--out", "again"], debug=True) == 0
    assert {item.id: item.title for item in read_catalog("again").items} == before
