"""The contract of fine-tuners as checks."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tlcore.dataset import Sample
from tlcore.errors import TlcoreError
from tlcore.fine_tuner import FineTuner, FineTuneResult, FineTuneTask, Observe
from tlcore.images import BytesImage, encode_png
from tlcore.observer import Observers, TrainingEvent
from tlcore.progress import Progress, silent
from tlcore.testing.cancelling import expect_cancels
from tlcore.testing.conformance import Conformance, ConformanceFailure, expect, expect_json
from tlcore.testing.visualizers import small_subject

_COLOURS = ((200, 60, 50), (60, 200, 70), (50, 70, 200), (190, 190, 60), (170, 60, 190))


def coloured_samples(count: int, seed: int) -> tuple[Sample, ...]:
    """Return `count` noisy pictures of each of five colours, 64 x 64 pixels."""
    random = np.random.default_rng(seed)
    samples = []
    for label, colour in enumerate(_COLOURS):
        for index in range(count):
            pixels = np.clip(np.array(colour) + random.integers(-40, 41, (64, 64, 3)), 0, 255).astype(np.uint8)
            image = BytesImage(encode_png(Image.fromarray(pixels)))
            samples.append(Sample(image=image, name=f"{seed}/{label}/{index}", label=label))
    return tuple(samples)


class FineTuneConformance(Conformance):
    """Checks of a fine-tuner, on a small network and pictures of five colours; see `Conformance` for how to use it."""

    kind = "finetune"

    @property
    def subject(self) -> FineTuner:
        """The fine-tuner under test."""
        made: FineTuner = super().subject
        return made

    def use(self) -> None:
        """Fine-tune once."""
        with _folder() as directory:
            self._tune(directory)

    def _tune(
        self, directory: Path, *, observe: Observe | None = None, progress: Progress = silent, seed: int = 0
    ) -> FineTuneResult:
        import torch

        small = small_subject()
        last: Any = list(small.network.modules())[-1]
        with torch.no_grad():
            last.weight.zero_()
            last.bias.zero_()
        task = FineTuneTask(
            network=small.network,
            preprocess=small.preprocess,
            class_names=small.class_names,
            train=coloured_samples(4, 0),
            validation=coloured_samples(2, 1),
            seed=seed,
            directory=directory,
        )
        listening = observe if observe is not None else Observers({})
        tuner: FineTuner = self.make()
        return tuner.tune(task, observe=listening, progress=progress)

    def test_it_learns(self) -> None:
        """From a classifier that knows nothing, the validation images' log-loss falls below that of guessing."""
        with _folder() as directory:
            result = self._tune(directory)
        loss = _log_loss(result, coloured_samples(2, 1))
        expect(loss < math.log(5) - 1e-3, f"{self.name}: log-loss {loss:.3f} after training, guessing has {math.log(5):.3f}")

    def test_same_seed_gives_the_same_bits(self) -> None:
        """The same task and seed give the same weights, bit for bit."""
        with _folder() as first, _folder() as second:
            same = _weights(self._tune(first)) == _weights(self._tune(second))
        expect(same, f"{self.name}: the same seed gave other weights the second time; use the seed it gets")

    def test_goes_on_from_where_it_was_cancelled(self) -> None:
        """An exception raised by `progress` is let through, and the run, gone on with, ends as an unbroken one."""
        with _folder() as directory:
            whole = _weights(self._tune(directory))
        started: list[TrainingEvent] = []
        with _folder() as directory:
            calls = expect_cancels(lambda cancel: self._tune(directory, progress=cancel), self.name, at=2)
            resumed = _weights(self._tune(directory, observe=started.append))
        expect(whole == resumed, f"{self.name}: cancelled and gone on with, it ends with other weights than unbroken")
        expect(
            calls < 2 or started[0].step > 0,
            f"{self.name}: cancelled after its second update, it began anew instead of going on from a checkpoint",
        )

    def test_refuses_the_checkpoint_of_another_task(self) -> None:
        """A run's folder with the checkpoint of another task is refused by a `TlcoreError` of one line."""
        with _folder() as directory:
            self._tune(directory)
            try:
                self._tune(directory, seed=1)
            except TlcoreError as error:
                expect("\n" not in str(error), f"{self.name}: its error must be one line, got {str(error)!r}")
            else:
                raise ConformanceFailure(f"{self.name}: went on from a checkpoint of another seed; refuse it")

    def test_events_tell_the_run(self) -> None:
        """Events begin with ``started`` and end with ``finished``, steps rise by one, and values are finite floats."""
        told: list[TrainingEvent] = []
        with _folder() as directory:
            self._tune(directory, observe=told.append)
        kinds = [event.kind for event in told]
        expect(
            kinds[:1] == ["started"] and kinds[-1:] == ["finished"],
            f"{self.name}: events must begin with 'started' and end with 'finished', got {kinds[:1]} and {kinds[-1:]}",
        )
        steps = [event.step for event in told if event.kind == "step"]
        expect(steps == list(range(1, len(steps) + 1)), f"{self.name}: steps must be 1, 2, 3, ..., got {steps[:5]}")
        for event in told:
            wrong = [name for name, value in event.values.items() if type(value) is not float or not math.isfinite(value)]
            expect(not wrong, f"{self.name}: {event.kind} tells {', '.join(wrong)} that is no finite float")
            expect_json(event.record, f"{self.name}: the record of {event.kind}")

    def test_record_is_json(self) -> None:
        """The record of how it went can be written as JSON."""
        with _folder() as directory:
            expect_json(self._tune(directory).record, f"{self.name}: the record")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def _weights(result: FineTuneResult) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in result.network.state_dict().items()}


def _log_loss(result: FineTuneResult, samples: tuple[Sample, ...]) -> float:
    import torch

    from tlcore.images import decode_image, read_image

    pixels = [result.preprocess.pixels(decode_image(read_image(sample.image, sample.name))) for sample in samples]
    with torch.inference_mode():
        logits = result.network(torch.from_numpy(result.preprocess.normalise(np.stack(pixels))))
        labels = torch.tensor([sample.label for sample in samples])
        return float(torch.nn.functional.cross_entropy(logits, labels))
