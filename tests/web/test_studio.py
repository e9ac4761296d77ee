"""What the server asks of the processes, and what it tells the page."""

import json
import os

import pytest

from nst.cli.web.messages import Colored, LookPainted, Paint, Ready, Recolor, Status, Stop
from nst.cli.web.session import Store
from tests.web.conftest import document, open_studio, png, tell_finished, tell_preview


def patch(place, gesture="g", **sliders):
    return place.client.patch(f"{place.at}/recipe", json={**sliders, "gesture": gesture})


def act(place, action, **more):
    return place.client.post(f"{place.at}/do/{action}", json=more)


def paints(place):
    return [request for request in place.live.sent if isinstance(request, Paint)]


def test_two_pictures_begin_a_run(ready):
    (paint,) = paints(ready)
    assert not paint.go_on
    assert paint.order.size == 96
    assert document(ready)["work"]["state"] == "painting"


def test_a_slider_goes_on_from_the_present_picture(ready):
    assert patch(ready, strength=0.7).status_code == 204
    paint = paints(ready)[-1]
    assert paint.go_on
    assert paint.order.subject.recipe.strength == 0.7
    assert paint.order.run > paints(ready)[0].order.run


@pytest.mark.parametrize(
    "sliders",
    [
        {"strength": 2},
        {"strength": "x"},
        {"brightness": 1},
        {"blend": 3},
        {"stroke": None},
        {"strength": float("nan")},
    ],
)
def test_what_a_slider_cannot_be_is_refused(ready, sliders):
    answer = ready.client.patch(f"{ready.at}/recipe", content=json.dumps(sliders))
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert len(paints(ready)) == 1


@pytest.mark.parametrize(
    "body",
    [
        "[" * 10_000 + "]" * 10_000,
        '{"blend": ' + "[" * 10_000 + "]" * 10_000 + "}",
        '{"gesture": ' + '{"a":' * 500 + "1" + "}" * 501,
        '{"strength": ' + "9" * 5000 + "}",
        '{"strength": ' + "9" * 4000 + "}",
        '{"strength": 1e999}',
        '{"' + "x" * 60_000 + '": 1}',
        '{"blend": [' + ",".join(["0.5"] * 5000) + "]}",
        '{"gesture": "a", "strength": ["x"]}',
        "\xff",
    ],
)
def test_what_nobody_means_is_refused_briefly(ready, body):
    for method, path in (("PATCH", "recipe"), ("POST", "do/plan"), ("POST", "large"), ("POST", "do/restore")):
        answer = ready.client.request(method, f"{ready.at}/{path}", content=body.encode("latin-1"))
        assert answer.status_code == 422
        assert 0 < len(answer.json()["error"]) < 600
    assert len(paints(ready)) == 1


@pytest.mark.parametrize(
    "path", ["styles/" + "9" * 5000, "styles/x", "large/" + "x" * 5000, "masks/" + "x" * 5000]
)
def test_long_numbers_and_names_in_addresses(ready, path):
    assert ready.client.delete(f"{ready.at}/{path}").status_code in (204, 404, 422)


def test_the_same_value_begins_nothing(ready):
    patch(ready, strength=0.5)
    assert len(paints(ready)) == 1


def test_colours_need_no_optimisation(ready):
    patch(ready, color=0.8)
    assert len(paints(ready)) == 1
    assert isinstance(ready.live.sent[-1], Recolor)
    assert ready.live.sent[-1].order.subject.recipe.color == 0.8


def test_previews_of_an_older_run_are_not_shown(ready):
    first = paints(ready)[0].order.run
    patch(ready, strength=0.7)
    box = ready.studio.subscribe(ready.studio.store.get(ready.name))
    tell_preview(ready, first)
    assert "preview" not in box._events
    tell_preview(ready, paints(ready)[-1].order.run)
    assert box._events["preview"]["loss"] == 5.0


