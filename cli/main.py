"""`nst`: finds the command, runs it, and turns errors into one line and an exit status.

Statuses: 0 done, 1 stopped early (the picture so far is saved), 2 bad input, 3 some pictures of a batch failed,
130 interrupted.
"""

from __future__ import annotations

import io
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

try:
    import click
except ImportError:
    sys.exit("nst: error: the command line needs click and rich: pip install 'nst[cli]'")

from nst._version import __version__
from nst.cgroups import keep_threads_to_share
from nst.children import safe_children
from nst.cli.console import harmless, warnings_as_notes
from nst.errors import NSTError
from nst.files import unwritten

SECTIONS = {
    "Paint": {
        "demo": "Paint a cup of coffee as van Gogh painted The Starry Night.",
        "stylize": "Paint a picture in the style of one or more others.",
        "batch": "Paint many pictures, each in one or more styles.",
        "vary": "Paint a picture in many ways: a sheet, and a page to compare them.",
        "video": "Paint a video or a folder of frames, without flicker.",
        "poster": "Paint a picture and bring it up to the size of a poster.",
        "texture": "Make more of a texture, or a tile that repeats without a seam.",
        "web": "A studio in the browser: pictures, sliders, a brush, live.",
    },
    "Before and after": {
        "plan": "Predict memory and time of a run, and how it would fit.",
        "presets": "Show the recipes that --preset takes.",
        "resume": "Go on with a run that was cut off, as if nothing had happened.",
        "show": "Print the settings in a picture, and the command that makes it.",
        "recolor": "Change the colours of a result without painting it again.",
    },
    "Research": {
        "experiment": "Run the paper's experiments; write contact sheets and reports.",
        "invert": "Show what a layer of the network keeps of a picture.",
        "conformance": "Prove that the backends compute the same thing.",
    },
    "Networks and programs": {
        "weights": "List, download, import and check network weights.",
        "backends": "Show the backends, their versions, and the devices they see.",
        "export-onnx": "Write one step as an ONNX graph, for a browser, a phone or C++.",
        "export-style": "Write the targets of a style, for an exported graph.",
    },
}
"""Section of the help page -> name -> short help."""

COMMANDS = {name: text for section in SECTIONS.values() for name, text in section.items()}
"""name -> short help; a command is imported only when it is run, from the module of its name with _ for -."""


FIRST = """nst paints a photograph in the style of a painting.

  nst web --open                        the studio in the browser
  nst demo                              a first picture, of two that come along
  nst stylize photo.jpg painting.jpg    your own, as photo-painting.png

All commands: nst --help
"""
"""What `nst` alone says."""


class LazyGroup(click.Group):
    """Imports a command when it is used, so that `--help` and `--version` are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"nst.cli.commands.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may be meant."""
        name = args[0]
        if name == "help" and len(args) == 1:
            click.echo(ctx.get_help())
            ctx.exit()
        if name == "help":
            args = [*args[1:], "--help"]
        elif name not in COMMANDS and os.path.isfile(name):  # nst photo.jpg painting.jpg
            args = ["stylize", *args]
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from nst.cli.options import meant

            ctx.fail(f"there is no command {name!r}{meant(name, list(COMMANDS))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nst")
def cli() -> None:
    """Neural style transfer (Gatys, Ecker, Bethge, CVPR 2016) on PyTorch, TensorFlow, ONNX Runtime or numpy.

    \b
    nst stylize photo.jpg painting.jpg -o out.png
    nst stylize photo.jpg painting.jpg -o out.png --backend tf --size 768 --steps 500
    """


