"""Looking for the learning rate of a fine-tuning."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tlcore.errors import OptionError
from tlcore.fine_tuner import LearningRates
from tlcore.progress import Progress, silent
from tlcore.registry import Registry
from tlcore.training.fine_tuning import starting_task
from tlcore.training.learning import learn
from tlcore.training.options import TrainOptions


def find_learning_rate(
    dataset: str,
    options: TrainOptions,
    *,
    registry: Registry,
    steps: int = 60,
    cache_directory: Path | None = None,
    progress: Progress = silent,
) -> LearningRates:
    """Try learning rates for the fine-tuning that the options ask for; nothing is saved.

    Args:
        dataset: a dataset's name, or a path to a folder of photos.
        options: how to train; ``finetune`` says how to fine-tune.
        registry: where names are looked up.
        steps: how many updates to try, each at a higher rate.
        cache_directory: where features are kept between runs; None keeps none.
        progress: told how far it is; an exception it raises cancels.

    Raises:
        TlcoreError: one of its kinds, naming what to mend.
    """
    if options.finetune is None:
        raise OptionError(
            "a learning rate is looked for in fine-tuning: say how the network is trained, for instance 'full'"
        )
    tuner = registry.finetune(options.finetune, options.finetune_options)
    learnt = learn(dataset, options, registry=registry, cache_directory=cache_directory, progress=progress)
    with tempfile.TemporaryDirectory() as nowhere:
        task = starting_task(
            learnt.backbone,
            learnt.head,
            learnt.features,
            learnt.dataset.class_names,
            directory=Path(nowhere),
            seed=options.seed,
        )
        return tuner.try_rates(task, steps=steps, progress=progress)
