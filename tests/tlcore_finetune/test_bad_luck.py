"""What goes wrong while a network is trained: it is told, and nothing that was reached is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import draw_shape
from tests.tlcore_finetune.conftest import weights
from tlcore import FineTuneResult, FineTuneTask
from tlcore.errors import FineTuneError, ImageError
from tlcore.images import FileImage
from tlcore.observer import TrainingEvent

Tune = Callable[..., FineTuneResult]


def spoil_loss(monkeypatch: pytest.MonkeyPatch, update: int, value: float) -> None:
    """Let the loss of one update be no number."""
    from tlcore_finetune.update import Updates

    real = Updates.compute_gradients

    def compute(self: Any, inputs: torch.Tensor, labels: torch.Tensor, step: int) -> Any:
        updated = real(self, inputs, labels, step)
        return replace(updated, loss=value) if step + 1 == update else updated

    monkeypatch.setattr(Updates, "compute_gradients", compute)


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_a_loss_that_is_no_number_stops_and_keeps_the_best_weights(
    value: float, task: FineTuneTask, tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = tune(task, epochs=1, schedule="constant", warmup=0.0)
    spoil_loss(monkeypatch, 5, value)
    result = tune(task, epochs=4, schedule="constant", warmup=0.0)
    assert result.record["stopped"] == f"the loss became {value} at update 5"
    assert result.record["best_epoch"] == 1
    assert weights(result.network) == weights(good.network)
    assert "the weights after epoch 1 were kept; a lower finetune.learning_rate may help" in result.notes[0]


def test_a_diverging_run_keeps_where_it_started(task: FineTuneTask, tune: Tune) -> None:
    result = tune(task, optimizer="sgd", learning_rate=50.0, clip_norm=None, warmup=0.0, epochs=3)
    assert all(tensor.isfinite().all() for tensor in result.network.state_dict().values())
    assert any("fine-tuning stopped: the" in note for note in result.notes)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Let a forward pass on more images than `most` fail as torch fails without memory."""
    from tlcore_finetune.update import Updates

    real = Updates._loss

    def loss(self: Any, inputs: torch.Tensor, labels: torch.Tensor, step: int, part: int) -> torch.Tensor:
        if len(labels) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return real(self, inputs, labels, step, part)

    monkeypatch.setattr(Updates, "_loss", loss)


def test_out_of_memory_computes_batches_in_parts_and_says_so(
    task: FineTuneTask, tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"epochs": 1, "optimizer": "sgd", "restore_best": False}
    whole = tune(task, **settings).network.state_dict()
    short_of_memory(monkeypatch, 2)
    result = tune(task, **settings)
    assert result.notes[1] == (
        "out of memory at update 1: each batch is computed in 4 parts from there on, 2 images at a time"
    )
    for name, tensor in result.network.state_dict().items():
        torch.testing.assert_close(tensor, whole[name], rtol=1e-4, atol=1e-5)


