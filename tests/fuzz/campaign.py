"""Mutants of small files through a reader: what it says is a value or an error of nst, soon, in little memory.

    python tests/fuzz/campaign.py pictures 10000
    python tests/fuzz/campaign.py weights 5000
    python tests/fuzz/campaign.py animations 2000
    python tests/fuzz/campaign.py documents 5000
    python tests/fuzz/campaign.py films 2000

A worker takes one mutant after the other in its own process, so that a crash is found and not suffered; the next worker
goes on behind the mutant that ended it. Prints one line for each finding, and writes the mutant into --keep.
"""

import argparse
import faulthandler
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import seeds
from mutations import mutant

SECONDS, HANG = 10, 60  # of the processor for one file; and by the clock, after which a worker is ended
MEMORY = 2 << 30
TARGETS = ("pictures", "animations", "weights", "documents", "films")


def main() -> int:
    """How many findings there are, at most 1: an exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("mutants", type=int)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--keep", type=Path, help="a folder for the mutants that were findings")
    parser.add_argument("--worker", type=Path, help="a folder of seeds: what this program starts")
    options = parser.parse_args()
    if options.worker:
        kinds = suffixes_in(options.worker)
        work(options.target, options.first, options.mutants, stored_in(options.worker), kinds)
        return 0
    counts, findings = supervise(options.target, options.first, options.mutants, options.keep)
    for number, what in findings:
        print(f"{options.target} {number}: {what}")
    print(f"{options.target}: {options.mutants} mutants, {dict(counts)}, {len(findings)} findings")
    return min(1, len(findings))


def supervise(
    target: str, first: int, count: int, keep: Path | None = None
) -> tuple[Counter, list[tuple[int, str]]]:
    """(how many were read and how many refused, the findings as number and text)."""
    counts: Counter = Counter()
    findings = []
    number, end = first, first + count
    with tempfile.TemporaryDirectory() as folder:
        for place, (name, data) in enumerate(getattr(seeds, target)().items()):
            Path(folder, f"{place:02d}{Path(name).suffix if target == 'documents' else ''}").write_bytes(data)
        while number < end:
            lines, status, said = start(target, number, end - number, folder)
            if not lines:
                raise RuntimeError(f"the worker did not start: {said[-2000:]}")
            for number, outcome, text in lines:
                if outcome != "begun":
                    counts[outcome] += 1
                if outcome == "finding":
                    findings.append((number, text))
            if lines[-1][1] == "begun":
                cause = next((line.strip() for line in said.splitlines() if "File" in line), said[-200:])
                findings.append((number, f"the process ended with status {status}: {cause}"))
            number += 1
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            for number, _ in findings:
                (keep / f"{target}-{number}").write_bytes(mutant(stored_in(Path(folder)), number))
    return counts, findings


def start(target: str, first: int, count: int, folder: str) -> tuple[list[tuple[int, str, str]], int, str]:
    """(what a worker said of each mutant, its exit status, what it wrote to stderr)."""
    command = [sys.executable, __file__, target, str(count), "--first", str(first), "--worker", folder]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode, done.stderr


def stored_in(folder: Path) -> list[bytes]:
    """The seeds, in order."""
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def suffixes_in(folder: Path) -> list[str]:
    """What the seeds are, where their names say it."""
    return [path.suffix for path in sorted(folder.iterdir())]


def work(target: str, first: int, count: int, files: list[bytes], kinds: list[str]) -> None:
    """Take mutants and print a line of JSON for each, before and after."""
    read, refusal = reader(target)
    resource.setrlimit(resource.RLIMIT_AS, (3 * MEMORY, 3 * MEMORY))
    before = peak()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as held:
        terminal = os.dup(2)
        os.dup2(held.fileno(), 2)
        for number in range(first, first + count):
            path = Path(folder, f"mutant{kinds[number % len(kinds)]}")
            path.write_bytes(mutant(files, number))
            print(json.dumps([number, "begun", ""]), flush=True)
            faulthandler.dump_traceback_later(HANG, exit=True, file=terminal)
            began = time.process_time()
            outcome, text = "read", ""
            try:
                with warnings.catch_warnings(record=True) as warned:
                    read(path)
            except refusal as error:
                outcome = "refused"
                text = "an error of several lines" if "\n" in str(error) else ""
            except Exception as error:
                text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            seconds = time.process_time() - began
            faulthandler.cancel_dump_traceback_later()
            sys.stderr.flush()
            grown = peak() - before
            shown = [
                str(one.message) for one in warned if issubclass(one.category, UserWarning | RuntimeWarning)
            ]
            if shown:
                text = text or f"warning: {shown[0][:200]}"
            if seconds > SECONDS:
                text = f"{seconds:.0f} s"
            if grown > MEMORY:
                text = f"{grown / 1e9:.1f} GB"
            if held.seek(0, os.SEEK_END):  # a C library says something: ugly, but no harm
                outcome = f"{outcome} with words on the terminal"
                held.truncate(0)
            print(json.dumps([number, "finding" if text else outcome, text]), flush=True)
            if grown > MEMORY:
                return  # the peak would be that of every mutant after it


def peak() -> int:
    """The most bytes that this process has had. What `getrusage` tells on Linux begins with its parent's."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def reader(target):
    """(what reads a path, the only exception that it may raise)."""
    from nst.errors import ImageError, WeightsError

    if target == "weights":
        from nst.models.importers import import_file

        return import_file, WeightsError
    if target == "animations":
        from nst.cli.movies.reading import open_source

        def frames(path):
            named = path.with_suffix(".gif")  # which says an animation, whatever is in it
            path.rename(named)
            for _ in open_source(str(named), None).frames():
                pass

        return frames, ImageError
    if target == "films":
        from nst.cli.movies.reading import open_source
        from nst.cli.movies.writing import description_in, write_movie

        def film(path):
            source = open_source(str(path), None)
            frame, frames = path.with_name("frame.png"), []
            for picture in source.frames():
                picture.save(frame)
                frames.append(frame)
            target = path.with_name(("out.mkv", "out.mp4", "out.webm", "out.avi")[path.stat().st_size % 4])
            write_movie(target, frames, source.timing)
            with suppress(ValueError):  # it has none
                description_in(str(path))

        return film, ImageError
    if target == "documents":
        import documents

        from nst.errors import NSTError

        return documents.read, NSTError
    from nst.pictures import read_picture

    return read_picture, ImageError


if __name__ == "__main__":
    sys.exit(main())
