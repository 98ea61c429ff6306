"""The automatic choice: whichever head does best by cross-validation on the training images, within a time budget.

Source: k-fold cross-validation, Stone 1974; two heads are compared on the same images by the exact McNemar test (McNemar
1947). Heads are tried with their default options, the linear one first; one that does not get through all folds in the time
left is passed over, and where not even the linear one does, it is taken without a comparison. Time is looked at where heads
report progress. Equal images share a fold; nearly equal ones may not, which flatters `knn`: `tl data check` finds them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from tlcore.deadline import Deadline, OutOfTimeError
from tlcore.errors import HeadError
from tlcore.head import FittedHead, Head, HeadData, HeadFit
from tlcore.mcnemar import compare_answers
from tlcore.metrics import Share
from tlcore.progress import Progress, ProgressEvent
from tlcore.specs import import_target
from tlcore_heads import tlcore_heads as offered_heads
from tlcore_heads.loss import log_loss
from tlcore_heads.options import AutoOptions
from tlcore_heads.row_folds import row_folds

if TYPE_CHECKING:
    import torch

FALLBACK = "linear"
"""What is taken where there is nothing to compare by."""


def create(argument: str | None, options: AutoOptions) -> AutoHead:
    """Make the head."""
    return AutoHead(options)


class FittedChoice(FittedHead):
    """A fitted head together with the name of its kind.

    Args:
        name: of the kind.
        head: what was fitted.
    """

    def __init__(self, name: str, head: FittedHead) -> None:
        self._name = name
        self._head = head

    @property
    def classes(self) -> int:
        return self._head.classes

    def compute_logits(self, features: Float32[np.ndarray, "images features"]) -> Float32[np.ndarray, "images classes"]:
        return self._head.compute_logits(features)

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {f"{self._name}.{name}": array for name, array in self._head.tensors().items()}

    def linear(self) -> tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]] | None:
        return self._head.linear()

    def torch_module(self) -> torch.nn.Module:
        return self._head.torch_module()


@dataclass(frozen=True)
class _Trial:
    """What a head was worth by cross-validation.

    Attributes:
        name: of the head.
        correct: (images,) bool.
        log_loss: over all images.
        seconds: all folds took.
    """

    name: str
    correct: np.ndarray
    log_loss: float
    seconds: float


class AutoHead(Head):
    """The best of the other heads; see the module's text."""

    def __init__(self, options: AutoOptions) -> None:
        self._options = options

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        folds = row_folds(train, self._options.folds, seed)
        trials, passed_over = self._try_all(train, validation, classes, folds, seed, progress)
        if trials:
            best = max(trials, key=lambda trial: (int(trial.correct.sum()), -trial.log_loss))
            name, why = best.name, self._why(best, trials, passed_over)
        else:
            name, why = FALLBACK, self._why_not(folds, train)
        fit = _head(name).fit(train, validation, classes, seed=seed, progress=progress)
        record = {
            **fit.record,
            "chosen": name,
            "why": why,
            "compared": {trial.name: _trial_record(trial) for trial in trials},
            "passed_over": list(passed_over),
        }
        return HeadFit(
            head=FittedChoice(name, fit.head),
            validation_logits=fit.validation_logits,
            record=record,
            notes=(f"head auto took {name}: {why}", *fit.notes),
        )

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedChoice:
        kinds = {name.partition(".")[0] for name in tensors}
        known = [spec.name for spec in offered_heads()]
        if len(kinds) != 1 or not kinds <= set(known):
            raise HeadError(
                f"an auto head is restored from the tensors of one head, named like 'linear.weight'; got {kinds}"
            )
        (kind,) = kinds
        return FittedChoice(kind, _head(kind).restore({name.partition(".")[2]: array for name, array in tensors.items()}))

    def _try_all(
        self,
        train: HeadData,
        validation: HeadData,
        classes: int,
        folds: Int64[np.ndarray, " images"] | None,
        seed: int,
        progress: Progress,
    ) -> tuple[list[_Trial], list[str]]:
        """Cross-validate each candidate while there is time; return the trials and the names passed over."""
        trials: list[_Trial] = []
        passed_over: list[str] = []
        deadline = Deadline(self._options.seconds)
        names = sorted(self._options.candidates, key=lambda name: name != FALLBACK)
        for done, name in enumerate(names if folds is not None else ()):
            progress(ProgressEvent("choosing the head", done, len(names)))
            assert folds is not None
            try:
                trials.append(_cross_validate(name, train, validation, classes, folds, seed, progress, deadline))
            except OutOfTimeError:
                passed_over.append(name)
        progress(ProgressEvent("choosing the head", len(names), len(names)))
        return trials, passed_over

    def _why(self, best: _Trial, trials: Sequence[_Trial], passed_over: Sequence[str]) -> str:
        ordered = sorted(trials, key=lambda trial: (-int(trial.correct.sum()), trial.log_loss))
        others = ", ".join(
            f"{trial.name} {100 * trial.correct.mean():.1f} % (p {compare_answers(best.correct, trial.correct).p_value:.2g})"
            for trial in ordered
            if trial is not best
        )
        spent = sum(trial.seconds for trial in trials)
        told = f"{Share.of(int(best.correct.sum()), len(best.correct))} of the training images by cross-validation"
        told += f"; then {others}" if others else ""
        told += f"; no time for {', '.join(passed_over)}" if passed_over else ""
        return f"{told}; {spent:.1f} of {self._options.seconds:g} seconds"

    def _why_not(self, folds: np.ndarray | None, train: HeadData) -> str:
        if folds is None:
            return f"{len(train.labels)} training images are too few to compare heads by"
        return f"{self._options.seconds:g} seconds are too few to compare heads in; raise head.seconds"


def _cross_validate(
    name: str,
    train: HeadData,
    validation: HeadData,
    classes: int,
    folds: Int64[np.ndarray, " images"],
    seed: int,
    progress: Progress,
    deadline: Deadline,
) -> _Trial:
    """Fit a head without each fold in turn and let it judge that fold; raises `OutOfTimeError` at the deadline."""

    def told(event: ProgressEvent) -> None:
        progress(ProgressEvent(f"trying {name}", event.done, event.total))

    watch = deadline.watch(told)
    started = time.monotonic()
    head = _head(name)
    logits = np.zeros((len(train.labels), classes), np.float32)
    for fold in np.unique(folds):
        watch(ProgressEvent(name, int(fold), int(folds.max()) + 1))
        rest = train.rows(folds != fold)
        fit = head.fit(rest, validation, classes, seed=seed, progress=watch)
        logits[folds == fold] = fit.head.logits(train.features[folds == fold])
    return _Trial(
        name=name,
        correct=logits.argmax(axis=1) == train.labels,
        log_loss=log_loss(logits, train.labels),
        seconds=time.monotonic() - started,
    )


def _trial_record(trial: _Trial) -> dict[str, object]:
    return {
        "accuracy": Share.of(int(trial.correct.sum()), len(trial.correct)).to_dict(),
        "log_loss": round(trial.log_loss, 6),
        "seconds": round(trial.seconds, 3),
    }


def _head(name: str) -> Head:
    """Make one of this plugin's heads with its default options."""
    (spec,) = (spec for spec in offered_heads() if spec.name == name)
    head: Head = import_target(spec.factory)(None, spec.options())
    return head
