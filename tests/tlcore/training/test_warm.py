from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tlcore import Registry, TrainOptions, load_bundle, train

AGAIN = """
import sys
from pathlib import Path
from tlcore import Registry, TrainOptions, train

photos, output, cache = sys.argv[1:]
train(photos, Path(output), TrainOptions(backbone="mini"), registry=Registry(), cache_directory=Path(cache))
print(sorted({"torch", "timm", "torchvision", "sklearn", "matplotlib"} & set(sys.modules)))
"""


def test_where_all_features_are_known_training_imports_no_torch_and_makes_the_same_bundle(
    shapes: Path, tmp_path: Path, registry: Registry
) -> None:
    cache = tmp_path / "cache"
    train(str(shapes), tmp_path / "cold", TrainOptions(backbone="mini"), registry=registry, cache_directory=cache)
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(shapes), str(tmp_path / "warm"), str(cache)],
        capture_output=True, text=True, check=True, env={**os.environ, "TLCORE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout == "[]\n"
    for file in sorted((tmp_path / "cold").iterdir()):
        assert (tmp_path / "warm" / file.name).read_bytes() == file.read_bytes(), file.name
    assert load_bundle(tmp_path / "warm", registry).backbone.info.feature_size == 768
