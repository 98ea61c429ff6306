from __future__ import annotations

from pathlib import Path

import pytest

from tlcore import Registry, TrainOptions, train
from tlcore.default_backbone import DEFAULT_BACKBONE, make_backbone
from tlcore.errors import WeightsUnavailableError


def test_without_a_network_the_one_in_the_box_stands_in_and_says_so(
    shapes: Path, registry: Registry, tmp_path: Path
) -> None:
    result = train(str(shapes), tmp_path / "bundle", TrainOptions(), registry=registry)
    assert result.bundle.record.backbone["reference"] == "tlcore:mini"
    assert result.notes[0].startswith(f"{DEFAULT_BACKBONE} cannot be fetched, so the small network in the box stands in")
    assert result.metrics["test"].top1.value == 1.0


def test_a_backbone_that_was_named_is_never_replaced(registry: Registry) -> None:
    with pytest.raises(WeightsUnavailableError, match="is not in the cache"):
        make_backbone(DEFAULT_BACKBONE, {}, registry, None)


def test_without_the_one_in_the_box_the_error_stays() -> None:
    with pytest.raises(WeightsUnavailableError, match="is not in the cache"):
        make_backbone(None, {}, Registry(disabled=["tlcore:mini"]), None)
