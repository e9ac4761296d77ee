"""A batch: rows, a folder, a manifest, and somebody who paints."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import warn

from nst.arguments import TransferArguments
from nst.batch.manifest import Manifest, inputs_of, key_of
from nst.batch.painter import Painted, check_options
from nst.batch.pool import Executor, InProcess, ProcessPool
from nst.batch.rows import TEMPLATE, Paths, Row, check_outputs, paired_rows
from nst.description import Fingerprints, digest
from nst.errors import ImageError, NSTError, SettingsError, told_as
from nst.pictures.writing import check_output, write_file

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class Summary:
    """How a batch ended.

    Attributes:
        done: pictures that were painted.
        kept: pictures that were there from an earlier run.
        failed: (result, why), one line each.
    """

    done: int
    kept: int
    failed: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Status:
    """How far a batch is.

    Attributes:
        total: rows.
        done: rows that are answered, and parts of those that are being painted.
        there: results that are in the folder.
        failed: rows that have failed.
        row: the last one that something was heard of, if any.
    """

    total: int
    done: float
    there: int
    failed: int
    row: Row | None


class Batch:
    """Many pictures, each painted as `nst.stylize` would, from files to files.

    A picture that cannot be painted does not keep the others from it. The folder has a manifest, nst-batch.jsonl, a
    line of JSON for each picture; a batch that was cut off goes on by it when the same batch is run again.

    Args:
        contents: pictures, folders, patterns and lists (`nst.batch.rows.expand`).
        styles: the same.
        output: the folder of the results; made if its parent is there.
        pair: the first content in the first style and so on, in place of every content in every style.
        name: of a result; see `nst.batch.rows.named`.
        jobs: so many processes, among which the cores are shared out; None for this process alone.
        timeout: seconds for a picture.
        options: further arguments of `nst.StyleTransfer`; `size` "content" is each content picture's own size.

    Raises:
        NSTError: one of its kinds, before any work.

    Attributes:
        rows: what is to be painted.

    Examples:
        >>> summary = nst.Batch(["photo.png"], ["painting.png"], "out", size=40, steps=2).run()
        >>> summary.done, summary.failed
        (1, ())
    """

    def __init__(
        self,
        contents: Paths,
        styles: Paths,
        output: str | os.PathLike[str],
        *,
        pair: bool = False,
        name: str = TEMPLATE,
        jobs: int | None = None,
        timeout: float | None = None,
        **options: Unpack[TransferArguments],
    ) -> None:
        self._set_up(paired_rows(contents, styles, pair, name, options), output, jobs, timeout)

    @classmethod
    def of_rows(
        cls,
        rows: Sequence[Row],
        output: str | os.PathLike[str],
        *,
        jobs: int | None = None,
        timeout: float | None = None,
    ) -> Batch:
        """A batch of rows that have options of their own."""
        batch = cls.__new__(cls)
        batch._set_up(list(rows), output, jobs, timeout)
        return batch

    def _set_up(
        self,
        rows: Sequence[Row],
        output: str | os.PathLike[str],
        jobs: int | None,
        timeout: float | None,
    ) -> None:
        if not rows:
            raise SettingsError("there is nothing to paint: give a content picture and a style")
        if jobs is not None and jobs < 1:
            raise SettingsError(f"jobs is {jobs}: it must be 1 or more")
        if timeout is not None and not timeout > 0:
            raise SettingsError(f"timeout is {timeout}: it must be above 0")
        self.rows, self.folder = tuple(rows), Path(output)
        check_outputs(self.rows, self.folder)
        for options in _distinct([row.options for row in self.rows]):
            check_options(options)
            if jobs is not None:
                _require_plain(options)
        self._executor: Executor = InProcess(timeout) if jobs is None else ProcessPool(jobs, timeout)

    def run(
        self,
        watch: Callable[[Status], None] | None = None,
        executor: Executor | None = None,
        *,
        crew: Executor | None = None,
    ) -> Summary:
        """Paint what is not there yet.

        Args:
            watch: told how far it is, several times a second; what it raises ends the batch.
            executor: who paints; this process or the `jobs` unless given.
            crew: the name of `executor` before, for one more release.

        Raises:
            NSTError: the folder cannot be written to, or every row would fail alike: no such backend, no weights.
        """
        if crew is not None:
            warn("crew= is now executor=", DeprecationWarning, stacklevel=2)
            executor = crew
        watch = watch or (lambda status: None)
        self._make_folders()
        files, keys, parts = Fingerprints(), dict[str, str](), dict[str, float]()
        failed: list[tuple[str, str]] = []
        latest: Row | None = None
        done = kept = 0

        def tell(row: Row | None, part: float = 0.0) -> None:
            nonlocal latest
            if row is not None:
                parts[row.output], latest = part, row
            answered = kept + done + len(failed)
            watch(Status(len(self.rows), answered + sum(parts.values()), kept + done, len(failed), latest))

        with ExitStack() as ending:
            manifest = ending.enter_context(Manifest(self.folder))

            def todo() -> Iterator[Row]:
                nonlocal kept
                for row in self.rows:
                    key = key_of(row, files)
                    if manifest.holds(row.output, key, files):
                        kept += 1
                        tell(None)
                    else:
                        keys[row.output] = key  # before it is painted: a file may change meanwhile
                        yield row

            # closed before the manifest, however this ends: nothing is left running
            for painted in ending.enter_context(closing((executor or self._executor).work(todo(), tell))):
                parts.pop(painted.row.output, None)
                inputs = {"key": keys.pop(painted.row.output), "inputs": inputs_of(painted.row, files)}
                error = self._save(painted, manifest, inputs)
                if error is None:
                    done += 1
                else:
                    failed.append((painted.row.output, error))
                if painted.hopeless and not done and len(_distinct([row.options for row in self.rows])) == 1:
                    raise NSTError(error)
                tell(None)
        return Summary(done, kept, tuple(failed))

    def _make_folders(self) -> None:
        """The folder and those inside it, and a look at whether each kind of file can be written there."""
        with told_as(ImageError, f"cannot write to {self.folder}", "choose another folder"):
            self.folder.mkdir(exist_ok=True)
            kinds = {(Path(row.output).parent, Path(row.output).suffix): row.output for row in self.rows}
            for (parent, _), output in kinds.items():
                (self.folder / parent).mkdir(parents=True, exist_ok=True)
                check_output(self.folder / output)

    def _save(self, painted: Painted, manifest: Manifest, inputs: Mapping[str, Any]) -> str | None:
        """Write the result and its line in the manifest; why it failed, if it did."""
        row, error = painted.row, painted.error
        if painted.data is not None:
            try:
                write_file(self.folder / row.output, painted.data)
            except ImageError as failure:
                error = str(failure)
        entry = {
            "output": row.output,
            "status": "done" if error is None else "failed",
            "content": row.content,
            "styles": row.styles,
            **inputs,
        }
        if error is not None:
            entry["error"] = error
        elif painted.data is not None:
            entry["sha256"] = digest(painted.data)
        manifest.add({**entry, **painted.facts})
        return error


def _distinct(values: Sequence[Any]) -> list[Any]:
    """Those that are different objects, and then those that are not equal: rows mostly share their options."""
    found: list[Any] = []
    for value in {id(value): value for value in values}.values():
        if value not in found:
            found.append(value)
    return found


def _require_plain(options: Mapping[str, Any]) -> None:
    try:
        pickle.dumps(dict(options))
    except Exception as error:
        raise SettingsError(
            f"an option cannot go to another process ({error}): use words in place of objects, or no jobs"
        ) from error