def test_one_gesture_is_one_undo(ready):
    run = paints(ready)[0].order.run
    tell_finished(ready, run)
    for value in (0.6, 0.7, 0.8):
        patch(ready, strength=value, gesture="one")
    patch(ready, stroke=2.0, gesture="two")
    assert document(ready)["undo"] == 2
    act(ready, "undo")
    held = document(ready)
    assert (held["subject"]["recipe"]["stroke"], held["subject"]["recipe"]["strength"]) == (1.0, 0.8)
    act(ready, "undo")
    held = document(ready)
    assert held["subject"]["recipe"]["strength"] == 0.5
    assert held["work"] == {"state": "done", "run": run, "error": "", "start": None}  # the very picture
    assert act(ready, "undo").status_code == 422


def test_undo_goes_on_from_the_picture_of_then(ready):
    """Where it was not finished: the file that the changed run started from."""
    patch(ready, strength=0.8)
    tell_preview(ready, paints(ready)[-1].order.run, start="start-9.png")
    act(ready, "undo")
    paint = paints(ready)[-1]
    assert paint.present == str(ready.folder / ready.name / "start-9.png")
    assert paint.order.subject.recipe.strength == 0.5


def test_redo_brings_back_what_was_undone(ready):
    first = paints(ready)[0].order.run
    tell_finished(ready, first)
    patch(ready, "a", strength=0.8)
    second = paints(ready)[-1].order.run
    tell_finished(ready, second)
    act(ready, "undo")
    assert (document(ready)["work"]["run"], document(ready)["redo"]) == (first, 1)
    act(ready, "redo")
    held = document(ready)
    assert (held["work"]["run"], held["subject"]["recipe"]["strength"]) == (second, 0.8)
    assert (held["undo"], held["redo"]) == (1, 0)
    act(ready, "undo")
    assert open_studio(ready.folder).client.get(ready.at).json()["redo"] == 1  # after a restart of the server
    patch(ready, "b", detail=0.9)
    assert act(ready, "redo").json() == {"error": "there is nothing to do again"}  # another way was taken


def test_stop_and_continue(ready):
    run = paints(ready)[0].order.run
    act(ready, "stop")
    assert ready.live.sent[-1] == Stop(ready.name)
    tell_finished(ready, run, "stopped")
    held = document(ready)
    assert held["work"]["state"] == "stopped"
    assert held["history"][0]["command"] == f"nst stylize {run}"
    act(ready, "continue")
    again = paints(ready)[-1]
    assert again.resume
    assert again.order.run == run  # the same one goes on
    assert document(ready)["work"]["state"] == "painting"


def test_a_finished_picture_that_goes_on_is_polished(ready):
    tell_finished(ready, paints(ready)[0].order.run)
    act(ready, "continue")
    assert paints(ready)[-1].polish
    assert paints(ready)[-1].go_on


def test_history_brings_back_picture_and_settings(ready):
    first = paints(ready)[0].order.run
    tell_finished(ready, first)
    patch(ready, strength=0.9)
    tell_finished(ready, paints(ready)[-1].order.run)
    assert act(ready, "restore", run=first).status_code == 204
    held = document(ready)
    assert held["subject"]["recipe"]["strength"] == 0.5
    assert held["work"]["run"] == first
    patch(ready, detail=0.9, gesture="x")  # goes on from the picture that was brought back
    assert paints(ready)[-1].present == str(ready.folder / ready.name / f"raw-{first}.png")
    assert act(ready, "restore", run=10**6).status_code == 422


@pytest.mark.slow
def test_stars_stay_and_what_is_deleted_goes(ready):
    first = paints(ready)[0].order.run
    tell_finished(ready, first)
    assert act(ready, "star", run=first).status_code == 204
    for number in range(30):
        patch(ready, str(number), strength=0.1 + number / 50)
        tell_finished(ready, paints(ready)[-1].order.run)
    runs = [entry["run"] for entry in document(ready)["history"]]
    assert len(runs) == 24
    assert first in runs  # the oldest, with its star
    assert "the present one" in act(ready, "delete", run=runs[0]).json()["error"]
    assert act(ready, "delete", run=runs[1]).status_code == 204
    entries = (
        open_studio(ready.folder).client.get(ready.at).json()["history"]
    )  # after a restart of the server
    assert [entry["run"] for entry in entries] == [run for run in runs if run != runs[1]]
    assert [entry["run"] for entry in entries if entry["star"]] == [first]


