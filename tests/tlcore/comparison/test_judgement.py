from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tlcore.comparison.judgement import Judgement, JudgementStore, judgement_key
from tlcore.errors import TlcoreError

KEY = judgement_key(["a", "b"])
FOUND = Judgement(correct=np.array([True, False, True]), log_loss=0.25, seconds=1.5)


def test_what_was_judged_is_remembered(tmp_path: Path) -> None:
    JudgementStore(tmp_path).write(KEY, FOUND)
    again = JudgementStore(tmp_path).read(KEY)
    assert again is not None
    assert again.correct.tolist() == [True, False, True]
    assert (again.log_loss, again.seconds) == (0.25, 1.5)
    assert JudgementStore(tmp_path).read(judgement_key(["ab"])) is None


@pytest.mark.parametrize(
    "change",
    [lambda text: text[:-5], lambda text: text.replace("101", "111"), lambda _: "[]"],
    ids=["cut", "altered", "other"],
)
def test_a_damaged_one_counts_as_absent(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    JudgementStore(tmp_path).write(KEY, FOUND)
    (file,) = tmp_path.rglob("*.json")
    file.write_text(change(file.read_text()))
    assert JudgementStore(tmp_path).read(KEY) is None


def test_without_a_directory_nothing_is_remembered() -> None:
    store = JudgementStore(None)
    store.write(KEY, FOUND)
    assert store.read(KEY) is None


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "judgements").write_text("a file where the folder should be")
    with pytest.raises(TlcoreError, match="what was measured cannot be kept"):
        JudgementStore(tmp_path).write(KEY, FOUND)
