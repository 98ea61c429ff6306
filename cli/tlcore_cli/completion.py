"""Shell completion: ``tl completion``, and what completes names that plugins offer, from their hooks alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click
from click.shell_completion import CompletionItem

from tlcore_cli.command import Command, settings_of

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_PLACES = {
    "bash": "echo 'eval \"$(tl completion bash)\"' >> ~/.bashrc",
    "zsh": "echo 'eval \"$(tl completion zsh)\"' >> ~/.zshrc",
    "fish": "tl completion fish > ~/.config/fish/completions/tl.fish",
}


@click.command(
    cls=Command,
    epilog="\b\nExamples:\n" + "\n".join(f"  {line}" for line in _PLACES.values()) + "\n",
)
@click.argument("shell", type=click.Choice(sorted(_PLACES)))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete commands, options, and the names that plugins offer.

    Nothing heavy is imported when a name is completed: plugins list what they offer without it.
    """
    from click.shell_completion import get_completion_class

    from tlcore_cli.main import tl

    found = get_completion_class(shell)
    assert found is not None, shell
    click.echo(found(tl, {}, "tl", "_TL_COMPLETE").source())


def names_of(kind: str) -> Completer:
    """Return a completer of the names of one kind, featured arguments included; of datasets, folders too."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        known: dict[str, str] = {}
        for offer in settings_of(context).registry().offers(kind):
            known[offer.spec.name] = offer.spec.summary
            known |= {f"{offer.spec.name}/{name}": offer.spec.summary for name in offer.spec.featured}
        items = _matching(known, incomplete)
        return [*items, CompletionItem(incomplete, type="dir")] if kind == "dataset" else items

    return complete


def installed_plugins_of(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of installed plugins from their metadata, importing none."""
    from tlcore.plugins import installed_plugins

    known = {plugin.entry_point: plugin.label for plugin in installed_plugins()}
    known |= {plugin.distribution: plugin.label for plugin in installed_plugins()}
    return _matching(known, incomplete)


def settings_for(kinds: Sequence[str]) -> Completer:
    """Return a completer of ``kind.name=`` for the plugin objects that the command line names so far."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from tlcore.errors import TlcoreError
        from tlcore.options import describe_options

        registry = settings_of(context).registry()
        known: dict[str, str] = {}
        for kind in kinds:
            try:
                named = str(context.params.get(kind) or "")
                specs = [registry.resolve(kind, named).offer.spec] if named else [o.spec for o in registry.offers(kind)]
            except TlcoreError:
                continue  # what was typed so far names nothing
            for spec in specs:
                known |= {f"{kind}.{option.name}=": option.help for option in describe_options(spec.options)}
        return _matching(known, incomplete)

    return complete


def _matching(known: dict[str, str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name, help=told) for name, told in known.items() if name.startswith(incomplete)]