class _Terminated(BaseException):
    """SIGTERM; not KeyboardInterrupt, to which click adds the end of the line that ^C is on."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    _open_streams()
    keep_threads_to_share()
    try:
        _check_address_space()
        with _ended_by_sigterm(), _ended_for_certain(), safe_children(), warnings_as_notes():
            status = cli.main(args=arguments, prog_name="nst", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:  # on stderr
        if error.ctx.parent is None:
            click.echo(FIRST, err=True)
        else:
            error.show()
        status = 2
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "nst"
        status = _fail(f"{error.format_message()} (see {where} --help)")
    except click.ClickException as error:
        status = _fail(error.format_message())
    except NSTError as error:
        status = _fail(str(error))
    except (KeyboardInterrupt, click.Abort, _Terminated):
        click.echo("nst: interrupted", err=True)
        status = 130
    except OSError as error:  # a disk that is full, a device that failed
        _close_stdout()
        status = _fail(f"{error.filename}: {unwritten(error)}" if error.filename else str(error))
    except MemoryError:
        status = _fail("out of memory: close other programs, or raise the limit (ulimit -v)")
    except (
        ImportError,
        SystemError,
    ) as error:  # of a library that is damaged, or that memory is too small for
        status = _fail(f"a library cannot be loaded: {_deepest(error)}")
    try:
        sys.stdout.flush()  # here, where what fails can be told
    except OSError as error:
        _close_stdout()
        status = _fail(str(error))
    sys.exit(status if isinstance(status, int) else 0)


def _check_address_space() -> None:
    """NSTError under a limit in which numpy's libraries would end the process by themselves, without nst's line."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if 0 <= limit < LEAST_MEMORY:
        raise NSTError(
            f"memory is limited to {limit / 1e6:.0f} MB, in which the libraries cannot be loaded: raise it (ulimit -v)"
        )


def _close_stdout() -> None:
    """Drop what is still buffered, so that Python does not fail on it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _fail(message: str) -> int:
    with suppress(OSError):  # stderr may be on the disk that is full
        click.echo("nst: error: " + harmless(" ".join(message.split())), err=True)
    return 2


def _open_streams() -> None:
    """Let standard streams that are closed lead to nothing.

    Else the first files that are opened get their numbers, and what a library prints goes into a picture.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with suppress(OSError):  # one that a program has put there, which is no file
            if stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode) or stat.S_ISSOCK(
                os.fstat(stream.fileno()).st_mode
            ):
                setattr(sys, name, _outliving(stream))


class _Pipe(io.FileIO):
    """Once its reader has gone, as `head` does, it leads to nothing: a painting is not given up for that."""

    def write(self, data: Any, /) -> int:
        """See `io.RawIOBase`."""
        try:
            return super().write(data)
        except BrokenPipeError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.fileno())
            os.close(nothing)
            return memoryview(data).nbytes


def _outliving(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The same stream, over a `_Pipe`."""
    stream.flush()
    raw = _Pipe(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM outside a run, which has its own way: an end that cleans up, as after Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


LEAST_MEMORY = 400 * 2**20
"""Bytes of address space; numpy's OpenBLAS ends the process where it gets none."""

SOON = 3.0
"""Seconds after a second signal in which the program ends by itself, with all that it cleans up then."""


@contextmanager
def _ended_for_certain() -> Iterator[None]:
    """Two signals end it even inside a library: Python's own handlers wait until that returns, be it minutes."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(os, "set_blocking"):
        yield
        return
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    before = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    threading.Thread(target=_end_after_two, args=(ours,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(theirs)


def _end_after_two(pipe: int) -> None:
    heard = 0
    while heard < 2:
        numbers = os.read(pipe, 16)
        if not numbers:  # the command is over
            os.close(pipe)
            return
        heard += sum(number in (signal.SIGINT, signal.SIGTERM) for number in numbers)
    time.sleep(SOON)
    with suppress(OSError):
        os.write(2, b"nst: interrupted\n")
    os._exit(130)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated


def _deepest(error: BaseException) -> str:
    """The reason that the others were made of; numpy's own text about it is a page long."""
    while isinstance(before := error.__cause__ or error.__context__, ImportError | OSError | MemoryError):
        error = before
    return str(error) or "out of memory"


if __name__ == "__main__":
    main()
