"""``tl cache``: what is kept between runs."""

from __future__ import annotations

import sys

import click

from tlcore_cli.command import Command, LazyGroup, settings_of

COMMANDS = {
    "info": ("tlcore_cli.cache:info", "Show what is kept, how large it is and when it was used."),
    "verify": ("tlcore_cli.cache:verify", "Check every kept row; take out the damaged ones."),
    "clear": ("tlcore_cli.cache:clear", "Remove what is kept; it is computed again when needed."),
}

EPILOG = """\b
Examples:
  tl cache info                          how large the cache is, and what fills it
  tl cache verify
  tl cache clear features --yes
  tl config set cache.limit "50 GB"      what was not used for longest goes beyond that
"""


@click.group(cls=LazyGroup, commands_by_name=COMMANDS, epilog=EPILOG)
def cache() -> None:
    """Show, check and clear what is kept between runs: features, networks' graphs, measurements, the audit's findings.

    Nothing in it is needed: what is gone is computed again. Downloaded data sets are elsewhere and are not touched.
    """


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def info(as_json: bool) -> None:
    """Show what is kept, how large it is and when it was used."""
    from tlcore.features.cache_settings import cache_settings
    from tlcore.features.cache_store import PARTS, namespaces, part_sizes
    from tlcore.machine.paths import cache_directory
    from tlcore_cli.terminal import print_json, results, table

    directory, settings = cache_directory(), cache_settings()
    sizes, found = part_sizes(directory), namespaces(directory)
    if as_json:
        listed = [namespace.to_dict() for namespace in found]
        document = {"directory": str(directory), "limit": settings.limit, "storage": settings.storage, "parts": sizes}
        print_json({**document, "namespaces": listed})
        return
    console = results()
    console.print(f"{directory}: at most {_size(settings.limit)}, features stored as {settings.storage}")
    console.print(table("", ("part", ">size", "what"), [(part, _size(sizes[part]), PARTS[part]) for part in PARTS]))
    if found:
        rows = [
            (
                str(entry.key.get("weights_digest", "?"))[:12],
                f"{entry.rows:,}",
                str(entry.key.get("feature_size", "?")),
                " ".join(filter(None, (str(entry.key.get("precision", "?")), str(entry.key.get("view", ""))))),
                _size(entry.size),
                _date(entry.used),
            )
            for entry in found
        ]
        columns = ("weights", ">images", ">features", "precision, view", ">size", "last used")
        console.print(table("", columns, rows))


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.pass_context
def verify(context: click.Context, as_json: bool) -> None:
    """Check every kept row against its checksum; damaged ones are taken out, and computed again when needed."""
    from tlcore.features.cache_store import verify as verify_cache
    from tlcore.machine.paths import cache_directory
    from tlcore_cli.terminal import print_json, progress, results

    own = settings_of(context)
    with progress(own.quiet or as_json) as report:
        found = verify_cache(cache_directory(), progress=report)
    if as_json:
        print_json(found.to_dict())
        return
    told = f"{found.rows:,} rows are whole; {found.damaged:,} were damaged and are gone"
    results().print(told + (f"; {found.files:,} files could not be read and are gone" if found.files else ""))


@click.command(cls=Command)
@click.argument("parts", nargs=-1, metavar="[features|graphs|backbones|engines|audit|judgements|costs]...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def clear(parts: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Remove what is kept: the parts named, or all of them."""
    from tlcore.errors import OptionError
    from tlcore.features.cache_store import clear as clear_cache
    from tlcore.features.cache_store import part_sizes
    from tlcore.machine.paths import cache_directory
    from tlcore_cli.terminal import print_json, results

    directory = cache_directory()
    sizes = part_sizes(directory)
    size = _size(sum(sizes.get(part, 0) for part in parts or tuple(sizes)))
    if not yes:
        if not sys.stdin.isatty():
            raise OptionError(f"clearing {size} of {directory} is not asked about where nobody can answer; add --yes")
        told = ", ".join(parts) if parts else "everything"
        click.confirm(f"remove {told} ({size}) from {directory}?", abort=True, err=True)
    freed = clear_cache(directory, parts)
    if as_json:
        print_json({"directory": str(directory), "freed": freed})
    else:
        results().print(f"{_size(freed)} freed in {directory}")


def _size(size: int) -> str:
    """Return a size as people read it.

    >>> _size(20), _size(1_234_567)
    ('20 bytes', '1.2 MB')
    """
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


def _date(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
