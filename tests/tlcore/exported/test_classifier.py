"""The torch-free classifier: the bundle's answers, from any kind of image."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tlcore import Classifier, Preprocess, TrainResult
from tlcore.errors import ImageError, ModelFileError, TlcoreError
from tlcore.images import BytesImage
from tlcore.prediction import predict


@pytest.fixture(scope="module")
def classifier(exported: Path) -> Classifier:
    return Classifier(exported)


def test_gives_the_bundles_answers(classifier: Classifier, trained: TrainResult, shapes: Path) -> None:
    paths = sorted(shapes.rglob("*.png"))
    ours = list(classifier.predict(paths, top_k=3))
    theirs = list(predict(trained.bundle, paths, top_k=3))
    for found, expected in zip(ours, theirs, strict=True):
        assert found.name == expected.name
        assert [name for name, _ in found.classes] == [name for name, _ in expected.classes]
        np.testing.assert_allclose([p for _, p in found.classes], [p for _, p in expected.classes], atol=1e-4)


def test_every_kind_of_image_gives_one_answer(classifier: Classifier, shapes: Path) -> None:
    path = next(iter(sorted(shapes.rglob("*.png"))))
    image = Image.open(path).convert("RGB")
    kinds = [path, str(path), path.read_bytes(), BytesImage(path.read_bytes()), image, np.asarray(image)]
    answers = {prediction.classes for prediction in classifier.predict(kinds)}
    assert len(answers) == 1


def test_exif_transparency_and_grey_are_treated_as_in_training(classifier: Classifier) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 4), dtype=np.uint8), "RGBA")
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    np.testing.assert_array_equal(classifier.pixels(image), classifier.pixels(encoded.getvalue()))
    grey = np.random.default_rng(1).integers(0, 255, (40, 60), dtype=np.uint8)
    np.testing.assert_array_equal(classifier.pixels(grey), classifier.pixels(np.stack([grey] * 3, axis=2)))


def test_unreadable_images_are_told_or_raised(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"no")
    (found,) = classifier.predict([tmp_path / "no.png"])
    assert found.classes == () and "not an image that can be read" in str(found.error)
    with pytest.raises(ImageError, match="not an image"):
        list(classifier.predict([tmp_path / "no.png"], strict=True))
    with pytest.raises(ImageError, match=r"expected uint8 \(height, width, 3\)"):
        list(classifier.predict([np.zeros((4, 4, 3), np.float32)], strict=True))


def test_one_image_alone_is_a_mistake_that_is_told(classifier: Classifier) -> None:
    with pytest.raises(TlcoreError, match=r"for one, write predict\(\[image\]\)"):
        classifier.predict("photo.jpg")  # type: ignore[arg-type]


def test_run_says_what_it_takes(classifier: Classifier) -> None:
    with pytest.raises(ModelFileError, match=r"takes uint8 \(images, 128, 128, 3\), got uint8 \(1, 8, 8, 3\)"):
        classifier.run(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(ModelFileError, match="has no output 'nothing'; it has: probabilities, logits"):
        classifier.run(np.zeros((1, 128, 128, 3), np.uint8), ("nothing",))


def test_a_plain_file_needs_a_preprocess_record(plain_onnx: Path, exported: Path) -> None:
    with pytest.raises(ModelFileError, match=r"holds no tlcore record, .*'tl export', or state it with --preprocess"):
        Classifier(plain_onnx)
    preprocess = Preprocess(image_size=(8, 8))
    with pytest.raises(ModelFileError, match="states its own preprocess record and labels; leave out yours"):
        Classifier(exported, preprocess=preprocess)
    classifier = Classifier(plain_onnx, preprocess=preprocess, labels=["a", "b", "c", "d"])
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8))
    (found,) = classifier.predict([image], top_k=4)
    weight = onnx.numpy_helper.to_array(onnx.load_model(plain_onnx).graph.initializer[0])
    logits = preprocess.normalise(preprocess.pixels(image)[np.newaxis]).reshape(1, -1) @ weight
    assert found.classes[0][0] == "abcd"[int(logits.argmax())]
    assert sum(probability for _, probability in found.classes) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ModelFileError, match="returns 4 classes, got 2 labels"):
        Classifier(plain_onnx, preprocess=preprocess, labels=["a", "b"])


_TORCH_FREE = """
import os, sys
environment = dict(os.environ)
from tlcore import Classifier
classifier = Classifier(sys.argv[1])
answers = [prediction.to_dict() for prediction in classifier.predict(sys.argv[2:])]
heavy = sorted({"torch", "timm", "sklearn", "scipy", "onnx", "safetensors", "matplotlib"} & set(sys.modules))
assert not heavy, heavy
assert dict(os.environ) == environment
import json; print(json.dumps(answers))
"""


def test_never_imports_torch_nor_changes_the_environment(exported: Path, shapes: Path, classifier: Classifier) -> None:
    paths = [str(path) for path in sorted(shapes.rglob("*.png"))[:3]]
    ran = subprocess.run(
        [sys.executable, "-c", _TORCH_FREE, str(exported), *paths], capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == [prediction.to_dict() for prediction in classifier.predict(paths)]


def test_the_activation_map_averages_to_the_logit(classifier: Classifier, trained: TrainResult, shapes: Path) -> None:
    pixels = np.stack([classifier.pixels(path) for path in sorted(shapes.rglob("*.png"))[:5]])
    found = classifier.run(pixels, ("logits", "activation_map"))
    _, bias = trained.bundle.head.linear()  # type: ignore[misc]
    top = found["logits"].argmax(axis=1)
    explained = found["activation_map"].mean(axis=(1, 2)) + bias[top]
    np.testing.assert_allclose(explained, found["logits"].max(axis=1), rtol=1e-3, atol=1e-3)
