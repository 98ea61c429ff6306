from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tests.conftest import IN_THE_BOX, UNTRAINED, draw_shape, write_shapes
from tlcore import Registry, TrainOptions, TrainResult, evaluate, extract_features, load_bundle, predict, train
from tlcore.errors import BundleError, DatasetError, ImageError, OptionError, UnknownNameError
from tlcore.progress import ProgressEvent


def test_it_learns_what_it_is_shown(trained: TrainResult) -> None:
    assert trained.metrics["test"].top1.value == 1.0
    assert trained.majority == pytest.approx(1 / 3)
    assert not [note for note in trained.notes if "untrained" in note]


def test_random_weights_are_told(shapes: Path, registry: Registry, tmp_path: Path) -> None:
    result = train(str(shapes), tmp_path / "bundle", UNTRAINED, registry=registry)
    assert result.notes[0].startswith("timm/test_resnet is untrained")


def test_same_command_twice_gives_the_same_bytes(
    shapes: Path, trained: TrainResult, registry: Registry, tmp_path: Path
) -> None:
    again = train(str(shapes), tmp_path / "again", IN_THE_BOX, registry=registry, cache_directory=tmp_path / "cache")
    cached = train(str(shapes), tmp_path / "cached", IN_THE_BOX, registry=registry, cache_directory=tmp_path / "cache")
    for name in ("model.safetensors", "head.safetensors", "config.json", "split.json"):
        expected = (trained.bundle.path / name).read_bytes()
        assert (again.bundle.path / name).read_bytes() == expected, name
        assert (cached.bundle.path / name).read_bytes() == expected, name


@pytest.mark.parametrize("cached", [True, False], ids=["cache", "no-cache"])
def test_same_command_twice_on_an_exported_graph_gives_the_same_bytes(
    shapes: Path, registry: Registry, tmp_path: Path, cached: bool
) -> None:
    options = TrainOptions(backbone="mini", engine="onnx", views="flip")
    for run in ("first", "second"):
        home = tmp_path / f"home-{run}" if cached else None
        train(str(shapes), tmp_path / run, options, registry=registry, cache_directory=home)
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes(), file.name
    assert load_bundle(tmp_path / "first", registry).record.backbone["engine"] == {"name": "onnx", "precision": "float32"}


def test_another_seed_splits_otherwise(shapes: Path, trained: TrainResult, registry: Registry, tmp_path: Path) -> None:
    other = train(str(shapes), tmp_path / "other", replace(IN_THE_BOX, seed=1), registry=registry)
    assert other.bundle.split["test"] != trained.bundle.split["test"]


def test_a_given_split_is_kept(registry: Registry, tmp_path: Path) -> None:
    write_shapes(tmp_path / "data" / "train")
    write_shapes(tmp_path / "data" / "val", 3)
    for shape in ("bar", "circle", "square"):
        (tmp_path / "data" / "test" / shape).mkdir(parents=True)
        for index in range(90, 95):
            draw_shape(shape, index).save(tmp_path / "data" / "test" / shape / f"{index}.png")
    result = train(str(tmp_path / "data"), tmp_path / "bundle", IN_THE_BOX, registry=registry)
    assert result.counts == {"train": 36, "validation": 9, "test": 15}
    assert all(name.startswith("test/") for name, _ in result.bundle.split["test"])


def test_unreadable_images_are_left_out_counted_and_listed(registry: Registry, tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "data")
    (data / "bar" / "text.jpg").write_text("not an image")
    (data / "bar" / "cut.png").write_bytes((data / "bar" / "000.png").read_bytes()[:300])
    before = {path: path.read_bytes() for path in data.rglob("*.*")}
    result = train(str(data), tmp_path / "bundle", IN_THE_BOX, registry=registry)
    assert {entry.name for entry in result.left_out} == {"bar/text.jpg", "bar/cut.png"}
    assert sum(result.counts.values()) == 36
    assert {path: path.read_bytes() for path in data.rglob("*.*")} == before
    with pytest.raises(ImageError, match=r"bar/(text\.jpg|cut\.png): "):
        train(str(data), tmp_path / "strict", replace(IN_THE_BOX, strict=True), registry=registry)
    assert not (tmp_path / "strict").exists()


def test_a_class_of_one_image_is_trained_on_and_said(registry: Registry, tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "data", 8)
    for path in list((data / "square").iterdir())[1:]:
        path.unlink()
    result = train(str(data), tmp_path / "bundle", IN_THE_BOX, registry=registry)
    assert result.bundle.record.classes == ("bar", "circle", "square")
    assert "no image of square in test: nothing measures it" in result.notes


