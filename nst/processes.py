"""Processes that work for this one: of a batch, of windows, of the conformance suite, of the studio.

A `ChildProcess` is two pipes of which each side holds its own end only, so that either notices when the other is gone,
in the middle of a message too. (A pool of `concurrent.futures` holds both, and waits for the rest of it for ever.)
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import IO, Any, TypeAlias

from nst.children import python_command
from nst.errors import NSTError

PATIENCE = 5.0
"""Seconds within which a process that is killed has ended, and what it said last has come."""


class Ask:
    """What a process is sent: a call waits for the next message.

    `outlives` is for the process to set: it goes on when nobody is there any more, whereupon a call raises EOFError.
    Else it ends at once then, whatever is half done.
    """

    def __init__(self) -> None:
        self.outlives = False
        self._messages = SimpleQueue[bytes | None]()
        self._script: dict[str, Any] = {}

    def __call__(self) -> Any:
        """The next message."""
        message = self._messages.get()
        if message is None:
            raise EOFError
        return _Message(message, self._script).load()

    def waiting(self) -> bool:
        """Whether a call would return at once, with a message or an end."""
        return not self._messages.empty()

    def listen(self, pipe: IO[bytes]) -> None:
        """Take what comes, until the end; the first message is the parent's script."""
        with suppress(EOFError, OSError):
            self._script.update(pickle.loads(_read(pipe)))
            while True:
                self._messages.put(_read(pipe))
        if not self.outlives:
            os._exit(0)
        self._messages.put(None)


Say: TypeAlias = Callable[[Any], None]  # takes what a process answers


class ChildProcess:
    """A process that works for this one, for as long as this one is there; Ctrl-C is not for it.

    `work` is called there, with what waits for messages and what answers; it prints to nobody. `heard` is called here
    with each answer, in a thread of its own; with None in the end, however that came.
    """

    def __init__(
        self, work: Callable[[Ask, Say], None], heard: Say, environment: Mapping[str, str] = os.environ
    ) -> None:
        from multiprocessing.spawn import get_preparation_data

        if _running_script:
            raise NSTError(
                "a process that needs a class of your script runs it: "
                'put what calls nst below if __name__ == "__main__":'
            )
        self._heard, self._said = heard, ""
        with _deaf_to_interrupts():
            self._process = subprocess.Popen(
                python_command("from nst.processes import serve; serve()"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**environment, "PYTHONSAFEPATH": "1"},
            )
        script = get_preparation_data("")
        self.send(
            {name: script[name] for name in script if name.startswith("init_main") or name == "sys_argv"}
        )
        self.send(work)
        listening = threading.Thread(target=self._listen, daemon=True)
        listening.start()
        threading.Thread(target=self._wait, args=(listening,), daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def send(self, what: Any) -> None:
        """Give it something that can be pickled. It always takes it, whatever it does; if it is dead, that is heard."""
        message = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
        assert self._process.stdin is not None
        try:
            _write(self._process.stdin, message)
        except (OSError, ValueError):
            pass  # it has ended, or was killed by us
        except BaseException:  # Ctrl-C: the next message would be the rest of this one
            self.kill()
            raise

    def kill(self, patience: float = 0.0) -> None:
        """End it, whatever it does; one that `outlives` us has so many seconds to end by itself."""
        assert self._process.stdin is not None
        if patience:
            with suppress(OSError):
                self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        with suppress(OSError):
            self._process.stdin.close()

    def ending(self) -> str:
        """Why it has ended, when that has been heard."""
        code = self._process.poll()
        if code == -9:
            return "its process was killed, as happens where memory runs out"
        return self._said or f"its process ended with status {code}"

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with suppress(Exception), self._process.stdout as answers:  # half an answer is none
            while True:
                answer = pickle.loads(_read(answers))
                if isinstance(answer, _Failure):
                    self._said = answer
                else:
                    self._heard(answer)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self._process.kill()  # nobody listens to it any more

    def _wait(self, listening: threading.Thread) -> None:
        self._process.wait()
        listening.join(
            PATIENCE
        )  # a process that it has started may hold the pipe open for as long as it likes
        self._heard(None)


class ProcessExecutor(Executor):
    """One process that does one call after the other; futures of one that is dead raise BrokenExecutor."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._waiting: deque[Future[Any]] = deque()
        self._over, self._lock = False, threading.Lock()
        self.process = ChildProcess(_call, self._hear, environment)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """See `concurrent.futures`."""
        future: Future[Any] = Future()
        with self._lock:
            if self._over:
                future.set_exception(BrokenExecutor(self.process.ending()))
                return future
            self._waiting.append(future)
        try:
            self.process.send((function, arguments, named))
        except Exception:  # it cannot be pickled
            self._waiting.remove(future)
            raise
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the process at once, whatever it does."""
        self.process.kill()

    def _hear(self, answer: tuple[Any, Exception | None] | None) -> None:
        if answer is None:
            with self._lock:
                self._over = True
                for future in self._waiting:
                    future.set_exception(BrokenExecutor(self.process.ending()))
                self._waiting.clear()
        elif answer[1] is not None:
            self._waiting.popleft().set_exception(answer[1])
        else:
            self._waiting.popleft().set_result(answer[0])


def _call(ask: Ask, say: Say) -> None:
    """What the process of a `ProcessExecutor` does."""
    while True:
        try:
            function, arguments, named = ask()
            say((function(*arguments, **named), None))
        except Exception as error:
            if not isinstance(error, NSTError) and type(error).__module__ != "builtins":
                # it may be one that cannot be pickled, or is known there alone
                error = RuntimeError("".join(traceback.format_exception(error)))
            say((None, error))


class _Failure(str):
    """The last answer of a process whose work has failed."""


def serve() -> None:
    """What a `ChildProcess` does, until nothing more can come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # copies that processes started here do not get: what they read and print has nothing to do with us
    messages, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    ask = Ask()

    def say(answer: Any) -> None:
        _write(answers, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))

    threading.Thread(target=ask.listen, args=(messages,), daemon=True).start()
    try:
        ask()(ask, say)
    except Exception as error:
        say(_Failure(f"{type(error).__name__}: {' '.join(str(error).split())}"))


_running_script = False
"""Whether this process runs the script of its parent, to get at a class in it."""


class _Message(pickle.Unpickler):
    """Unpickles; what stands in the parent's script is taken from there, as multiprocessing does it."""

    def __init__(self, message: bytes, script: dict[str, Any]) -> None:
        super().__init__(io.BytesIO(message))
        self._script = script

    def find_class(self, module: str, name: str) -> Any:
        global _running_script
        if module == "__main__" and self._script:
            from multiprocessing.spawn import prepare

            _running_script = True
            prepare(self._script)
            _running_script = False
            self._script.clear()
        try:
            return super().find_class(module, name)
        except AttributeError as error:
            raise NSTError(f"another process does not find {name}: put it in a module ({error})") from error


def _write(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(len(message).to_bytes(8, "little"))
    pipe.write(message)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes:
    """The next message. EOFError: there is none, or half of one."""
    size = pipe.read(8)
    message = pipe.read(int.from_bytes(size, "little"))
    if len(size) < 8 or len(message) < int.from_bytes(size, "little"):
        raise EOFError
    return message


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A process that starts meanwhile never hears of Ctrl-C, which waits for us here."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
