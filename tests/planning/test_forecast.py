"""How long a run will take, from the time of small versions; the clock is replaced."""

import numpy as np
import pytest

import nst
from nst import forecast
from nst.cli.commands.plan import plan
from nst.cli.commands.stylize import stylize
from nst.cli.engine import plan_rows
from nst.models.random import random_weights


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
