"""The queue of large pictures: on disk, one at a time, there again after a restart, within the memory."""

import errno
import os

import pytest

from nst.cli.web.messages import Estimate, Finished, Large, Paint, Preview, Status, Stop
from nst.cli.web.painting import Setup
from tests.web.conftest import document, entry_of, open_studio, tell_finished, tell_preview


@pytest.fixture
def done(ready):
    """A session whose picture is finished."""
    ready.run = ready.live.sent[-1].order.run
    tell_finished(ready, ready.run)
    return ready


def enlarge(place, size=1024):
    return place.client.post(f"{place.at}/large", json={"size": size})


def larges(place):
    return [request for request in place.slow.sent if isinstance(request, Large)]


def tell_large(place, request, step=3, peak=5 * 10**9):
    order = request.order
    place.slow.handle(Preview(place.name, order.run, step, 30, 1, 2, (800, 600), 2.0, 60.0, peak, None, b""))


def test_it_begins_at_once_from_the_present_picture(done):
    assert enlarge(done).status_code == 204
    (request,) = larges(done)
    assert request.order.size == 1024
    assert request.above == 40  # the longest side of the picture that is there
    assert request.present.endswith(f"raw-{done.run}.png")
    tell_large(done, request)
    (job,) = document(done)["jobs"]
    assert (job["state"], job["step"], job["steps"], job["left"]) == ("painting", 3, 30, 60.0)


def test_the_second_waits_for_the_first(done):
    enlarge(done, 1024)
    enlarge(done, 2048)
    (first,) = larges(done)
    assert [job["place"] for job in document(done)["jobs"]] == [1, 2]
    names = {"picture": "picture-9.png", "thumb": "thumb-9.jpg", "raw": "raw-9.png"}
    done.slow.handle(Finished(done.name, entry_of(done, first.order.run, "large", (1024, 768), names)))
    assert [request.order.size for request in larges(done)] == [1024, 2048]
    held = document(done)
    assert [job["size"] for job in held["jobs"]] == [2048]
    assert (held["history"][0]["why"], held["history"][0]["size"]) == ("large", [1024, 768])
    assert held["work"]["run"] == done.run  # what is on the stage stays there


@pytest.mark.parametrize("size", [8, 10**6, "big", None, True])
def test_a_size_that_cannot_be_is_refused(done, size):
    assert done.client.post(f"{done.at}/large", json={"size": size}).status_code == 422


def test_a_full_disk_queues_nothing(done, monkeypatch):
    def no_space(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("nst.cli.web.queue.write_atomically", no_space)
        assert enlarge(done).status_code == 507
        assert larges(done) == document(done)["jobs"] == []
    enlarge(done)
    with monkeypatch.context() as patch:  # what happens to one that is in the queue is told all the same
        patch.setattr("nst.cli.web.queue.write_atomically", no_space)
        done.slow.handle(None)
    assert len(larges(done)) == 2


def test_a_picture_that_is_under_way_is_not_made_large(ready):
    assert enlarge(ready).status_code == 422


def test_the_queue_is_there_after_a_restart(done):
    enlarge(done, 1024)
    enlarge(done, 2048)
    before = larges(done)[0]
    again = open_studio(done.folder)
    again.name, again.at = done.name, done.at
    assert [job["state"] for job in document(again)["jobs"]] == ["queued", "queued"]
    again.studio.open()
    (request,) = larges(again)
    assert (request.job, request.order, request.checkpoint) == (before.job, before.order, before.checkpoint)


def test_the_server_gives_it_time_to_be_saved(done):
    enlarge(done)
    done.studio.close()
    assert done.slow.stops[-1] > 0
    assert done.live.stops == [0.0]


def test_cancelled(done):
    enlarge(done, 1024)
    enlarge(done, 2048)
    for job in document(done)["jobs"]:
        done.client.delete(f"{done.at}/large/{job['name']}")
    assert document(done)["jobs"] == []
    assert done.slow.stops  # the one that was under way
    assert not list((done.folder / "queue").iterdir())


def test_nobody_cancels_what_is_not_theirs(done):
    enlarge(done)
    (job,) = document(done)["jobs"]
    other = done.client.post("sessions").json()["session"]
    done.client.delete(f"sessions/{other}/large/{job['name']}")
    assert len(document(done)["jobs"]) == 1


def test_a_process_that_dies_tries_once_more_and_no_more(done):
    enlarge(done)
    done.slow.handle(None)
    assert len(larges(done)) == 2
    done.slow.handle(None)
    assert len(larges(done)) == 2
    (job,) = document(done)["jobs"]
    assert job["state"] == "failed"
    assert "memory" in job["error"]


def test_a_failure_lets_the_next_one_begin(done):
    enlarge(done, 4096)
    enlarge(done, 1024)
    first = larges(done)[0]
    done.slow.handle(Status(done.name, first.order.run, "failed", "4096x3072 pixels need about 9 GB"))
    assert [job["state"] for job in document(done)["jobs"]] == ["failed", "painting"]


def test_the_plan_comes_with_the_stream(done):
    box = done.studio.subscribe(done.studio.store.get(done.name))
    done.client.post(f"{done.at}/do/plan", json={"size": 2048})
    request = done.live.sent[-1]
    assert isinstance(request, Large)
    assert request.order.size == 2048
    done.live.handle(Estimate(done.name, 2048, 2048, 1536, 3 * 10**9, 8 * 10**9, True, 700.0))
    assert box._events["plan"]["seconds"] == 700.0


def test_memory_is_shared(tmp_path, done):
    """Live pictures plan with what a large one leaves, and the other way round."""
    place = open_studio(done.folder, Setup(size=96, memory=8 * 10**9))
    place.name, place.at = done.name, done.at
    place.client.patch(f"{place.at}/recipe", json={"strength": 0.9})
    tell_preview(place, place.live.sent[-1].order.run, peak=2 * 10**9)
    tell_finished(place, place.live.sent[-1].order.run)
    enlarge(place)
    assert larges(place)[-1].reserve == 2 * 10**9
    tell_large(place, larges(place)[-1], peak=5 * 10**9)
    place.client.patch(f"{place.at}/recipe", json={"strength": 0.4})
    assert place.live.sent[-1].taken == 5 * 10**9


def test_a_live_picture_that_finds_no_memory_has_the_large_one_put_down(done):
    enlarge(done)
    order = larges(done)[0].order
    done.client.patch(f"{done.at}/recipe", json={"strength": 0.9})
    paint = done.live.sent[-1]
    done.live.handle(Status(done.name, paint.order.run, "waiting"))
    assert isinstance(done.slow.sent[-1], Stop)
    done.slow.handle(Status(done.name, order.run, "saved"))
    assert done.slow.stops  # its memory is free
    again = done.live.sent[-1]
    assert isinstance(again, Paint)
    assert (again.order.run, again.taken) == (paint.order.run, 0)
    assert document(done)["jobs"][0]["state"] == "queued"
    tell_preview(done, paint.order.run)
    tell_finished(done, paint.order.run)
    assert len(larges(done)) == 2  # and it goes on when nobody paints
