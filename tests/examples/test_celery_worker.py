"""The Celery worker, really started, with a real Redis between it and a real client."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.examples.conftest import CHOICES, LONG, pixels

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment_of_all(start, need_for_service, service_environment, tmp_path_factory):
    """The environment of workers that use a Redis of the tests' own."""
    need_for_service("celery", "redis", program="redis-server")
    folder = tmp_path_factory.mktemp("redis")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", folder, "--save", ""]
    start(*command, cwd=folder, env=os.environ).wait_for("Ready to accept connections")
    return service_environment("WORKER", broker=f"redis://127.0.0.1:{port}/0", deadline=600, lost=660)


@pytest.fixture(scope="module")
def begin(start, root, environment_of_all):
    """begin(module, **choices): a worker that is ready, with two threads."""

    def run(module="worker", **choices):
        example = root / "examples/celery_worker"
        env = {**environment_of_all, **choices, "PYTHONPATH": f"{root}:{example}:{Path(__file__).parent}"}
        options = ["--concurrency", 2, "--loglevel", "INFO", "--hostname", f"{module}@%h"]
        options += ["--without-mingle", "--without-gossip"]  # which wait a second for other workers
        worker = start(sys.executable, "-m", "celery", "-A", module, "worker", *options, cwd=example, env=env)
        worker.wait_for(r"@\S+ ready\.")
        return worker

    return run


@pytest.fixture(scope="module")
def worker(begin):
    return begin()


@pytest.fixture(scope="module")
def example(module_of, environment_of_all):
    """The module of the example, as a client imports it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NST_WORKER_BROKER", environment_of_all["NST_WORKER_BROKER"])
        module = module_of("celery_worker", "worker")
    yield module
    module.app.backend.result_consumer.stop()
    # a result that lives longer says goodbye to a Redis that is gone
    module.app.backend.remove_pending_result = lambda result: None
    module.app.close()


class ReachedError(Exception):
    """A task has come as far as was waited for."""


def until(task, step):
    """Wait for a task to come that far; what it told on the way."""
    told = []

    def look(message):
        if message["task_id"] == task.id and message["status"] == "PROGRESS":
            told.append(message["result"])
            if told[-1]["step"] >= step:
                raise ReachedError

    with pytest.raises(ReachedError):
        task.get(timeout=120, on_message=look)
    return told


def test_four_pictures_at_once(worker, example, files, check):
    from celery.result import ResultSet

    tasks = ResultSet([example.stylize.delay(**files, **choice) for choice in CHOICES])
    told = {task.id: [] for task in tasks}
    made = tasks.get(timeout=120, on_message=lambda message: told[message["task_id"]].append(message))
    for choice, task, png in zip(CHOICES, tasks, made, strict=True):
        check(png, choice)
        steps = range(choice["steps"] + 1)
        assert [message["status"] for message in told[task.id]] == [
            "STARTED",
            *["PROGRESS" for _ in steps],
            "SUCCESS",
        ]
        progress = [message["result"] for message in told[task.id][1:-1]]
        assert progress == [{"step": step, "steps": choice["steps"]} for step in steps]


def test_revoked_within_a_step(worker, example, files):
    from celery.exceptions import TaskRevokedError

    task = example.stylize.delay(**files, **LONG)
    until(task, 1)
    assert example.app.control.revoke(task.id, reply=True, limit=1, timeout=60)
    now, told = example.app.backend.get_task_meta(task.id), []
    last = now["result"]["step"] + 1 if now["status"] == "PROGRESS" else 0
    with pytest.raises(TaskRevokedError, match="cancelled"):
        task.get(timeout=120, on_message=lambda message: told.append(message))
    assert task.state == "REVOKED"
    steps = [message["result"]["step"] for message in told if message["status"] == "PROGRESS"]
    assert all(step <= last for step in steps if last)


def test_a_soft_time_limit_is_a_deadline(worker, example, files):
    task = example.stylize.apply_async(kwargs={**files, **LONG}, soft_time_limit=0.5)
    assert pixels(task.get(timeout=120)).shape == (192, 256, 3)


def test_what_is_refused(worker, example, files):
    wrong = {"size": 8}, {"color": "mauve"}
    for settings, told in zip(
        wrong, ("the content picture is 8x6 pixels here", "color is 'mauve'"), strict=True
    ):
        with pytest.raises(Exception, match=told):
            example.stylize.delay(**files, **settings).get(timeout=120)
    worker.wait_for("raised expected: SettingsError.+color is 'mauve'")
    assert "Traceback" not in worker.text
    with pytest.raises(TypeError, match="'stepz'"):  # before anything is sent
        example.stylize.delay(**files, stepz=3)


def test_told_to_stop(worker, example, files):
    """It ends within a step, and its picture waits for another worker."""
    task = example.stylize.delay(**files, **LONG)
    until(task, 1)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.ended()[0] == 0
    with example.app.connection_for_read() as connection:
        assert connection.default_channel.client.llen("celery") == 1
    assert example.app.control.purge() == 1


def test_a_worker_that_is_killed(begin, example, files, check):
    """Nobody acknowledges the task, so that another worker does it from the start."""
    choice = {"size": 48, "steps": 4}
    killed = begin("held_worker")
    task = example.stylize.delay(**files, **choice)
    assert until(task, 2)[-1] == {"step": 2, "steps": 4}
    killed.kill()
    begin(NST_WORKER_LOST="3")
    told = []
    png = task.get(timeout=120, on_message=lambda message: told.append(message["result"]))
    check(png, choice)
    assert {"step": 3, "steps": 4} in told
