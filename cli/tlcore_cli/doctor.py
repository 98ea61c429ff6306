"""``tl doctor``: what is installed and how it fares."""

from __future__ import annotations

import click

from tlcore_cli.command import Command

_MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  tl doctor
  tl doctor --json > report.json    to go with a bug report; the home directory is written ~
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def doctor(as_json: bool) -> int:
    """Look at Python, packages, devices, caches and plugins, and say what is wrong and what to do.

    Plugins and heavy packages are tried in processes of their own, so that none of them can stop this command. The exit
    code is 0 where nothing is wrong and 1 where something is.
    """
    from tlcore_cli.diagnosis import diagnose

    findings = []
    for finding in diagnose():
        findings.append(finding)
        if not as_json:
            click.echo(f"{_MARKS[finding.verdict]}  {finding.subject}: {finding.told}")
            if finding.verdict != "ok":
                click.echo(f"         to do: {finding.remedy}")
    if as_json:
        from tlcore_cli.terminal import print_json

        print_json([finding.to_dict() for finding in findings])
    return int(any(finding.verdict == "problem" for finding in findings))
