"""The command `tl`: its commands by name, and what becomes of errors.

Exit codes: 0, done; 2, the request cannot be met, and one line on stderr says what to mend; 130, interrupted; 1, a bug.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from tlcore.version import __version__
from tlcore_cli.command import SHARED_OPTIONS, LazyGroup, Settings
from tlcore_cli.printable import printable

COMMANDS = {
    "train": ("tlcore_cli.train:train", "Train a classifier on a dataset and save it as a bundle."),
    "lr-find": ("tlcore_cli.lr_find:lr_find", "Find a learning rate for fine-tuning, and draw the curve."),
    "evaluate": ("tlcore_cli.evaluate:evaluate", "Measure a bundle or an exported model on labelled images."),
    "compare": ("tlcore_cli.compare:compare", "Compare networks and heads on a dataset, and recommend one."),
    "learning-curve": (
        "tlcore_cli.learning_curve:learning_curve",
        "Say whether more photos would help.",
    ),
    "predict": ("tlcore_cli.predict:predict", "Say what a bundle or an exported model sees in images."),
    "data": ("tlcore_cli.data:data", "Fetch a dataset, look at it, check it before training."),
    "robustness": (
        "tlcore_cli.robustness:robustness",
        "Measure how much of a bundle's accuracy survives attacks.",
    ),
    "export": ("tlcore_cli.export:export", "Write a bundle as one proven ONNX file that runs without torch."),
    "inspect": ("tlcore_cli.inspect:inspect", "Tell everything an ONNX file says of itself."),
    "serve": ("tlcore_cli.serve:serve", "Serve exported models over HTTP."),
    "bench": ("tlcore_cli.bench:bench", "Measure how fast an exported model answers."),
    "demo": ("tlcore_cli.demo:demo", "Show the main job in a minute, with nothing downloaded."),
    "visualize": ("tlcore_cli.visualize:visualize", "Look into a network, or fool it, with any visualizer."),
    "ideal": ("tlcore_cli.visualize:ideal", "Draw what a network holds to be the ideal image of a class."),
    "adversarial": ("tlcore_cli.visualize:adversarial", "Change an image a little so that a network takes it for another."),
    "features": ("tlcore_cli.visualize:features", "Show the filters of a network, and what they find in an image."),
    "explain": ("tlcore_cli.visualize:explain", "Show which pixels a network's answer rests on."),
    "map": ("tlcore_cli.visualize:map_", "Lay a dataset out as a map, like beside like, as a network sees it."),
    "backbones": ("tlcore_cli.listings:backbones", "List pretrained networks to start from."),
    "datasets": ("tlcore_cli.listings:datasets", "List datasets and ways to read your own."),
    "heads": ("tlcore_cli.listings:heads", "List ways to learn from features."),
    "visualizers": ("tlcore_cli.listings:visualizers", "List ways to look into a network."),
    "finetunes": ("tlcore_cli.listings:finetunes", "List ways to train the network itself."),
    "observers": ("tlcore_cli.listings:observers", "List listeners to fine-tuning: logs, dashboards."),
    "plugins": ("tlcore_cli.plugins:plugins", "Show, install, check and write plugins; switch them on and off."),
    "config": ("tlcore_cli.config:config", "Set defaults of your own; show where each value comes from."),
    "cache": ("tlcore_cli.cache:cache", "Show, check and clear what is kept between runs."),
    "completion": (
        "tlcore_cli.completion:completion",
        "Print the script that makes a shell complete tl's commands and names.",
    ),
    "doctor": ("tlcore_cli.doctor:doctor", "Say what is wrong with this installation, and what to do."),
}
"""Command name to the module that has it, imported when it is run, and its help line, shown without importing."""

WITHOUT_DEFAULTS = ("config", "doctor", "plugins", "completion")
"""Commands that take no defaults from the configuration file, and work where it cannot be read."""


EPILOG = """\b
Start here:
  tl demo                                     the whole way, offline
  tl train photos/ --output my-classifier     a folder of photos, one folder per class
  tl predict my-classifier new-photo.jpg
