"""``tl backbones``, ``tl datasets``, ``tl heads``, ``tl visualizers``, ``tl finetunes`` and ``tl observers``."""

from __future__ import annotations

import click

from tlcore_cli.command import Command, Settings, settings_of
from tlcore_cli.completion import names_of


@click.command(cls=Command)
@click.argument("name", required=False, shell_complete=names_of("backbone"))
@click.option("--all", "everything", is_flag=True, help="List every model by name, not the featured ones only.")
@click.option("--search", metavar="TEXT", help="List models whose name holds TEXT; * and ? stand for any letters.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.pass_context
def backbones(context: click.Context, name: str | None, everything: bool, search: str | None, as_json: bool) -> None:
    """List pretrained networks, or describe NAME and its options."""
    if name is not None:
        _describe(settings_of(context), "backbone", name, as_json)
    elif everything or search:
        _list_models(settings_of(context), search or "*", as_json)
    else:
        _list(settings_of(context), "backbone", as_json)


def _listing(kind: str, what: str) -> click.Command:
    @click.command(kind + "s", cls=Command, help=f"List {what}, or describe NAME and its options.")
    @click.argument("name", required=False, shell_complete=names_of(kind))
    @click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
    @click.pass_context
    def command(context: click.Context, name: str | None, as_json: bool) -> None:
        if name is None:
            _list(settings_of(context), kind, as_json)
        else:
            _describe(settings_of(context), kind, name, as_json)

    return command


datasets = _listing("dataset", "datasets and ways to read your own")
heads = _listing("head", "ways to learn from features")
visualizers = _listing("visualizer", "ways to look into a network")
finetunes = _listing("finetune", "ways to train the network itself")
observers = _listing("observer", "listeners to fine-tuning")


def _list(settings: Settings, kind: str, as_json: bool) -> None:
    from tlcore_cli.terminal import notes, print_json, results, table

    registry = settings.registry()
    offers = registry.offers(kind)
    if as_json:
        print_json([_offer_dict(offer) for offer in offers])
        return
    rows = [
        (_usage(offer.spec), offer.spec.summary, f"{offer.plugin.distribution} {offer.plugin.version}") for offer in offers
    ]
    console = results()
    if rows:
        console.print(table("", (kind, "what it is", "from"), rows))
    else:
        console.print(f"no installed plugin offers a {kind}")
    for offer in offers:
        if offer.spec.featured:
            console.print(f"\n{offer.spec.name}, to begin with:\n  " + "\n  ".join(offer.spec.featured), markup=False)
    if any(offer.spec.catalogue for offer in offers):
        console.print(f"\n'tl {kind}s --all' lists every name, 'tl {kind}s --search TEXT' those that hold TEXT")
    for plugin in registry.plugins:
        if plugin.errors:
            notes(settings.quiet).print(f"{plugin.status}: {plugin.label}: {plugin.errors[0]}", markup=False)


def _list_models(settings: Settings, search: str, as_json: bool) -> None:
    from fnmatch import fnmatch

    from tlcore.errors import UnknownNameError
    from tlcore_cli.terminal import print_json, progress

    pattern = search if any(mark in search for mark in "*?[") else f"*{search}*"
    registry = settings.registry()
    with progress(settings.quiet or as_json):
        names = [
            f"{offer.spec.name}/{argument}"
            for offer in registry.offers("backbone")
            for argument in registry.catalogue(offer)
            if fnmatch(argument.lower(), pattern.lower())
        ]
    if not names:
        raise UnknownNameError(f"no backbone's name holds {search!r}; 'tl backbones --all' lists them")
    if as_json:
        print_json(names)
    else:
        click.echo("\n".join(names))


def _describe(settings: Settings, kind: str, name: str, as_json: bool) -> None:
    from tlcore.options import describe_options
    from tlcore_cli.terminal import print_json, results, table

    reference = settings.registry().resolve(kind, name)
    spec, plugin = reference.offer.spec, reference.offer.plugin
    if as_json:
        print_json(_offer_dict(reference.offer))
        return
    console = results()
    console.print(f"{kind} {_usage(spec)}: {spec.summary}", markup=False)
    console.print(f"from {plugin.label}; licence: {spec.licence or 'not stated'}  {spec.homepage}", markup=False)
    options = describe_options(spec.options)
    rows = [(f"{kind}.{option.name}", option.type, option.default, option.help) for option in options]
    if rows:
        console.print(table("\noptions, given as --set NAME=VALUE", ("name", "type", "default", "what it does"), rows))


def _usage(spec: object) -> str:
    name, argument = getattr(spec, "name", ""), getattr(spec, "argument", None)
    if argument is None:
        return str(name)
    return f"{name}{'/' if getattr(spec, 'catalogue', None) else ':'}{argument}"


def _offer_dict(offer: object) -> dict[str, object]:
    from tlcore.options import describe_options
    from tlcore.registry import Offer

    assert isinstance(offer, Offer)
    spec = offer.spec
    return {
        "name": spec.name,
        "argument": spec.argument,
        "summary": spec.summary,
        "featured": list(spec.featured),
        "licence": spec.licence,
        "homepage": spec.homepage,
        "distribution": offer.plugin.distribution,
        "version": offer.plugin.version,
        "options": [
            {"name": option.name, "type": option.type, "default": _plain(option.default), "help": option.help}
            for option in describe_options(spec.options)
        ],
    }


def _plain(value: object) -> object:
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