def no_damage(data: Path) -> None:
    pass


def empty(data: Path) -> None:
    shutil.rmtree(data)
    data.mkdir()


def one_class(data: Path) -> None:
    shutil.rmtree(data / "bar")
    shutil.rmtree(data / "circle")


def all_text(data: Path) -> None:
    for path in data.rglob("*.png"):
        path.write_text("text")


def no_images(data: Path) -> None:
    for path in data.rglob("*.png"):
        path.rename(path.with_suffix(".doc"))


@pytest.mark.parametrize(
    ("damage", "told"),
    [(shutil.rmtree, r"unknown dataset|there is no such folder"),
     (empty, "holds no class folders"),
     (one_class, r"has images of one class only \('square'\); a classifier needs two or more"),
     (all_text, r"0 readable training images of 0 classes.*could not be read; the first: bar/.*not an image"),
     (no_images, "no images found in its class folders")],
    ids=["missing", "empty", "one-class", "all-text", "no-images"],
)  # fmt: skip
def test_data_that_cannot_be_learnt_from_is_told(
    registry: Registry, tmp_path: Path, damage: Callable[[Path], None], told: str
) -> None:
    data = write_shapes(tmp_path / "data", 4)
    damage(data)
    with pytest.raises((DatasetError, UnknownNameError), match=told):
        train(str(data), tmp_path / "bundle", IN_THE_BOX, registry=registry)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("damage", "exclusions", "told"),
    [(shutil.rmtree, None, r"unknown dataset|there is no such folder"),
     (one_class, None, "has images of one class only"),
     (no_damage, "bar/900.png\n", "names no image of .*data"),
     (no_damage, "".join(f"{shape}/{index:03d}.png\n" for shape in ("bar", "circle") for index in range(4)),
      "has images of one class only")],
    ids=["missing", "one-class", "exclusions-of-other-data", "one-class-after-exclusions"],
)  # fmt: skip
def test_what_needs_no_image_is_refused_before_the_backbone_is_made(
    registry: Registry, tmp_path: Path, damage: Callable[[Path], None], exclusions: str | None, told: str
) -> None:
    data = write_shapes(tmp_path / "data", 4)
    damage(data)
    listed = tmp_path / "out.tsv" if exclusions is not None else None
    if listed is not None:
        listed.write_text(exclusions or "", encoding="utf-8")
    options = replace(IN_THE_BOX, backbone="no-such-backbone", exclude=listed)
    with pytest.raises((DatasetError, UnknownNameError), match=told):
        train(str(data), tmp_path / "bundle", options, registry=registry)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [(TrainOptions(backbone="resnet81"), UnknownNameError, "unknown backbone 'resnet81'; did you mean 'resnet18'?"),
     (replace(IN_THE_BOX, head="liner"), UnknownNameError, "unknown head 'liner'; did you mean 'linear'?"),
     (replace(IN_THE_BOX, head_options={"max_iter": 3}), OptionError, "head linear has no option 'max_iter'"),
     (replace(IN_THE_BOX, backbone_options={"image_size": "big"}), OptionError, "must be a whole number, got 'big'")],
    ids=["backbone", "head", "option", "type"],
)  # fmt: skip
def test_wrong_names_and_options_are_told(
    shapes: Path, registry: Registry, tmp_path: Path, options: TrainOptions, error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as raised:
        train(str(shapes), tmp_path / "bundle", options, registry=registry)
    assert told in str(raised.value)


def test_cancelling_leaves_the_old_bundle(shapes: Path, registry: Registry, tmp_path: Path) -> None:
    first = train(str(shapes), tmp_path / "bundle", IN_THE_BOX, registry=registry)
    before = {path.name: path.read_bytes() for path in first.bundle.path.iterdir()}

    def cancel(event: ProgressEvent) -> None:
        if event.stage == "saving":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(str(shapes), tmp_path / "bundle", replace(IN_THE_BOX, seed=5), registry=registry, progress=cancel)
    assert {path.name: path.read_bytes() for path in first.bundle.path.iterdir()} == before


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
from tests.conftest import IN_THE_BOX
from tlcore import Registry, TlcoreError, train
try:
    train(sys.argv[1], Path(sys.argv[2]), IN_THE_BOX, registry=Registry())
except TlcoreError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="file size limits are a matter of POSIX systems")
def test_a_disk_that_takes_no_more_keeps_the_old_bundle(trained: TrainResult, shapes: Path, tmp_path: Path) -> None:
    import sys

    bundle = Path(shutil.copytree(trained.bundle.path, tmp_path / "bundle"))
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(shapes), str(bundle)], capture_output=True, text=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert f"{bundle}: the bundle cannot be written: File too large; nothing was changed" in done.stdout
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_output_that_holds_something_else_is_refused_before_any_work(
    shapes: Path, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(BundleError, match="choose another place"):
        train(str(shapes), tmp_path, IN_THE_BOX, registry=registry)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_evaluating_passes_over_what_was_trained_on(trained: TrainResult, shapes: Path, registry: Registry) -> None:
    evaluation = evaluate(trained.bundle, registry.dataset(str(shapes)))
    assert (evaluation.images, evaluation.seen) == (6, 30)
    assert evaluation.metrics.top1 == trained.metrics["test"].top1
    assert evaluation.metrics.log_loss == pytest.approx(trained.metrics["test"].log_loss, rel=1e-4)


def test_evaluating_matches_classes_by_name(trained: TrainResult, registry: Registry, tmp_path: Path) -> None:
    subset = tmp_path / "subset"
    for shape in ("square", "circle"):
        (subset / shape).mkdir(parents=True)
        for index in range(200, 206):
            draw_shape(shape, index).save(subset / shape / f"{index}.png")
    evaluation = evaluate(trained.bundle, registry.dataset(str(subset)))
    assert evaluation.metrics.top1.value > 0.6
    assert set(evaluation.metrics.recall) == {"circle", "square"}
    (subset / "square").rename(subset / "sqare")
    with pytest.raises(DatasetError, match=r"class 'sqare' is not one of the model's; did you mean 'square'\?"):
        evaluate(trained.bundle, registry.dataset(str(subset)))
    with pytest.raises(DatasetError, match="has no split 'test'; it has: all"):
        evaluate(trained.bundle, registry.dataset(str(subset)), split="test")


def test_predicting_paths_and_bytes_in_order_with_the_unreadable_told(trained: TrainResult, tmp_path: Path) -> None:
    draw_shape("circle", 300).save(tmp_path / "circle.png")
    (tmp_path / "text.png").write_text("text")
    given = [tmp_path / "circle.png", tmp_path / "text.png", (tmp_path / "circle.png").read_bytes()]
    first, second, third = predict(trained.bundle, given, top_k=2)
    assert (len(first.classes), second.classes, first.classes) == (2, (), third.classes)
    assert second.error == f"{tmp_path / 'text.png'}: not an image that can be read"
    assert sum(probability for _, probability in next(predict(trained.bundle, given[:1])).classes) == pytest.approx(1.0)
    with pytest.raises(ImageError):
        list(predict(trained.bundle, given, strict=True))


@pytest.mark.parametrize("architecture", ["mobilenetv2_100", "regnetx_002"])
def test_real_cats_and_dogs_at_least_as_well_as_scikit_learn(
    shared: Path, registry: Registry, tmp_path: Path, architecture: str
) -> None:
    for animal in ("Cat", "Dog"):
        (tmp_path / "pets" / animal).mkdir(parents=True)
        for photo in sorted((shared / "datasets" / "PetImages" / animal).iterdir())[:60]:
            (tmp_path / "pets" / animal / photo.name).symlink_to(photo)
    options = TrainOptions(backbone=f"local-dir:{shared / 'weights' / architecture}", backbone_options={"image_size": 128})
    result = train(str(tmp_path / "pets"), tmp_path / "bundle", options, registry=registry, cache_directory=tmp_path / "c")
    split = {name: [entry[0] for entry in entries] for name, entries in result.bundle.split.items()}
    data = {sample.name: sample for sample in registry.dataset(str(tmp_path / "pets")).samples}
    fit, held_out = (
        extract_features([data[name] for name in names], result.bundle.backbone)
        for names in (split["train"] + split["validation"], split["test"])
    )
    scaler = StandardScaler().fit(fit.features)
    theirs = LogisticRegression(max_iter=1000).fit(scaler.transform(fit.features), fit.labels)
    reference = theirs.score(scaler.transform(held_out.features), held_out.labels)
    assert result.metrics["test"].top1.value >= reference > 0.8


def test_the_bundles_backbone_is_the_one_it_was_trained_with(trained: TrainResult, registry: Registry) -> None:
    bundle = load_bundle(trained.bundle.path, registry)
    assert bundle.backbone.info.weights_digest == trained.bundle.record.backbone["weights_digest"]
    pixels = bundle.record.preprocess.pixels(Image.new("RGB", (50, 50), "red"))[None]
    np.testing.assert_array_equal(bundle.logits(pixels), trained.bundle.logits(pixels))
