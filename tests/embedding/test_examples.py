"""The examples of embedding run as they stand."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from tlcore import TrainResult

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def example(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_web_service(trained: TrainResult, shapes: Path) -> None:
    pytest.importorskip("fastapi", reason="the example is a FastAPI application")
    pytest.importorskip("httpx", reason="FastAPI's test client needs httpx")
    from starlette.testclient import TestClient

    with TestClient(example("web_service").create(trained.bundle)) as client:
        answered = client.post("/predict", content=(shapes / "bar" / "000.png").read_bytes())
        assert answered.status_code == 200
        assert set(answered.json()) == {"bar", "circle", "square"}
        assert sum(answered.json().values()) == pytest.approx(1, abs=1e-5)
        refused = client.post("/predict", content=b"no image")
        assert (refused.status_code, refused.json()) == (400, {"detail": "bytes: not an image that can be read"})


def test_web_service_is_thirty_lines() -> None:
    text = (EXAMPLES / "web_service.py").read_text(encoding="utf-8").partition('"""\n\nfrom')[2]
    assert len([line for line in text.splitlines() if line.strip()]) <= 30


def test_pipeline(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    photos = sorted(shapes.glob("*/*.png"))
    labels = [photo.parent.name for photo in photos]
    search = example("pipeline").search(photos, labels, "mini", {})
    assert search.best_score_ > 0.9
    assert search.predict([photos[0]])[0] in {"bar", "circle", "square"}
    assert any((tmp_path / "features").iterdir())


def test_notebook(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="running the notebook needs nbclient")
    pytest.importorskip("ipykernel", reason="running the notebook needs ipykernel")
    import nbformat

    monkeypatch.setenv("PHOTOS", str(shapes))
    monkeypatch.setenv("BACKBONE", "mini")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    assert len(shown) == 3
    assert "<th>right on test</th>" in shown[0]
    assert "<th>log-loss</th>" in shown[1]
    assert "data:image/png;base64," in shown[2]
    assert os.listdir(tmp_path / "my-classifier")


def test_examples_are_read_by_their_paths() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")} == {
        "web_service.py",
        "pipeline.py",
        "notebook.ipynb",
    }
