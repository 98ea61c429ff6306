"""Two processes under torchrun give what one gives at the same batch, up to rounding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.conftest import write_shapes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun's gloo needs a Unix system here")

GIVEN = [
    "-m", "tlcore_cli", "train", "shapes", "--backbone", "mini", "--set", "backbone.image_size=32", "--no-audit",
    "--finetune", "full", "--set", "finetune.epochs=1", "--set", "finetune.batch_size=8", "--set", "finetune.mixup=0.2",
    "--set", "finetune.init=zero", "--set", "finetune.optimizer=momentum", "--set", "finetune.restore_best=false", "--set", "finetune.workers=0",
]  # fmt: skip


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    environment = {**os.environ, "TLCORE_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for start, output in (([sys.executable], "one"), (torchrun, "two")):
        done = subprocess.run(
            [*start, *GIVEN, "-o", output], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("saved to") == 1
    records = [json.loads((tmp_path / output / "tlcore.json").read_text(encoding="utf-8")) for output in ("one", "two")]
    assert [record["head"]["finetune"]["processes"] for record in records] == [1, 2]
    one, two = (load_file(tmp_path / output / "model.safetensors") for output in ("one", "two"))
    assert np.abs(one["fc.weight"]).max() > 1e-4  # which began at zero
    for name, tensor in one.items():
        np.testing.assert_allclose(two[name], tensor, rtol=1e-2, atol=2e-5)
