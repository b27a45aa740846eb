"""Tables: the same rows in five formats, whole or not at all."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from fashiontag.datamodels import Item, Tagged, TagScore
from fashiontag.errors import OutputError, UsageError
from fashiontag.sinks import tables
from fashiontag.sinks.partfile import PartFile
from fashiontag.sinks.tables import Layout, open_table, write_suggestions

GROUPS = ("category", "color", "fit")
DRESS = Tagged(
    "a/dress.jpg",
    "photos/a/dress.jpg",
    'Red, "silk"\tdress\nsecond line\r\nthird',
    "ok",
    "",
    (
        TagScore("category", "dress", 0.912349, "both", decision="publish"),
        TagScore("color", "red", 0.81, "title", decision="publish"),
        TagScore("color", "pink", 0.4, "image", "probe", "review"),
        TagScore("fit", "slim", 0.1, "image", decision="abstain"),
    ),
    {"category": {"dress": 0.91234, "unknown": 0.08766}, "color": {"red": 0.81}},
)
BROKEN = Tagged("b.jpg", "photos/b.jpg", "=HYPERLINK(1)", "error", "-truncated after 12 bytes")


def write_rows(sink, *rows):
    for row in rows:
        sink.write(row, None)


def write(path, *rows, stream=None, **options):
    with open_table(path, Layout(GROUPS, **options), stream=stream) as sink:
        write_rows(sink, *rows)
    return path


def read(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".jsonl":
        return pd.DataFrame(json.loads(line) for line in path.read_text("utf-8").splitlines())
    if path.suffix == ".xlsx":
        # openpyxl leaves the format's own escapes, as _x000D_, to its caller
        return pd.read_excel(path, dtype=str, keep_default_na=False).map(unescape)
    separator = "," if path.suffix == ".csv" else "\t"
    return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "CSV", "xlsx"])
def test_every_format_has_the_fixed_columns_and_one_per_group(tmp_path, suffix):
    path = write(tmp_path / f"tags.{suffix}", DRESS, BROKEN).rename(
        tmp_path / f"x.{suffix.lower()}"
    )
    table = read(path)
    assert list(table) == ["id", "path", "title", "status", "message", "tags", *GROUPS]
    assert list(table["id"]) == ["a/dress.jpg", "b.jpg"]
    assert table["title"][0] == DRESS.title  # comma, quote, tab and both line ends survive
    assert list(table["color"]) == ["red|pink", ""]


def test_text_tags_are_joined_by_bars(tmp_path):
    table = read(write(tmp_path / "tags.csv", DRESS, BROKEN))
    assert table["tags"][0] == "category=dress|color=red|color=pink|fit=slim"
    assert table["tags"][1] == ""


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_nested_tags_carry_everything_about_a_tag(tmp_path, suffix):
    tag = read(write(tmp_path / f"tags.{suffix}", DRESS))["tags"][0][2]
    assert tag == {
        "group": "color",
        "label": "pink",
        "score": 0.4,
        "source": "image",
        "method": "probe",
        "decision": "review",
    }


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_scores_are_rounded_and_a_json_string_in_parquet(tmp_path, suffix):
    table = read(write(tmp_path / f"tags.{suffix}", DRESS, BROKEN, scores=True))
    assert list(table)[-1] == "scores"
    scores = [json.loads(s) if suffix == "parquet" else s for s in table["scores"]]
    assert scores == [
        {"category": {"dress": 0.9123, "unknown": 0.0877}, "color": {"red": 0.81}},
        {},
    ]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_under_a_promise_text_tags_are_publishable_and_review_has_the_rest(tmp_path, suffix):
    table = read(write(tmp_path / f"tags.{suffix}", DRESS, BROKEN, promised=True))
    assert list(table)[-1] == "review"
    assert table["tags"][0] == "category=dress|color=red"
    assert table["review"][0] == "color=pink"
    assert table["color"][0] == "red"
    assert table["fit"][0] == ""


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_cell_becomes_a_formula_and_ids_stay_as_they_are(tmp_path, suffix, start):
    odd = Tagged(f"{start}id", f"{start}path", f"{start}title", "error", f"{start}message")
    table = read(write(tmp_path / f"tags.{suffix}", odd))
    assert list(table.loc[0, ["id", "path"]]) == [f"{start}id", f"{start}path"]
    assert list(table.loc[0, ["title", "message"]]) == [f"'{start}title", f"'{start}message"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "xlsx"])
def test_formats_without_formulas_keep_text_as_it_is(tmp_path, suffix):
    assert read(write(tmp_path / f"tags.{suffix}", BROKEN))["title"][0] == BROKEN.title


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_a_file_name_that_is_no_unicode_is_spelled_out(tmp_path, suffix):
    name = os.fsdecode(b"caf\xe9.jpg")
    table = read(write(tmp_path / f"tags.{suffix}", Tagged(name, name, "", "ok", "")))
    assert table["id"][0] == "caf\\udce9.jpg"


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_equal_rows_are_equal_bytes(tmp_path, suffix):
    first, second = (
        write(
            tmp_path / f"{name}.{suffix}",
            *[DRESS, BROKEN] * (40 if suffix == "xlsx" else 3000),
            scores=True,
        ).read_bytes()
        for name in "ab"
    )
    assert first == second
    assert not first.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    "text",
    ["00123", "1.50", "=1+1", "-", "été ₹", "a\r\nb\x0b", "_x000D_", "TRUE", "http://x.y", ""],
)
def test_a_workbook_keeps_texts_as_they_are(tmp_path, text):
    path = write(tmp_path / "t.xlsx", Tagged(text or "x", "x", text, "ok", ""))
    assert read(path)["title"].tolist() == [text]


def test_a_workbook_says_where_a_text_was_cut_and_that_rows_are_too_many(tmp_path, monkeypatch):
    long = Tagged("x", "x", "a" * 40_000, "ok", "")
    assert read(write(tmp_path / "t.xlsx", long))["title"][0] == "a" * 32_766 + "…"
    monkeypatch.setattr(tables, "_SHEET_ROWS", 2)
    with pytest.raises(OutputError, match="holds 1 products"):
        write(tmp_path / "u.xlsx", DRESS, DRESS)
    assert not (tmp_path / "u.xlsx").exists()


def test_parquet_goes_out_in_row_groups(tmp_path):
    from pyarrow import parquet

    file = parquet.ParquetFile(write(tmp_path / "tags.parquet", *[DRESS] * 10_000))
    assert file.metadata.num_rows == 10_000
    assert file.num_row_groups == 3


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_title_survives_csv_and_tsv(tmp_path, title):
    kept = "'" + title if title.startswith(("=", "+", "-", "@", "\t", "\r")) else title
    for suffix in ("csv", "tsv"):
        row = Tagged("x", "x", title, "ok", "")
        assert read(write(tmp_path / f"t.{suffix}", row, row))["title"].tolist() == [kept, kept]


@pytest.mark.parametrize(
    "stream", [io.StringIO, io.BytesIO, lambda: io.TextIOWrapper(io.BytesIO())]
)
def test_standard_output_gets_the_same_csv(tmp_path, stream):
    stream = stream()
    write(None, DRESS, BROKEN, stream=stream)
    stream.seek(0)
    text = stream.read()
    expected = write(tmp_path / "tags.csv", DRESS, BROKEN).read_bytes()
    if isinstance(stream, io.TextIOWrapper):
        text, expected = text.encode(), expected.replace(b"\r\n", b"\n")  # its own newline mode
    assert (text.encode() if isinstance(text, str) else text) == expected


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, suffix):
    path = write(tmp_path / f"tags.{suffix}", DRESS)
    before = path.read_bytes()
    with pytest.raises(AttributeError), open_table(path, Layout(GROUPS)) as sink:
        write_rows(sink, DRESS, BROKEN, "no row")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_next_run_removes_what_a_killed_run_left(tmp_path):
    """wd14-standalone: a killed run leaves half a file that is then skipped."""
    script = (
        "import os, sys; from pathlib import Path\n"
        "from fashiontag.sinks.tables import Layout, open_table\n"
        "opened = open_table(Path(sys.argv[1]), Layout(('category',)))\n"
        "sink = opened.__enter__()\n"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    path = tmp_path / "tags.csv"
    subprocess.run([sys.executable, "-c", script, path], check=False)
    assert [p.suffix for p in tmp_path.iterdir()] == [".part"]
    write(path, DRESS)
    assert list(tmp_path.iterdir()) == [path]


def test_two_runs_at_once_do_not_clash(tmp_path):
    path = tmp_path / "tags.csv"
    with open_table(path, Layout(GROUPS)) as first, open_table(path, Layout(GROUPS)) as second:
        first.write(DRESS, None)
        second.write(BROKEN, None)
    assert read(path)["id"].tolist() == ["a/dress.jpg"]  # the one that ended last
    assert list(tmp_path.iterdir()) == [path]


def test_stems_do_not_collide_nor_are_foreign_part_files_touched(tmp_path):
    others = [tmp_path / ".tags.csv.part", tmp_path / ".tags.jsonl.0123abcd.part"]
    for other in others:
        other.write_text("someone else's")
    write(tmp_path / "tags.csv", DRESS)
    write(tmp_path / "tags.tsv", DRESS)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in others} | {
        "tags.csv",
        "tags.tsv",
    }


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "tags.csv").symlink_to(tmp_path / "real.csv")
    write(tmp_path / "tags.csv", DRESS)
    assert (tmp_path / "tags.csv").is_symlink()
    assert len(read(tmp_path / "real.csv")) == 1


@pytest.mark.parametrize("name", ["tags.xls", "tags", "tags.json", ".csv"])
def test_an_unknown_suffix_names_those_there_are(tmp_path, name):
    with (
        pytest.raises(UsageError, match=r"\.csv, \.tsv, \.jsonl, \.parquet or \.xlsx"),
        open_table(tmp_path / name, Layout(GROUPS)),
    ):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_said_at_once(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("")
    for path in ("missing/tags.csv", "folder.csv", "file/tags.csv"):
        with (
            pytest.raises(OutputError, match=r"can't write .*; ") as caught,
            open_table(tmp_path / path, Layout(GROUPS)),
        ):
            raise AssertionError
        assert path.split("/")[0] in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, suffix, monkeypatch):
    class FullDisk(PartFile):
        def __enter__(self):
            super().__enter__()
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, self.file.fileno())
            os.close(full)
            return self

    monkeypatch.setattr(tables, "PartFile", FullDisk)
    opened = open_table(tmp_path / f"tags.{suffix}", Layout(GROUPS))
    with pytest.raises(OutputError, match="No space left"), opened as sink:
        write_rows(sink, *[DRESS] * 5000)
    assert list(tmp_path.iterdir()) == []


def test_suggestions_are_guarded_and_whole_as_a_table_is(tmp_path):
    path = tmp_path / "suggest.csv"
    write_suggestions(path, [("-1\udce9.jpg", "=1+1\r2", "audit", "guess: fit=slim")])
    assert path.read_bytes() == (
        b'image,title,status,message,tags\n-1\\udce9.jpg,"\'=1+1\r2",audit,guess: fit=slim,\n'
    )
    with pytest.raises(ValueError, match="unpack"):
        write_suggestions(path, [("a.jpg", "", "audit", ""), ("b.jpg",)])
    assert path.read_bytes().count(b"\n") == 2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_a_tables_own_names_come_last(tmp_path, suffix):
    item = Item("a.jpg", "a.jpg", "", "", {}, None, keys=("000123", "=1"))
    path = tmp_path / f"tags.{suffix}"
    with open_table(path, Layout(GROUPS, promised=True, keys=("SKU", "id"))) as sink:
        sink.write(Tagged("a.jpg", "a.jpg", "", "ok", ""), item)
    row = read(path).iloc[0]
    assert [*row.index][-2:] == ["table.SKU", "table.id"]
    assert [*row][-2:] == ["000123", "'=1" if suffix in ("csv", "tsv") else "=1"]