"""


@click.group(
    cls=LazyGroup,
    commands_by_name=COMMANDS,
    epilog=EPILOG,
    params=[*SHARED_OPTIONS],
    context_settings={"auto_envvar_prefix": "TL", "help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="tl", message="%(prog)s %(version)s")
@click.pass_context
def tl(context: click.Context) -> None:
    """Transfer learning for images, extended by installing packages."""
    context.ensure_object(Settings)
    _tell_lost_plugins()
    if context.invoked_subcommand not in WITHOUT_DEFAULTS:
        _apply_defaults(context)


def _apply_defaults(context: click.Context) -> None:
    """Give the command the defaults that the configuration file states for it."""
    from tlcore.machine.paths import config_file

    if config_file().exists():
        from tlcore_cli.defaults import read_defaults

        context.default_map = {**read_defaults()}


def _tell_lost_plugins() -> None:
    """Say once, after an upgrade of tlcore, which plugins it lost."""
    from tlcore_cli.plugin_record import lost_plugins

    for name, line in lost_plugins().items():
        click.echo(f"tl: plugin {name} is gone since tlcore was upgraded: tl plugins install '{line}'", err=True)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `tl` and leave the process with its exit code."""
    interruption = _Interruption()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _Warnings(warnings.showwarning).show
    code = _run(arguments, interruption)
    if interruption.happened:
        # Threads may still be decoding; everything saved is in place at once or not at all, so leaving now loses nothing.
        _flush()
        os._exit(code)
    sys.exit(code)


class _Warnings:
    """What tlcore says to people by a warning, as one line and once; other warnings as Python shows them."""

    def __init__(self, show_others: Callable[..., None]) -> None:
        self._show_others = show_others
        self._said: set[str] = set()

    def show(self, message: Warning | str, category: type[Warning], *where: Any, **others: Any) -> None:
        if category.__name__ != "TlcoreDeprecationWarning":  # by name, since its module may not be loaded
            self._show_others(message, category, *where, **others)
        elif str(message) not in self._said:
            self._said.add(str(message))
            click.echo(f"tl: {message}", err=True)


class _Interruption:
    """Ctrl-C as KeyboardInterrupt, remembered: an extension module being imported may turn it into another error."""

    def __init__(self) -> None:
        self.happened = False
        signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.happened = True
        raise KeyboardInterrupt


def _run(arguments: Sequence[str] | None, interruption: _Interruption) -> int:
    settings = Settings()
    try:
        result = tl.main(arguments, prog_name="tl", standalone_mode=False, obj=settings)
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, click.Abort):
        return _interrupted()
    except click.ClickException as error:
        return _refused(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  the outermost boundary: whatever comes here becomes one line
        return _interrupted() if interruption.happened else _told(error, settings)


def _refused(error: click.ClickException) -> int:
    """Tell in one line what is wrong with the command line."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "tl"
    click.echo(
        f"tl: {printable(' '.join(error.format_message().split()))} ('{command} --help' shows what it takes)", err=True
    )
    return 2


def _told(error: Exception, settings: Settings) -> int:
    from tlcore.errors import TlcoreError

    if settings.debug:
        import traceback

        traceback.print_exception(error)
    expected = isinstance(error, (TlcoreError, OSError)) or _missing(error) != ""
    text = printable(" ".join(_text(error).split()))
    hint = "" if expected or settings.debug else " (this is a bug in tl or a plugin; 'tl --debug ...' shows where)"
    click.echo(f"tl: {text}{hint}", err=True)
    return 2 if expected else 1


def _missing(error: Exception) -> str:
    """Return the package of ``tlcore[train]`` that an error says is not installed, or an empty text."""
    from tlcore.registry import TRAIN_PACKAGES

    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return name if name in TRAIN_PACKAGES else ""


def _text(error: Exception) -> str:
    from tlcore.errors import TlcoreError

    if isinstance(error, TlcoreError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror or error}"
    if missing := _missing(error):
        return f"this needs the package {missing!r}, which is not installed: pip install 'tlcore[train]'"
    return f"{type(error).__name__}: {error}"


def _interrupted() -> int:
    click.echo("tl: interrupted; nothing was left half-made", err=True)
    return 130


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
