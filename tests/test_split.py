"""`fashiontag split`: parts in which no family is twice."""

import csv
from pathlib import Path

import numpy as np
import pytest
from fakes import color_picture

from fashiontag.catalog import read_catalog
from fashiontag.catalog.families import find_families
from fashiontag.cli import run
from fashiontag.errors import UsageError
from fashiontag.workflows.importing import import_feed
from fashiontag.workflows.splitting import PARTS, draw_parts, split_source


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Path:
    """Twelve styles in three colours each, and one picture that two titles share."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for style in range(12):
        for number, colour in enumerate(("red", "green", "blue")):
            path = color_picture(f"pictures/{style}-{colour}.png", (style * 9, number * 40, 10))
            title = f"Roadster {colour} checked casual shirt mark{'abcdefghijkl'[style]}"
            rows.append({"path": str(path), "name": title, "price": style})
    same = color_picture("pictures/same.png", (0, 0, 10))
    rows.append({"path": str(same), "name": "a title of another kind", "price": 1})
    with Path("table.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return tmp_path


def parts(out: str) -> dict[str, list[dict[str, str]]]:
    return {name: list(csv.DictReader(Path(out, f"{name}.csv").open())) for name in PARTS}


def test_no_family_is_in_two_parts_and_nothing_is_lost(shop, capsys) -> None:
    assert run(["split", "table.csv", "--keep", "family", "--out", "a"], debug=True) == 0
    assert "largest family: 4 products" in capsys.readouterr().out
    found = parts("a")
    assert sum(map(len, found.values())) == 37
    assert len({row["id"] for rows in found.values() for row in rows}) == 37
    families = [{row["family"] for row in rows} for rows in found.values()]
    assert sum(map(len, families)) == len(set.union(*families)) == 12
    shared = [
        name
        for name, rows in found.items()
        for r in rows
        if r["path"].endswith(("/0-red.png", "/same.png"))
    ]
    assert len(shared) >= 2
    assert shared[0] == shared[1]
    assert found["train"][0].keys() == {"id", "path", "title", "family", "price"}


def test_the_tables_are_sources_again(shop) -> None:
    Path("deep").mkdir()
    split_source(read_catalog("table.csv"), Path("deep/er"))
    for name, rows in parts("deep/er").items():
        again = read_catalog(f"deep/er/{name}.csv").items
        assert [item.title for item in again] == [row["title"] for row in rows]
        assert all(item.image.read() for item in again)


def test_one_seed_one_split(shop) -> None:
    catalog = read_catalog("table.csv")
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        split_source(catalog, Path(name), seed=seed)
    assert parts("a") == parts("b") != parts("c")


def test_parts_have_the_shares_that_were_asked_for() -> None:
    draw = np.random.default_rng(3)
    families = np.repeat(np.arange(4000), draw.geometric(0.4, 4000))
    for shares in ((0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (0.9, 0.1, 0)):
        found = np.bincount(draw_parts(families, shares, 0), minlength=3) / len(families)
        np.testing.assert_allclose(found, shares, atol=0.002)
    one = np.zeros(10, np.int64)
    assert set(draw_parts(one, (0.1, 0.1, 0.8), 0)) == {2}


def test_photos_of_one_product_stay_together(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        color_picture(Path("pictures", f"{number}.png"), (number * 50, 0, 0))
    Path("shop.csv").write_text(
        "Handle,Title,Image Src,Image Alt Text\n"
        + "".join(f"p{n // 2},T,https://x.example/{n}.png,\n" for n in range(4))
    )
    import_feed("shop.csv", images="pictures", out=Path("shop"))
    split_source(read_catalog("shop"), Path("a"), (0.5, 0, 0.5))
    assert [len({r["product"] for r in rows}) for rows in parts("a").values()] == [1, 0, 1]
    assert list(find_families([None] * 3, [""] * 3, ["p", None, "p"])) == [0, 1, 0]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1)])
def test_shares_that_cannot_be_are_refused(shop, shares) -> None:
    with pytest.raises(UsageError, match="add up to 1"):
        split_source(read_catalog("table.csv"), Path("a"), shares)
    assert not Path("a").exists()


def test_a_folder_that_is_there_stays(shop, capsys) -> None:
    assert run(["split", "table.csv", "--out", "pictures"], debug=False) == 2
    assert "is there already" in capsys.readouterr().err
    assert run(["split", "table.csv", "--out", "b", "--parts", "a,b"], debug=False) == 2