def test_other_colours_of_a_finished_picture_take_its_place(ready):
    run = paints(ready)[0].order.run
    tell_finished(ready, run)
    for value in (0.2, 0.4):
        patch(ready, color=value)
        ready.live.handle(Colored(ready.name, run, f"nst --color {value}"))
    held = document(ready)
    assert [entry["command"] for entry in held["history"]] == ["nst --color 0.4"]
    assert held["history"][0]["subject"]["recipe"]["color"] == 0.4


def test_undo_brings_the_colours_back(ready):
    """The files of the picture have been written anew with others."""
    run = paints(ready)[0].order.run
    tell_finished(ready, run)
    patch(ready, color=0.4)
    ready.live.handle(Colored(ready.name, run, "nst --color 0.4"))
    act(ready, "undo")
    recolor = ready.live.sent[-1]
    assert isinstance(recolor, Recolor)
    assert (recolor.order.run, recolor.order.subject.recipe.color) == (run, 0.0)


def test_the_brush(ready):
    assert ready.client.put(f"{ready.at}/masks/protect?gesture=b1", content=png(3)).status_code == 204
    order = paints(ready)[-1].order
    assert list(order.masks) == ["protect"]
    assert (
        ready.client.put(f"{ready.at}/masks/style2", content=png(3)).status_code == 422
    )  # there is one painting
    ready.client.delete(f"{ready.at}/masks/protect")
    assert not paints(ready)[-1].order.masks


def test_masks_move_up_with_their_paintings(ready):
    ready.client.post(f"{ready.at}/styles", content=png(4))
    for name in ("style1", "style2", "protect"):
        ready.client.put(f"{ready.at}/masks/{name}", content=png(len(name) + int(name[-1] == "2")))
    masks = document(ready)["subject"]["masks"]
    ready.client.delete(f"{ready.at}/styles/1")
    assert document(ready)["subject"]["masks"] == {"style1": masks["style2"], "protect": masks["protect"]}
    assert ready.client.delete(f"{ready.at}/styles/2").status_code == 422


def test_without_a_painting_there_is_nothing_to_paint(ready):
    ready.client.delete(f"{ready.at}/styles/1")
    assert document(ready)["work"]["state"] == "empty"
    assert ready.live.sent[-1] == Stop(ready.name, forget=True)
    assert act(ready, "continue").status_code == 422
    assert act(ready, "restart").status_code == 422


def test_a_failure_is_one_line_on_the_page(ready):
    ready.live.handle(Status(ready.name, paints(ready)[-1].order.run, "failed", "style 1 has no region"))
    assert document(ready)["work"]["error"] == "style 1 has no region"
    act(ready, "restart")
    assert document(ready)["work"]["state"] == "painting"


def test_a_process_that_dies_is_started_again(ready):
    ready.live.handle(Ready("numpy", "cpu", "small"))
    assert document(ready)["machine"]["backend"] == "numpy"
    ready.live.alive = False
    ready.live.handle(None)
    assert ready.live.alive
    held = document(ready)
    assert held["work"]["state"] == "failed"
    assert "memory" in held["work"]["error"]


def test_a_process_that_never_was_ready_is_not(ready):
    why = []
    ready.studio.give_up = why.append
    ready.live.alive = False
    ready.live.handle(Status("", 0, "failed", "there is no backend 'x'"))
    ready.live.handle(None)
    assert not ready.live.alive
    assert why[0] == "there is no backend 'x'"


