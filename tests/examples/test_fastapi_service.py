"""The FastAPI service, really started, under a real client."""

import asyncio
import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import pairwise

import pytest
from PIL import Image

import nst
from tests.examples.conftest import CHOICES, LONG, pixels

pytestmark = pytest.mark.slow

QUEUE = 4
LIMITS = {
    "workers": 2,
    "queue": QUEUE,
    "file_bytes": 30_000,
    "pixels": 300_000,
    "size": 2048,
    "steps": 1000,
    "deadline": 600,
    "memory": 400_000_000,
}


@pytest.fixture(scope="module")
def begin(start, root, need_for_service, service_environment):
    """begin(): a service at a free port, as (process, client)."""
    need_for_service("fastapi", "httpx", "multipart", "uvicorn")
    import httpx

    clients = []

    def run():
        app = root / "examples/fastapi_service/app.py"
        service = start(sys.executable, app, cwd=root, env=service_environment("SERVICE", port=0, **LIMITS))
        address = service.wait_for(r"running on (http://[\d.:]+)")[1]
        clients.append(httpx.Client(base_url=address, timeout=120))
        return service, clients[-1]

    yield run
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def client(begin):
    return begin()[1]


@pytest.fixture
def post(client, files):
    """post(**form): the status of a new job of the small pictures; all jobs are cancelled after the test."""
    made = []

    def send(**form):
        response = client.post("/jobs", data=form, files=files)
        assert response.status_code == 202, response.text
        made.append(response.json()["id"])
        assert response.headers["location"] == f"/jobs/{made[-1]}"
        return response.json()

    yield send
    for id_ in made:
        client.delete(f"/jobs/{id_}")


def events(client, job):
    """The status in each event of a job's stream, as they come."""
    with client.stream("GET", f"/jobs/{job['id']}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        name = None
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            name = value if field == "event" else name
            if field == "data":
                status = json.loads(value)
                assert status["state"] == name
                yield status


def test_four_pictures_at_once(client, post, check):
    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(lambda choice: post(**choice), CHOICES))
        seen = list(pool.map(lambda job: list(events(client, job)), jobs))
    for choice, job, statuses in zip(CHOICES, jobs, seen, strict=True):
        assert {status["id"] for status in statuses} == {job["id"]}
        assert [status["step"] for status in statuses] == sorted(status["step"] for status in statuses)
        order = ["queued", "running", "done"]
        assert [status["state"] for status in statuses] == sorted(
            (status["state"] for status in statuses), key=order.index
        )
        assert all(one != other for one, other in pairwise(statuses))
        last = {"state": "done", "step": choice["steps"], "steps": choice["steps"], "stopped": None}
        assert last.items() <= statuses[-1].items()
        assert client.get(f"/jobs/{job['id']}").json() == statuses[-1]
        painted = client.get(f"/jobs/{job['id']}/picture")
        assert painted.headers["content-type"] == "image/png"
        check(painted.content, choice)
    # all of a stream comes, unless its reader is slow, so that somewhere there is a step in the middle
    assert any(0 < status["step"] < status["steps"] for statuses in seen for status in statuses)


def test_cancelled_within_a_step(client, post):
    job = post(**LONG)
    at = None
    for status in events(client, job):
        if at is None and status["step"] >= 1:
            assert client.get(f"/jobs/{job['id']}/picture").status_code == 409
            at = client.delete(f"/jobs/{job['id']}").json()["step"]
    assert (status["state"], status["stopped"]) == ("cancelled", "cancelled")
    assert at <= status["step"] <= at + 1
    assert pixels(client.get(f"/jobs/{job['id']}/picture").content).shape == (192, 256, 3)
    client.delete(f"/jobs/{job['id']}")
    assert client.get(f"/jobs/{job['id']}").status_code == 404


def test_a_full_queue_and_a_job_that_waits(client, post, files):
    running = [post(**LONG) for _ in range(2)]
    for job in running:
        next(status for status in events(client, job) if status["step"] >= 1)
    waiting = [post(**LONG) for _ in range(QUEUE)]
    assert [job["state"] for job in waiting] == ["queued"] * QUEUE
    health = client.get("/health").json()
    assert (health["queued"], health["running"], health["backend"]) == (QUEUE, 2, "numpy on cpu")
    full = client.post("/jobs", data=LONG, files=files)
    assert (full.status_code, int(full.headers["retry-after"]) > 0) == (429, True)
    assert full.json() == {"error": "4 pictures are waiting already: try again later"}
    gone = client.delete(f"/jobs/{waiting[-1]['id']}").json()
    assert (gone["state"], gone["step"]) == ("cancelled", 0)
    refused = client.get(f"/jobs/{gone['id']}/picture")
    assert (refused.status_code, refused.json()) == (
        409,
        {"error": "there is no picture: the job is cancelled"},
    )
    assert post(**LONG)["state"] == "queued"  # there is room again


def test_a_deadline_gives_what_there_is(client, post):
    statuses = list(events(client, post(**{**LONG, "deadline": 0})))
    assert tuple(statuses[-1][name] for name in ("state", "stopped", "step")) == ("done", "deadline", 0)
    assert pixels(client.get(f"/jobs/{statuses[-1]['id']}/picture").content).shape == (192, 256, 3)


def flat(side):
    """A PNG of few bytes and many pixels."""
    file = BytesIO()
    Image.new("RGB", (side, side)).save(file, "PNG")
    return file.getvalue()


