"""The main job from top to bottom: what is asked for, learnt, trained further, saved and told."""

from __future__ import annotations

import time
from pathlib import Path

from tlcore.bundle import check_target, load_bundle
from tlcore.machine.processes import is_main_process, leave_together
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore.registry import Registry
from tlcore.training.fine_tuning import Tuning, tune_further
from tlcore.training.learning import learn
from tlcore.training.measuring import majority
from tlcore.training.options import TrainOptions
from tlcore.training.result import TrainResult
from tlcore.training.run_folder import RunRequest, finish_run
from tlcore.training.saving import save_learnt


def train(
    dataset: str,
    output: Path,
    options: TrainOptions,
    *,
    registry: Registry,
    cache_directory: Path | None = None,
    progress: Progress = silent,
) -> TrainResult:
    """Train a classifier and save it as a bundle.

    Args:
        dataset: a dataset's name, or a path to a folder of photos.
        output: where the bundle goes; an earlier bundle there is replaced once the new one is whole.
        options: how to train.
        registry: where names are looked up.
        cache_directory: where features are kept between runs; None keeps none.
        progress: told how far it is; an exception it raises cancels and leaves `output` as it was.

    Raises:
        TlcoreError: one of its kinds, naming what to mend; `output` is then as it was.

    Examples:
        >>> from tlcore import Registry, TrainOptions, train
        >>> options = TrainOptions(backbone="timm/test_resnet", backbone_options={"pretrained": False})
        >>> result = train("digits", Path("digits-bundle"), options, registry=Registry())  # doctest: +SKIP
    """
    started = time.perf_counter()
    check_target(output)
    tuning = Tuning.asked(RunRequest(dataset=dataset, output=output, options=options), registry)
    learnt = learn(dataset, options, registry=registry, cache_directory=cache_directory, progress=progress)
    if tuning is not None:
        learnt = tune_further(learnt, tuning, progress)
    if is_main_process():
        progress(ProgressEvent("saving", 0, 1))
        save_learnt(output, learnt, dataset, options, registry)
        progress(ProgressEvent("saving", 1, 1))
        if tuning is not None:
            finish_run(tuning.request)
    leave_together()
    return TrainResult(
        bundle=load_bundle(output, registry),
        metrics=learnt.metrics,
        counts={name: len(part.samples) for name, part in learnt.features.items()},
        majority=majority(learnt.features),
        left_out=(*learnt.dataset.left_out, *(entry for part in learnt.features.values() for entry in part.left_out)),
        notes=learnt.notes,
        engine=str(learnt.embedding.extractor.choice),
        seconds=time.perf_counter() - started,
    )