def test_memory_for_nothing_at_all_is_told(task: FineTuneTask, tune: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    short_of_memory(monkeypatch, 1)
    with pytest.raises(FineTuneError, match=r"out of memory at update 1 even with 2 images at a time; use a smaller"):
        tune(task)


def test_another_runtime_error_is_not_taken_for_memory(
    task: FineTuneTask, tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tlcore_finetune.update import Updates

    def broken(*arguments: object) -> torch.Tensor:
        raise RuntimeError("something else")

    monkeypatch.setattr(Updates, "_loss", broken)
    with pytest.raises(RuntimeError, match="something else"):
        tune(task)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_goes_bad_is_named_and_the_run_goes_on_from_there(
    workers: int, task: FineTuneTask, tune: Tune, tmp_path: Path
) -> None:
    path = tmp_path / "later.png"
    draw_shape("bar", 3).save(path)
    intact = path.read_bytes()
    held = replace(task, train=(*task.train[:-1], replace(task.train[0], image=FileImage(path), name="later.png")))
    unbroken = weights(tune(held, epochs=3, flip=0.0).network)
    seen: list[TrainingEvent] = []

    def damage(event: TrainingEvent) -> None:
        seen.append(event)
        if event.kind == "step" and event.step == 4:
            path.write_bytes(intact[:40])

    with pytest.raises(ImageError, match=r"later\.png: "):
        tune(held, epochs=3, flip=0.0, workers=workers, go_on=True, observe=damage)
    assert seen[-1].kind == "stopped"
    path.write_bytes(intact)
    assert weights(tune(held, epochs=3, flip=0.0, go_on=True).network) == unbroken


@pytest.mark.parametrize("way", ["full", "last-block"])
def test_a_class_without_training_images_is_never_learnt(way: str, task: FineTuneTask, tune: Tune) -> None:
    two = replace(task, train=tuple(sample for sample in task.train if sample.label != 1))
    result = tune(two, way, class_weight="balanced", epochs=3)
    assert result.network.state_dict()["fc.bias"].isfinite().all()


def cut_tensors(folder: Path) -> None:
    path = folder / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def cut_state(folder: Path) -> None:
    (folder / "state.json").write_text('{"format_ver', encoding="utf-8")


def lose_state(folder: Path) -> None:
    (folder / "state.json").unlink()


def newer(folder: Path) -> None:
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    (folder / "state.json").write_text(json.dumps({**state, "format_version": 9}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "told"),
    [(cut_tensors, "is damaged"), (cut_state, "is damaged"), (lose_state, "is damaged"), (newer, "checkpoint version 9")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_damaged_checkpoint_is_refused(damage: Callable[[Path], None], told: str, task: FineTuneTask, tune: Tune) -> None:
    task.directory.mkdir()
    tune(task, epochs=1, go_on=True)
    damage(task.directory / "checkpoint")
    with pytest.raises(FineTuneError, match=told):
        tune(task, epochs=1, go_on=True)


def test_a_checkpoint_that_cannot_be_written_keeps_the_last_one(
    task: FineTuneTask, tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tlcore_finetune import checkpoint

    task.directory.mkdir()
    unbroken = weights(tune(task, epochs=2).network)
    real, calls = checkpoint.save_file, []

    def full_disk(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        real(*arguments)

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(FineTuneError, match="cannot be written: No space left on device; the last one is kept"):
        tune(task, epochs=2, checkpoint_seconds=0.0, go_on=True)
    assert [path.name for path in task.directory.iterdir()] == ["checkpoint"]
    monkeypatch.undo()
    assert weights(tune(task, epochs=2, checkpoint_seconds=0.0, go_on=True).network) == unbroken


def test_ctrl_c_between_updates_is_let_through_after_a_checkpoint(task: FineTuneTask, tune: Tune) -> None:
    unbroken = weights(tune(task).network)

    def interrupt(event: TrainingEvent) -> None:
        if event.kind == "step" and event.step == 2:
            raise KeyboardInterrupt

    task.directory.mkdir()
    with pytest.raises(KeyboardInterrupt):
        tune(task, go_on=True, observe=interrupt)
    state = json.loads((task.directory / "checkpoint" / "state.json").read_text(encoding="utf-8"))
    assert state["run"]["step"] == 2
    assert weights(tune(task, go_on=True).network) == unbroken


def test_ctrl_c_within_an_update_saves_nothing_half_done(
    task: FineTuneTask, tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tlcore_finetune.update import Updates

    unbroken = weights(tune(task).network)
    real, calls = Updates.apply, []

    def interrupted(self: Any) -> None:
        real(self)
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    task.directory.mkdir()
    monkeypatch.setattr(Updates, "apply", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(task, go_on=True)
    monkeypatch.undo()
    assert not (task.directory / "checkpoint").exists()
    assert weights(tune(task, go_on=True).network) == unbroken
