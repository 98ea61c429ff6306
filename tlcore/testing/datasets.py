"""The contract of datasets as checks."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath

from tlcore.dataset import Dataset, Sample
from tlcore.errors import ImageError
from tlcore.images import ImageSource, decode_image, read_image
from tlcore.testing.another_process import call_elsewhere
from tlcore.testing.conformance import CheckSkipped, Conformance, expect

LOOKED_AT = 24
"""How many samples are read and decoded, spread over the dataset."""


class DatasetConformance(Conformance):
    """Checks of a dataset; see `Conformance` for how to use it."""

    kind = "dataset"

    @property
    def subject(self) -> Dataset:
        """The dataset under test."""
        made: Dataset = super().subject
        return made

    def use(self) -> None:
        """Read and decode some images."""
        for sample in self.samples():
            decode_image(read_image(sample.image, sample.name), sample.name)

    def samples(self) -> Sequence[Sample]:
        """Return up to `LOOKED_AT` samples, spread over the dataset."""
        everything = self.subject.samples
        return everything[:: max(1, len(everything) // LOOKED_AT)][:LOOKED_AT]

    def test_has_classes_with_names(self) -> None:
        """There are two classes or more, each with a name of its own that is one line of text."""
        names = self.subject.class_names
        expect(len(names) >= 2, f"{self.name}: a classifier needs two classes or more, got {len(names)}")
        wrong = [name for name in names if not isinstance(name, str) or not name.strip() or "\n" in name]
        expect(not wrong, f"{self.name}: class names must be text of one line, got {wrong[:1]}")

    def test_every_class_has_images(self) -> None:
        """Every class has an image in some split."""
        present = {sample.label for sample in self.subject.samples}
        empty = [name for label, name in enumerate(self.subject.class_names) if label not in present]
        expect(not empty, f"{self.name}: class {empty[0] if empty else ''!r} has no image")

    def test_reading_it_again_gives_the_same(self) -> None:
        """Read twice, the samples come in the same order with the same labels: splits and caches rely on it."""
        again = self.make()
        expect(again.digest == self.subject.digest, f"{self.name}: read twice, samples, labels or their order differ")

    def test_sample_names_travel(self) -> None:
        """Sample names are relative with forward slashes, so that a bundle's record means the same on another machine."""
        for sample in self.subject.samples:
            absolute = PurePosixPath(sample.name).is_absolute() or PureWindowsPath(sample.name).drive
            expect(
                sample.name and not absolute and "\\" not in sample.name and ".." not in PurePosixPath(sample.name).parts,
                f"{self.name}: sample name {sample.name!r} must be relative with forward slashes",
            )

    def test_images_decode(self) -> None:
        """Images are encoded bytes that tlcore decodes."""
        for sample in self.samples():
            expect(
                isinstance(sample.image, ImageSource),
                f"{self.name}: {sample.name}: image must have read() -> bytes, got {type(sample.image).__name__}",
            )
            data = sample.image.read()
            expect(
                isinstance(data, bytes), f"{self.name}: {sample.name}: read() must return bytes, got {type(data).__name__}"
            )
            try:
                decode_image(data, sample.name)
            except ImageError as error:
                expect(False, f"{self.name}: {error}")

    def test_images_read_the_same_twice(self) -> None:
        """Reading an image twice gives the same bytes: features are kept by their digest."""
        for sample in self.samples():
            same = sample.image.read() == sample.image.read()
            expect(same, f"{self.name}: {sample.name}: read twice, the bytes differ")

    def test_another_process_reads_the_same(self) -> None:
        """Samples can be pickled and read in another process: workers rely on it."""
        samples = list(self.samples())
        try:
            pickle.dumps(samples)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            expect(False, f"{self.name}: its samples cannot be pickled: {error}")
        there = call_elsewhere("tlcore.testing.datasets:digest_elsewhere", samples)
        expect(there == digest_elsewhere(samples), f"{self.name}: in another process its images read differently")

    def test_labels_are_plain_integers(self) -> None:
        """Labels are Python's own integers, so that records of them are JSON."""
        odd = [sample for sample in self.subject.samples if type(sample.label) is not int]
        expect(not odd, f"{self.name}: labels must be int, got {type(odd[0].label).__name__ if odd else ''}")

    def test_states_its_licence(self) -> None:
        """A dataset that is not the user's own says under which licence it may be used."""
        if self.reference().offer.spec.argument is not None:
            raise CheckSkipped("reads what the user gives it")
        expect(self.subject.licence.strip(), f"{self.name}: the dataset states no licence; every bundle keeps it")

    def test_knows_nothing_of_tensors(self) -> None:
        """Reading the dataset in a fresh process imports no torch."""
        modules = [module.__name__ for module in self.modules]
        heavy = call_elsewhere("tlcore.testing.datasets:torch_imported_elsewhere", (modules, self.name, dict(self.options)))
        expect(not heavy, f"{self.name}: reading it imports torch; a dataset knows nothing of tensors")


def digest_elsewhere(samples: Sequence[Sample]) -> str:
    """Return the SHA-256 over the bytes of some samples' images; run in another process."""
    summary = hashlib.sha256()
    for sample in samples:
        summary.update(sample.image.read())
    return summary.hexdigest()


def torch_imported_elsewhere(request: tuple[list[str], str, dict[str, object]]) -> bool:
    """Read a dataset by name and return whether that imported torch; run in another process."""
    import sys
    from importlib import import_module

    from tlcore.registry import Registry

    modules, name, options = request
    Registry([import_module(module) for module in modules]).dataset(name, options)
    return "torch" in sys.modules
