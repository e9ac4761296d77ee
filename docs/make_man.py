"""Man pages of `nst` and of all its commands.

pip install click-man
python docs/make_man.py build/man && man -l build/man/nst-stylize.1
"""

import sys
from pathlib import Path

import click
from click_man.core import write_man_pages

from nst._version import __version__
from nst.cli.main import COMMANDS, cli


def main(folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_man_pages("nst", cli, version=__version__, target_dir=folder)
    context = click.Context(cli, info_name="nst")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        write_man_pages(name, command, parent_ctx=context, version=__version__, target_dir=folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
