from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import draw_shape
from tlcore import Dataset, Registry
from tlcore.errors import DatasetError


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for index in range(6):
        draw_shape("circle" if index % 2 else "bar", index).save(root / f"{index}.png")
    return root


def read(photos: Path, text: str, name: str = "t.csv", written: str = "utf-8", **options: object) -> Dataset:
    (photos / name).write_bytes(text.encode(written))
    return Registry().dataset(f"{name.partition('.')[2].replace('tsv', 'csv')}:{photos / name}", options)


def rows(dataset: Dataset) -> dict[str, list[tuple[str, str]]]:
    return {
        split: [(sample.name, dataset.class_names[sample.label]) for sample in samples]
        for split, samples in dataset.splits.items()
    }


def test_paths_and_labels(photos: Path) -> None:
    dataset = read(photos, "path,label\n0.png,bar\n1.png,Kreis é ねこ\n2.png, bar \n\n")
    assert dataset.class_names == ("Kreis é ねこ", "bar")
    assert rows(dataset) == {"all": [("0.png", "bar"), ("1.png", "Kreis é ねこ"), ("2.png", "bar")]}
    assert dataset.samples[0].image.read() == (photos / "0.png").read_bytes()


def test_split_and_group_columns(photos: Path) -> None:
    dataset = read(photos, "path,label,split,group\n0.png,a,train,x\n1.png,b,Train,\n2.png,a,val,y\n3.png,a,TEST,z\n")
    assert {split: [name for name, _ in part] for split, part in rows(dataset).items()} == {
        "train": ["0.png", "1.png"],
        "validation": ["2.png"],
        "test": ["3.png"],
    }
    assert [sample.group for sample in dataset.samples] == ["x", None, "y", "z"]


@pytest.mark.parametrize(
    ("text", "name", "encoding", "options"),
    [
        pytest.param("\ufeffpath;label\r\n0.png;a\r\n1.png;b\r\n", "t.csv", "utf-8", {}, id="semicolons and BOM"),
        pytest.param("label\tpath\na\t0.png\nb\t1.png\n", "t.tsv", "utf-8", {}, id="tabs"),
        pytest.param('path,label,note\n0.png,a,"x, y"\n1.png,b,\n', "t.csv", "utf-8", {}, id="quotes and more columns"),
        pytest.param("path,label\n0.png,a\n1.png,b\n", "t.csv", "utf-16", {"encoding": "utf-16"}, id="utf-16"),
        pytest.param(
            "file,class\n0.png,a\n1.png,b\n", "t.csv", "utf-8", {"path_column": "file", "label_column": "class"}, id="names"
        ),
        pytest.param(
            '{"path": "0.png", "label": "a"}\n{"label": "b", "path": "1.png"}\n', "t.jsonl", "utf-8", {}, id="JSON lines"
        ),
    ],
)
def test_many_ways_to_write_a_table(text: str, name: str, encoding: str, options: dict[str, object], photos: Path) -> None:
    assert rows(read(photos, text, name, encoding, **options)) == {"all": [("0.png", "a"), ("1.png", "b")]}


def test_numbers_are_labels_in_order_of_value(photos: Path) -> None:
    assert read(photos, "path,label\n0.png,10\n1.png,9\n").class_names == ("9", "10")


