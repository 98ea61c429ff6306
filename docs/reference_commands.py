"""Writes docs/commands.md from the code: every command of `tl`, as its ``--help`` tells it.

    python docs/reference_commands.py

A test fails while docs/commands.md is not what this writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from tlcore_cli.main import COMMANDS, tl

PAGE = Path(__file__).with_name("commands.md")

_WIDTH = 100


def page() -> str:
    """Return the text of docs/commands.md."""
    return "\n".join([*_introduction(), *_every_command()]).rstrip() + "\n"


def _introduction() -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield "Written from the code by `python docs/reference_commands.py`. Plugins may add others; `tl --help` lists them."
    yield ""


def _every_command() -> Iterator[str]:
    context = click.Context(tl, info_name="tl", **tl.context_settings)
    for name in COMMANDS:
        command = tl.get_command(context, name)
        assert command is not None
        yield from _one_command(command, click.Context(command, info_name=name, parent=context), 2)


def _one_command(command: click.Command, context: click.Context, depth: int) -> Iterator[str]:
    context.terminal_width = context.max_content_width = _WIDTH
    if not command.get_short_help_str().strip():
        raise SystemExit(f"{context.command_path} has no help text")
    yield f"{'#' * depth} `{context.command_path}`"
    yield ""
    yield "```text"
    yield command.get_help(context)
    yield "```"
    yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _one_command(found, click.Context(found, info_name=name, parent=context), depth + 1)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