REFUSED = [
    ({"steps": 1001}, {}, 422, "steps: Input should be less than or equal to 1000"),
    ({"size": 2049}, {}, 422, "size: Input should be less than or equal to 2048"),
    ({"deadline": 601}, {}, 422, "deadline: "),
    ({"steps": "many"}, {}, 422, "steps: Input should be a valid integer"),
    ({"stepz": 3}, {}, 422, "stepz: "),
    ({"color": "mauve"}, {}, 422, "color: "),
    ({"size": 8}, {}, 422, "the content picture is 8x6 pixels here"),
    ({"size": 2048}, {}, 422, "2048x1536 pixels need about"),
    ({"size": 64}, {"style": b"no picture"}, 422, "cannot read style: not a picture"),
    ({"size": 64}, {"content": flat(2000)}, 422, "above the limit against decompression bombs"),
    ({"size": 64}, {"content": bytes(30_001)}, 413, "content: 30,001 bytes, and 30,000 are allowed"),
    ({"size": 64}, {"content": bytes(126_000)}, 413, "bytes, and 125,536 are allowed"),
]


@pytest.mark.parametrize(("form", "other", "code", "words"), REFUSED)
def test_what_is_refused(client, files, form, other, code, words):
    response = client.post("/jobs", data=form, files={**files, **other})
    assert response.status_code == code, response.text
    (error,) = response.json().values()
    assert words in error
    assert "\n" not in error
    assert "\n" not in response.text


def test_what_is_no_job(client, files):
    told = {
        client.post("/jobs", data={"steps": 3}): (422, "content: Field required; style: Field required"),
        client.post("/jobs", content=iter([b"of unknown length"])): (411, "say how long the body is"),
        client.get("/jobs/none/events"): (404, "there is no such job"),
        client.get("/elsewhere"): (404, "Not Found"),
        client.put("/jobs"): (405, "Method Not Allowed"),
    }
    for response, (code, words) in told.items():
        assert (response.status_code, list(response.json())) == (code, ["error"])
        assert words in response.json()["error"]


def test_told_to_stop(begin, files):
    """What is painted, what waits and who looks on: all end, and so does the process."""
    service, client = begin()
    jobs = [client.post("/jobs", data=LONG, files=files).json() for _ in range(3)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: list(events(client, jobs[2]))[-1])
        stream = events(client, jobs[0])
        next(status for status in stream if status["step"] >= 1)
        service.process.send_signal(signal.SIGTERM)
        assert list(stream)[-1]["state"] == "cancelled"
        assert waiting.result()["state"] == "cancelled"
    status, text = service.ended()
    assert status in (0, -signal.SIGTERM)
    assert "Application shutdown complete" in text
    assert "Traceback" not in text


@pytest.fixture
def in_process(module_of, need_for_service, weights_file, files, monkeypatch):
    """in_process(test, **limits): run test(jobs, add) in an event loop; add() awaits the end of a new job."""
    need_for_service("pydantic")
    module = module_of("fastapi_service", "jobs")

    def run(test, **limits):
        async def inside():
            jobs = module.Jobs(module.Config(backend="numpy", weights=str(weights_file), **limits))

            async def add(**settings):
                job = await jobs.add(**files, deadline=60, size=32, steps=1, **settings)
                async for _ in job.follow():
                    pass
                return job

            try:
                await test(jobs, add)
            finally:
                jobs.stop()
                await jobs.join()

        asyncio.run(inside())

    return run


def test_jobs_are_forgotten_after_a_while(in_process):
    async def test(jobs, add):
        job = await add()
        while jobs.get(job.status.id):
            await asyncio.sleep(0.01)

    in_process(test, keep=0.2)


def test_only_so_many_are_kept(in_process):
    async def test(jobs, add):
        made = [await add() for _ in range(4)]
        await asyncio.sleep(0)  # for what follows the end of the last one
        while jobs.get(made[1].status.id):
            await asyncio.sleep(0.01)
        assert [jobs.get(job.status.id) for job in made] == [None, None, made[2], made[3]]

    in_process(test, kept=2)


def test_a_network_for_all_and_a_fault_for_one(in_process, monkeypatch):
    used = []
    paint = nst.StyleTransfer.paint

    def failing(transfer, *arguments, **options):
        used.append((transfer.weights, transfer.backend))
        if len(used) == 1:
            raise MemoryError
        return paint(transfer, *arguments, **options)

    monkeypatch.setattr(nst.StyleTransfer, "paint", failing)

    async def test(jobs, add):
        first, second = await add(), await add()
        assert (first.status.state, second.status.state) == ("failed", "done")
        assert first.status.error.startswith("the picture could not be painted")
        assert all(weights is jobs.weights and backend is jobs.backend for weights, backend in used)

    in_process(test)


@pytest.mark.parametrize("reading", [False, True])
def test_no_job_after_the_stop(in_process, monkeypatch, reading):
    """Not even one whose pictures were being read."""

    async def test(jobs, add):
        transfer = jobs._transfer

        def stopped_meanwhile(*arguments):
            jobs.stop()  # there is no job yet, which would belong to the event loop
            return transfer(*arguments)

        if reading:
            monkeypatch.setattr(jobs, "_transfer", stopped_meanwhile)
        else:
            jobs.stop()
        with pytest.raises(Exception, match="about to stop"):
            await add()
        assert jobs.count("queued") == jobs.count("running") == 0

    in_process(test)
