"""Each check, shown on a dataset that has its fault and silent on one that has not."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.tlcore.audit.planted import encoded, made_photo, made_photos
from tlcore.audit import Inspection, InspectionCache, audit_dataset, checks, inspect_image
from tlcore.dataset import Dataset, LeftOut, Sample
from tlcore.errors import TlcoreError
from tlcore.images import BytesImage
from tlcore.progress import ProgressEvent

PHOTOS = made_photos(24)


def dataset(*extra: Sample, split: str = "all", left_out: tuple[LeftOut, ...] = ()) -> Dataset:
    """Twelve sound photos of each of two classes, and what a test adds."""
    samples = [Sample(BytesImage(data), f"{index % 2}/{index}.jpg", index % 2) for index, data in enumerate(PHOTOS)]
    return Dataset(name="photos", class_names=("a", "b"), splits={split: (*samples, *extra)}, left_out=left_out)


def added(image: Image.Image | bytes, name: str = "0/new.jpg", label: int = 0, **settings: object) -> Sample:
    return Sample(BytesImage(image if isinstance(image, bytes) else encoded(image, **settings)), name, label)


def test_a_sound_dataset_has_no_findings() -> None:
    report = audit_dataset(dataset())
    assert report.findings == ()
    assert report.images == 24
    assert report.exclude == {}


def test_all_flaws_of_one_kind_are_counted_and_the_first_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MAX_NOTICES", 3)
    grey = encoded(Image.new("RGB", (20, 20), (90, 90, 90)))
    many = [added(grey, f"0/{index}-grey.png") for index in range(7)]
    found = {finding.kind: finding for finding in audit_dataset(dataset(*many)).findings}
    for kind in ("blank", "extreme-size", "wrong-extension"):
        assert found[kind].count == 7 and found[kind].summary.startswith("7 ")
        assert [entry.images for entry in found[kind].entries] == [(f"0/{index}-grey.png",) for index in range(3)]


@pytest.mark.parametrize(
    ("sample", "kind", "note"),
    [
        pytest.param(added(PHOTOS[1][:200]), "unreadable", "damaged or truncated", id="truncated"),
        pytest.param(added(b""), "unreadable", "the file is empty", id="empty"),
        pytest.param(added(encoded(made_photo(99), "PNG")), "wrong-extension", "is PNG by its content", id="png named jpg"),
        pytest.param(
            added(Image.new("RGB", (90, 90), (200, 10, 10))), "blank", "grey levels deviate by 0.0 of 255", id="blank"
        ),
        pytest.param(added(made_photo(98, (40, 20))), "extreme-size", "40 x 20 pixels", id="small"),
        pytest.param(added(made_photo(97, (600, 60))), "extreme-size", "600 x 60 pixels", id="long"),
        pytest.param(added(PHOTOS[2]), "exact-duplicates", "2 files with the same bytes", id="copy"),
        pytest.param(added(PHOTOS[2], label=1), "label-conflict", "one picture labelled a, b", id="two labels"),
        pytest.param(added(made_photo(2), quality=60), "near-duplicates", "2 images look alike", id="near copy"),
    ],
)
def test_one_fault_one_finding(sample: Sample, kind: str, note: str) -> None:
    finding = audit_dataset(dataset(sample)).finding(kind)
    assert finding is not None
    assert finding.count == 1
    assert note in finding.entries[0].note
    assert "0/new.jpg" in finding.entries[0].images


def test_copies_with_other_colours_or_mirrored_are_other_pictures() -> None:
    photo = made_photo(2)
    swapped = Image.merge("RGB", photo.split()[::-1])
    report = audit_dataset(
        dataset(added(swapped, "0/swapped.jpg"), added(photo.transpose(Image.Transpose.ROTATE_90), "0/r.jpg"))
    )
    assert report.duplicate_sets == ()


def test_groups_across_given_splits_are_a_problem() -> None:
    parts: dict[str, list[Sample]] = {"train": [], "test": []}
    for index, data in enumerate(PHOTOS):
        sample = Sample(BytesImage(data), f"{index}.jpg", index % 2, group=f"animal {index // 2}" if index < 8 else None)
        parts["test" if index in (1, 20, 21) else "train"].append(sample)
    data = Dataset(name="d", class_names=("a", "b"), splits={split: tuple(part) for split, part in parts.items()})
    finding = audit_dataset(data).finding("group-leak")
    assert finding is not None and finding.severity == "problem"
    assert [entry.note for entry in finding.entries] == ["group 'animal 0' is in train and test"]


def test_unequal_and_tiny_classes_are_noticed() -> None:
    samples = [Sample(BytesImage(data), f"{index}.jpg", 0 if index else 1) for index, data in enumerate(PHOTOS)]
    report = audit_dataset(Dataset(name="d", class_names=("many", "one"), splits={"all": tuple(samples)}))
    imbalance, few = report.finding("imbalance"), report.finding("few-images")
    assert imbalance is not None and imbalance.summary == "the largest class has 23 times as many images as the smallest"
    assert few is not None and few.entries[0].note == "one: 1 image"


def test_what_the_reader_left_out_is_listed() -> None:
    finding = audit_dataset(dataset(left_out=(LeftOut("x/", "x/: holds no images"),))).finding("left-out")
    assert finding is not None and finding.entries[0].note == "holds no images"


def test_small_pictures_are_only_compared_exactly() -> None:
    icons = [added(made_photo(5, (30, 30)), f"0/icon{index}.png", quality=80 + index) for index in range(3)]
    assert audit_dataset(dataset(*icons)).duplicate_sets == ()


def test_the_second_audit_decodes_nothing_and_says_the_same(tmp_path: Path) -> None:
    data = dataset(added(PHOTOS[2]), added(b"no image", "0/bad.jpg"))
    first, second = (audit_dataset(data, cache_directory=tmp_path) for _ in range(2))
    assert (first.cached, second.cached) == (0, 26)
    assert first.findings == second.findings
    assert first.exclude == second.exclude


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    cache = InspectionCache(tmp_path)
    cache.close()
    cache.path.write_bytes(b"this is no database" * 100)
    assert audit_dataset(dataset(), cache_directory=tmp_path).cached == 0
    assert audit_dataset(dataset(), cache_directory=tmp_path).cached == 24


def test_a_cache_that_is_damaged_inside_is_said(tmp_path: Path) -> None:
    cache = InspectionCache(tmp_path)
    cache.write((index.to_bytes(32), Inspection(format="PNG", width=index)) for index in range(2000))
    cache.close()
    spoiled = bytearray(cache.path.read_bytes())
    spoiled[4096 * 2 :] = bytes(len(spoiled) - 4096 * 2)
    cache.path.write_bytes(spoiled)
    again = InspectionCache(tmp_path)
    with pytest.raises(TlcoreError, match=r"what earlier audits found cannot be read: .*; delete the file"):
        again.read([index.to_bytes(32) for index in range(500)])
    again.close()


def test_cancelling_keeps_what_was_inspected(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(event: ProgressEvent) -> None:
        if event.done >= 64:
            raise Stop

    many = tuple(added(encoded(made_photo(seed, (40, 40))), f"0/{seed}x.jpg") for seed in range(100, 160))
    with pytest.raises(Stop):
        audit_dataset(dataset(*many), cache_directory=tmp_path, progress=stop)
    assert audit_dataset(dataset(*many), cache_directory=tmp_path).cached >= 64


def test_images_with_transparency_depth_and_palette_are_inspected() -> None:
    photo = made_photo(7)
    for mode, format in (("RGBA", "PNG"), ("L", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("1", "PNG"), ("I;16", "PNG")):
        inspection = inspect_image(encoded(photo.convert("L" if mode == "I;16" else mode).convert(mode), format))
        assert inspection.problem == ""
        assert (inspection.width, inspection.height) == (160, 120)


def test_names_in_any_script_survive() -> None:
    name = "0/ねこ と 犬/Ünïcode.jpg"
    report = audit_dataset(dataset(added(b"", name)))
    assert report.exclude == {name: "cannot be read: the file is empty"}


def test_io_errors_become_findings() -> None:
    class Gone:
        def read(self) -> bytes:
            raise PermissionError(13, "Permission denied")

    report = audit_dataset(dataset(Sample(Gone(), "0/locked.jpg", 0)))
    finding = report.finding("unreadable")
    assert finding is not None and finding.entries[0].note == "Permission denied"
