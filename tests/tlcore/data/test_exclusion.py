from __future__ import annotations

from pathlib import Path

import pytest

from tlcore.data.exclusion import exclude_images, read_exclusions, write_exclusions
from tlcore.dataset import Dataset, Sample
from tlcore.errors import DatasetError
from tlcore.images import BytesImage

NAMES = (
    "a/plain.jpg",
    'a/#1 "x".jpg',
    "#hash.jpg",
    '"quoted".jpg',
    "a/tab\there.jpg",
    "a/line\nbreak.jpg",
    "a/ねこ.jpg",
    "a/end ",
)


def dataset(names: tuple[str, ...] = NAMES) -> Dataset:
    samples = tuple(Sample(BytesImage(b""), name, index % 2) for index, name in enumerate(names))
    return Dataset(name="photos", class_names=("a", "b"), splits={"all": samples})


def test_any_name_survives_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    undecodable = b"a/\xff.jpg".decode("utf-8", "surrogateescape")
    wanted = dict.fromkeys((*NAMES, undecodable), "copy of\tanother")
    write_exclusions(path, wanted, dataset="photos")
    assert read_exclusions(path) == dict.fromkeys(wanted, "copy of another")


def test_a_list_written_by_hand_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\ufeffa/plain.jpg\r\n\r\n# a remark\r\n#hash.jpg is a remark too\r\n", encoding="utf-8")
    assert read_exclusions(path) == {"a/plain.jpg": ""}


def test_excluded_images_are_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    write_exclusions(path, {"a/plain.jpg": "blank", "gone.jpg": ""}, dataset="photos")
    kept, notes = exclude_images(dataset(), path)
    assert "a/plain.jpg" not in {sample.name for sample in kept.samples}
    assert [entry.reason for entry in kept.left_out] == ["a/plain.jpg: excluded by list.tsv (blank)"]
    assert notes == ("list.tsv names 1 images that photos does not have: gone.jpg",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            "a/plain.jqg\n", "names no image of photos; the first is 'a/plain.jqg'; did you mean 'a/plain.jpg'", id="other"
        ),
        pytest.param('"unclosed\n', "line 1 begins like a JSON string and is none", id="malformed"),
        pytest.param(None, "cannot be read: No such file", id="missing"),
    ],
)
def test_lists_that_do_not_fit(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "list.tsv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DatasetError, match=message):
        exclude_images(dataset(), path)


def test_excluding_everything_is_refused(tmp_path: Path) -> None:
    write_exclusions(tmp_path / "all.tsv", dict.fromkeys(NAMES, ""), dataset="photos")
    with pytest.raises(DatasetError, match="names every image of photos; nothing would be left"):
        exclude_images(dataset(), tmp_path / "all.tsv")


def test_other_files_are_never_overwritten(tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    diary.write_text("dear diary")
    with pytest.raises(DatasetError, match="is no exclusion list that tlcore wrote; choose another name"):
        write_exclusions(diary, {}, dataset="photos")
    assert diary.read_text() == "dear diary"
