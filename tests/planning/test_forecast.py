"""How long a run will take, from the time of small versions; the clock is replaced."""

from types import SimpleNamespace

import numpy as np
import pytest

import nst
from nst import forecast
from nst.cli.commands.plan import plan
from nst.cli.commands.stylize import stylize
from nst.cli.engine import plan_rows
from nst.models.random import random_weights
from nst.progress import Pace


@pytest.fixture
def transfer():
    """512x384 pixels in scales of 128 (10 steps), 256 (20) and 512 px (5)."""
    picture = np.zeros((384, 512, 3), np.uint8)
    return nst.StyleTransfer(
        picture, picture, backend="numpy", weights=random_weights(0, 0.1), scales=(128, 256, 512), steps=(10, 20, 5),
        tile="off", size=512,
    )  # fmt: skip


def test_what_does_not_grow_with_the_picture_is_not_scaled(monkeypatch, transfer):
    """bfloat16 without the instructions for it: 1.15 s of a step of 1.52 s at 256 px are the same at 4096 px."""
    monkeypatch.setattr(forecast, "_seconds", lambda _, side, backend: 1.15 + 8e-6 * side * side * 0.75)
    found = forecast.forecast(transfer)
    at = {side: 1.15 + 8e-6 * side * side * 0.75 for side in (128, 256, 512)}
    assert found.step == pytest.approx(at[512])
    assert found.total == pytest.approx(10 * at[128] + 20 * at[256] + 5 * at[512])


def test_a_plan_of_hours_names_the_poster(monkeypatch, transfer):
    """100 s a step at 128 px; 1600 s at 512 px, of which there are five."""
    monkeypatch.setattr(forecast, "_seconds", lambda _, side, backend: 100.0 * (side / 128) ** 2)
    monkeypatch.setattr(forecast, "POSTER", 256)
    found = forecast.forecast(transfer)
    assert (found.total, found.poster) == (10 * 100 + 20 * 400 + 5 * 1600, 10 * 100 + 25 * 400)
    assert plan_rows(transfer)[-1] == ("or", "about 3 h 3 min as nst poster --size 256 --long-side 512")
    assert plan_rows(transfer, 4096)[-1][1].endswith("--size 256 --long-side 4096")
    monkeypatch.setattr(forecast, "_seconds", lambda _, side, backend: (side / 128) ** 2)
    assert plan_rows(transfer)[-1][0] == "time"  # minutes


def test_a_small_version_that_is_too_quick_counts_for_nothing(monkeypatch, transfer):
    monkeypatch.setattr(forecast, "_seconds", lambda _, side, backend: {128: 0.5, 256: 3.0}[side])
    assert forecast.forecast(transfer).step == pytest.approx(12.0)  # four times the pixels of 256 px


def test_a_narrow_picture_is_timed_at_a_size_that_its_layers_allow():
    picture = np.zeros((20, 300, 3), np.uint8)  # 16 pixels are one position of conv5_1
    transfer = nst.StyleTransfer(
        picture, picture, backend="numpy", weights=random_weights(0, 0.1), size="content"
    )
    assert forecast.forecast(transfer).step > 0


def test_plan_takes_every_option_of_stylize():
    assert {option.name for option in stylize.params} <= {option.name for option in plan.params}


def test_what_is_left_from_the_steps_so_far():
    """12,000 pixels take 0.3 s, half of it whatever their number: 48,000 take 0.75 s, 24 times."""
    pace = Pace([(12_000, 10), (48_000, 20)])
    assert pace.left(0, 0) is None
    for seconds in (0.3, 9.0, 0.2):  # one that something came between
        pace.add(0, seconds)
    assert pace.left(0, 3) == pytest.approx(7 * 0.3 + 24 * 0.75)
    for _ in range(2):  # too few to count
        pace.add(1, 0.6)
    assert pace.left(1, 2) == pytest.approx(18 * 0.75)
    pace.add(1, 0.6)  # 0.2 s and 0.1 s for 12,000 pixels
    assert pace.left(1, 3) == pytest.approx(17 * 0.6)


# seconds of a step and of setting a size up, at 128x85, 181x121, 256x170, 362x241 and 512x341 pixels, in one thread
MEASURED = {
    "torch, bf16": [(0.116, 1.01), (0.143, 0.64), (0.277, 0.77), (0.379, 1.58), (0.774, 2.22)],
    "onnx": [(0.270, 1.78), (0.423, 2.57), (0.812, 3.71), (1.504, 6.04), (2.923, 11.32)],
}
PIXELS = (128 * 85, 181 * 121, 256 * 170, 362 * 241, 512 * 341)


@pytest.mark.parametrize("measured", MEASURED.values(), ids=list(MEASURED))
def test_what_is_left_is_within_a_third_from_the_tenth_step_on(measured):
    steps = (16, 18, 16, 14, 12)  # those of the studio
    pace, told, true, done = Pace(list(zip(PIXELS, steps, strict=True))), [], [], 0
    for size, (step, _) in enumerate(measured):
        for number in range(1, steps[size] + 1):
            pace.add(size, step)
            done += 1
            rest = (steps[size] - number) * step
            rest += sum(
                own * count + setup
                for count, (own, setup) in list(zip(steps, measured, strict=True))[size + 1 :]
            )
            if done >= 10 and rest:
                told.append(pace.left(size, number))
                true.append(rest)
    ratios = np.array(told) / true
    assert ratios.min() > 2 / 3
    assert ratios.max() < 4 / 3
    jumps = np.array(told[1:]) / told[:-1]
    assert jumps.max() < 1.3  # the number falls, and what a new size tells does not throw it about


def test_a_run_tells_what_is_left(small_transfer, monkeypatch):
    """Of 2 steps at 23x17 pixels and 3 at 32x24, each of a second; what the caller does in between takes none."""
    now = [0.0]

    def clock():
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr("nst.transfer.time", SimpleNamespace(perf_counter=clock))
    records = []
    for record in small_transfer.iterate():
        records.append(record)
        now[0] += 1000.0
    left = [record.left for record in records]
    assert [record.size for record in records[1:3]] == [(23, 17)] * 2
    assert left[0] is None
    assert left[1] == pytest.approx(1 + 7 * (12_000 + 32 * 24) / (12_000 + 23 * 17))
    assert left[-1] == 0