def test_a_session_is_there_after_a_restart(ready):
    run = paints(ready)[0].order.run
    tell_finished(ready, run)
    patch(ready, strength=0.7)
    before = document(ready)
    again = open_studio(ready.folder)
    after = again.client.get(ready.at).json()
    assert after["work"]["state"] == "stopped"  # it was under way
    for name in ("subject", "history", "undo"):
        assert after[name] == before[name]


def test_a_damaged_session_does_not_keep_the_others_away(ready):
    (ready.folder / "0123456789abcdef").mkdir()
    (ready.folder / "0123456789abcdef" / "session.json").write_text("{")
    assert [session.name for session in Store(ready.folder)] == [ready.name]


def test_two_people_do_not_hear_of_each_other(ready):
    other = ready.client.post("sessions").json()["session"]
    box = ready.studio.subscribe(ready.studio.store.get(other))
    box._events.clear()
    patch(ready, strength=0.9)
    tell_preview(ready, paints(ready)[-1].order.run)
    assert not box._events


def test_two_tabs_of_a_session_hear_the_same(ready):
    session = ready.studio.store.get(ready.name)
    boxes = [ready.studio.subscribe(session) for _ in range(2)]
    patch(ready, strength=0.9)
    told = [box._events["state"]["subject"]["recipe"]["strength"] for box in boxes]
    assert told == [0.9, 0.9]


def test_cards_of_other_pictures_are_not_mixed(ready):
    stream = ready.studio.subscribe(ready.studio.store.get(ready.name))
    for pair, look in (("old", "bold"), ("new", "fine"), ("new", "broad")):
        ready.live.handle(LookPainted(ready.name, pair, look, b"jpeg"))
    again = open_studio(ready.folder).studio  # after a restart of the server
    assert again.subscribe(again.store.get(ready.name))._events["looks"] == stream._events["looks"]
    cards = dict(stream._events["looks"])
    assert cards.pop("pair") == "new"
    assert {look: url.split(",")[0] for look, url in cards.items()} == {
        "fine": "data:image/jpeg;base64",
        "broad": "data:image/jpeg;base64",
    }
    ready.live.handle(LookPainted(ready.name, "new+faces", "fine", b"another"))  # what was seen before stays
    kept = stream._events["looks"]
    assert (kept["pair"], kept["broad"]) == ("new+faces", cards["broad"])
    assert kept["fine"] != cards["fine"]


def test_waiting_is_shown(ready):
    ready.live.handle(Status(ready.name, paints(ready)[-1].order.run, "waiting"))
    assert document(ready)["work"]["state"] == "waiting"
    tell_preview(ready, paints(ready)[-1].order.run)
    assert document(ready)["work"]["state"] == "painting"


def test_old_sessions_go_when_there_are_too_many(ready, monkeypatch):
    monkeypatch.setattr("nst.cli.web.session.MOST", 2)
    ready.client.post("sessions")
    ready.client.post("sessions")
    assert ready.client.get(ready.at).status_code == 404
    assert not (ready.folder / ready.name).exists()


def test_stopped_before_there_was_anything_to_see(ready):
    ready.live.handle(Status(ready.name, paints(ready)[-1].order.run, "stopped"))
    assert document(ready)["work"]["state"] == "stopped"
    assert act(ready, "continue").status_code == 204


def test_files_that_nothing_leads_to_go(ready):
    """Those of runs that another one took the place of; what history, undo and the present need stays."""
    for value in (0.6, 0.7):
        patch(ready, strength=value, gesture=str(value))
    runs = [paint.order.run for paint in paints(ready)]
    folder = ready.folder / ready.name
    for run in runs:
        (folder / f"start-{run}.png").write_bytes(png())
    ready.studio.store.save(ready.studio.store.get(ready.name).started(f"start-{runs[1]}.png"))  # for undo
    patch(ready, strength=0.8, gesture="0.6")
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    before = {path.name for path in folder.iterdir()}
    tell_finished(ready, paints(ready)[-1].order.run)
    gone = before - {path.name for path in folder.iterdir()}
    assert gone == {f"start-{runs[0]}.png", f"start-{runs[2]}.png"}