def test_parquet(photos: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (pip install 'tlcore[tables]')")
    from pyarrow import parquet

    table = pyarrow.table({"path": ["0.png", "1.png"], "label": [1, 0], "split": ["train", "train"]})
    parquet.write_table(table, photos / "t.parquet")
    assert rows(Registry().dataset(f"parquet:{photos / 't.parquet'}")) == {"train": [("0.png", "1"), ("1.png", "0")]}
    (photos / "bad.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DatasetError, match="not a Parquet file that can be read"):
        Registry().dataset(f"parquet:{photos / 'bad.parquet'}")


def test_paths_relative_to_another_folder(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label\n0.png,a\n1.png,b\n")
    dataset = Registry().dataset(f"csv:{tmp_path / 't.csv'}", {"root": str(photos)})
    assert dataset.samples[1].image.read() == (photos / "1.png").read_bytes()


def test_a_repeated_row_is_left_out_and_said(photos: Path) -> None:
    dataset = read(photos, "path,label\n0.png,a\n1.png,b\n0.png,a\n")
    assert [entry.reason for entry in dataset.left_out] == ["0.png: row 4 repeats row 2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; its first line should name the columns"),
        ("path,label\n", "has no rows"),
        ("file,label\n0.png,a\n", "has no column 'path'; it has file, label; name the right one with --set dataset.path_"),
        ("pth,lable\n0.png,a\n", "no column 'path'; did you mean 'pth'? has no column 'label'; did you mean 'lable'? it has"),
        ("path,lable\n0.png,a\n", "has no column 'label'; did you mean 'lable'"),
        ("path,label,label\n0.png,a,a\n", "has two columns called 'label'"),
        ("path,label\n0.png,a\n1.png\n", "1 bad row: row 3: no label"),
        ("path,label\n0.png,a,b\n", "1 bad row: row 2: 3 cells, but 2 columns"),
        ("path,label\n0.png,a\n0.png,b\n", "row 3: 0.png has the label 'b' here and 'a' in row 2"),
        ("path,label\n0.png,a\n./0.png,b\n", "row 3: ./0.png has the label 'b' here and 'a' in row 2"),
        ("path,label,split\n0.png,a,train\n0.png,a,test\n", "0.png has the split 'test' here and 'train' in row 2"),
        ("path,label,split\n0.png,a,trian\n", "unknown split 'trian', expected train, validation or test"),
        ("path,label,split\n0.png,a,train\n1.png,a,\n", "1 row without a split: row 3; give all rows one or none"),
    ],
    ids=["empty", "no rows", "no path", "two misspelt", "misspelt", "two labels", "no label", "too many cells", "two labels for one file", "written otherwise",
         "two splits for one file", "unknown split", "half a split"],
)  # fmt: skip
def test_bad_tables(text: str, message: str, photos: Path) -> None:
    with pytest.raises(DatasetError, match=re.escape(message)):
        read(photos, text)


def test_all_missing_files_are_counted_and_ten_are_named(photos: Path) -> None:
    text = "path,label\n0.png,a\n" + "".join(f"gone{index}.png,a\n" for index in range(1234))
    with pytest.raises(DatasetError) as told:
        read(photos, text)
    message = str(told.value)
    assert "1,234 bad rows: row 3: " in message
    assert message.count("is not there") == 10
    assert message.endswith("; and 1,224 more; mend or remove them")


def test_bad_rows_of_all_kinds_are_counted_together_in_their_order(photos: Path) -> None:
    kinds = ("gone.png,a", "0.png,other", "1.png,", "1.png,a,extra", ",a", "1.png,a")
    with pytest.raises(DatasetError) as told:
        read(photos, "path,label\n0.png,a\n" + "".join(f"{kind}\n" for _ in range(3) for kind in kinds))
    message = str(told.value)
    assert "t.csv: 15 bad rows: row 3: " in message
    assert [int(row) for row in re.findall(r"[:;] row (\d+):", message)] == [3, 4, 5, 6, 7, 9, 10, 11, 12, 13]
    assert "; and 5 more; " in message


def test_another_encoding_names_the_remedy(photos: Path) -> None:
    with pytest.raises(DatasetError, match=r"is not in the encoding 'utf-8-sig' .*--set dataset.encoding=cp1252"):
        read(photos, "path,label\n0.png,gr\u00fcn\n", written="cp1252")
    assert read(photos, "path,label\n0.png,gr\u00fcn\n", written="cp1252", encoding="cp1252").class_names == ("gr\u00fcn",)
    with pytest.raises(DatasetError, match="is not in the encoding 'klingon'"):
        Registry().dataset(f"csv:{photos / 't.csv'}", {"encoding": "klingon"})


def test_bad_json_lines_are_counted(photos: Path) -> None:
    lines = ['{"path": "0.png", "label": "a"}', "{nonsense", "[1]", json.dumps({"path": "1.png"})]
    with pytest.raises(DatasetError, match=r"3 bad rows: line 2: not JSON .*; line 3: not a JSON object; line 4: no label"):
        read(photos, "\n".join(lines), "t.jsonl")


def test_a_class_that_train_lacks_stops_training(photos: Path, run_tl: object) -> None:
    read(photos, "path,label,split\n0.png,a,train\n1.png,b,train\n2.png,c,test\n", "lacking.csv")
    done = run_tl("train", f"csv:{photos / 'lacking.csv'}", "--backbone", "mini")  # type: ignore[operator]
    assert done.returncode == 2
    assert "1 class of test without any image in train: 'c'" in done.stderr
    assert done.stderr.count("\n") == 1
