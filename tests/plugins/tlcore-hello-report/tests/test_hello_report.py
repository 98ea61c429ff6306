from pathlib import Path

from click.testing import CliRunner
from tlcore_hello_report import hello_report

from tlcore.errors import BundleError
from tlcore.testing import CommandConformance


class TestCommand(CommandConformance):
    name = "hello-report"


def test_something_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(hello_report, [str(tmp_path)])
    assert isinstance(result.exception, BundleError)
