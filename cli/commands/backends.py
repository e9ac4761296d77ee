"""`nst backends`: what is installed and what it sees."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import click

from nst.children import python_command

PROBE = """import json
from nst.backends.registry import backend_class
cls = backend_class(sys.argv[1])
devices, dtypes = cls.available_devices(), cls.capabilities.dtypes
print(json.dumps({"versions": cls.versions(), "devices": devices, "dtypes": dtypes}))
"""


@click.command()
@click.option("--devices", is_flag=True, help="Load each, to see devices and data types; takes a while.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def backends(devices: bool, as_json: bool) -> None:
    """Show the backends: installed, with versions, or how to install; with --devices what each sees."""
    from nst.backends import backend_names
    from nst.backends.registry import how_to_install, installed_versions

    names = backend_names()
    # a process each: some frameworks do not bear each other's company, and all are slow to import
    probes = {name: _start(name) for name in names if devices and how_to_install(name) is None}
    rows = [
        _row(name, how_to_install(name), probes.get(name))
        | ({} if devices else {"versions": installed_versions(name)})
        for name in names
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return

    from rich.console import Console
    from rich.table import Table

    columns = ("devices", "dtypes") if devices else ()
    table = Table("backend", "installed", *columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        versions = ", ".join(f"{k} {v}" for k, v in row["versions"].items())
        installed = f"no: {row['problem']}" if row["problem"] else versions or "yes"
        table.add_row(row["backend"], installed, *(", ".join(row[column]) for column in columns))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 200  # a pipe has no width to fit into
    console.print(table)
    if not devices:
        console.print("devices and data types: nst backends --devices")


def _start(name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        python_command(PROBE, name), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _row(name: str, install: str | None, probe: subprocess.Popen[str] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"backend": name, "versions": {}, "devices": [], "dtypes": [], "problem": install}
    if probe is not None:
        output, errors = probe.communicate()
        if probe.returncode == 0:
            row |= json.loads(output.splitlines()[-1])
        else:
            row["problem"] = errors.strip().splitlines()[-1] if errors.strip() else "it does not start"
    return row
