"""Experiments as data: what they compare, what --grid makes of them, and what a network measures."""

import numpy as np
import pytest

from nst.backends.numpy.backend import NumpyBackend
from nst.cli.experiments.catalogue import EXPERIMENTS, Experiment, SweepValue, simplex
from nst.cli.experiments.grid import make_grid, parse_sweeps
from nst.cli.experiments.measure import distances
from nst.errors import SettingsError
from nst.pictures.picture import Picture
from nst.transfer import StyleTransfer

CUMULATIVE = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]
SMALL = Experiment(
    "",
    [SweepValue("r1", {"tv_weight": 1.0}), SweepValue("r2", {})],
    [SweepValue("c1", {"seed": 1})],
    {"size": 9},
)


def grid(experiment, *words, given=None, styles=1):
    return make_grid(experiment, parse_sweeps(words), given or {}, styles)


def by_label(table):
    return {cell.label: dict(cell.settings) for cell in table.cells}


def test_every_setting_of_every_experiment_is_one_of_the_engine(pictures, small_network):
    for name, experiment in EXPERIMENTS.items():
        for cell in make_grid(experiment, {}, {}, experiment.styles).cells:
            settings = {key: value for key, value in cell.settings.items() if key != "weights"}
            transfer = StyleTransfer(
                pictures.content, [pictures.style] * experiment.styles, backend=NumpyBackend(), weights=small_network,
                **{"size": "content", **settings},
            )  # fmt: skip
            assert transfer.schedule, name


def test_the_papers_figures():
    def runs(name):
        return [dict(cell.settings) for cell in grid(EXPERIMENTS[name]).cells]

    content, style = runs("reconstructions")[:5], runs("reconstructions")[5:]
    # the paper's last is conv5_2, one layer past the end of the embedded network
    assert [run["content_layers"] for run in content] == [*(f"conv{k}_2" for k in range(1, 5)), "conv5_1"]
    assert all(run["style_weight"] == 0 and "content_weight" not in run for run in content)
    assert [run["style_layers"].split(",") for run in style] == [CUMULATIVE[:k] for k in range(1, 6)]
    assert all(run["content_weight"] == 0 and "style_weight" not in run for run in style)
    assert {(run["init"], run["scales"]) for run in content + style} == {("noise", 1)}
    ratios = runs("alpha-beta")
    assert [run["balance"] for run in ratios[:4]] == [3000, 300, 30, 3]
    assert [len(run["style_layers"].split(",")) for run in ratios[::4]] == [1, 2, 3, 4, 5]
    assert [run["content_layers"] for run in runs("content-layer")] == ["conv2_2", "conv4_2"]
    starts = [(run["init"], run.get("seed")) for run in runs("start")]
    assert starts == [("content", None), ("style", None), *(("noise", seed) for seed in range(4))]
    assert [run["pooling"] for run in runs("pooling")] == ["avg", "max"] * 2


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_simplex(count):
    places = simplex(count)
    weights = np.array([weights for _, _, weights in places])
    assert len(places) == {2: 5, 3: 15, 4: 25}[count] == len({(row, column) for row, column, _ in places})
    assert len(np.unique(weights, axis=0)) == len(places)
    assert np.allclose(weights.sum(axis=1), 1)
    assert (weights >= 0).all()
    assert weights.max(axis=0).tolist() == [1] * count  # every corner is one style alone
    positions = np.array([(row, column, 1) for row, column, _ in places])
    linear = (
        weights if count < 4 else weights[:, :1] + weights[:, 1:2]
    )  # of a square only the sums are linear
    assert np.abs(positions @ np.linalg.lstsq(positions, linear, rcond=None)[0] - linear).max() < 1e-12


def test_sweeps_are_read_as_the_command_line_reads_them():
    sweeps = parse_sweeps(
        [
            *("style-layers=conv1_1,conv2_1=0.5+conv3_1", "steps=5,10+20", "smoothing=true,false"),
            "precision=auto,bf16+...+fp32",
        ]
    )
    values = {key: [value.settings[key] for value in axis] for key, axis in sweeps.items()}
    assert values == {
        "style_layers": ["conv1_1", "conv2_1=0.5,conv3_1"], "steps": [5, [10, 20]], "smoothing": [True, False],
        "precision": ["auto", ["bf16", "...", "fp32"]],
    }  # fmt: skip
    assert sweeps["steps"][0].label == "steps 5"
    assert parse_sweeps(["tv_weight=1e-3"])["tv_weight"][0].settings == {"tv_weight": 0.001}
    (recipe,) = parse_sweeps(["preset=gatys2016"])["preset"]
    assert recipe.label == "preset gatys2016"
    assert recipe.settings["init"] == "noise"
    assert not {"weights", "size", "steps"} & set(recipe.settings)
    assert parse_sweeps(["balance=0.1"])["balance"][0].settings == {"balance": 0.1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["colour=red"], "no such option, choose from average, backend, balance"),
        (["output=a,b"], "no such option"),
        (["pooling=avg,min"], "'min' is not one of 'avg', 'max'"),
        (["steps=many"], "'many' is not a number of steps"),
        (["balance=0"], "--grid balance: 0"),
        (["preset=mine"], "unknown preset 'mine'"),
        (["pooling"], "give each key once, with values"),
        (["seed=1", "seed=2"], "give each key once, with values"),
    ],
)
def test_sweeps_that_cannot_be(words, message):
    with pytest.raises(SettingsError, match=message):
        parse_sweeps(words)


def test_a_sweep_replaces_the_axis_that_sets_its_key():
    table = grid(SMALL, "seed=5,6")
    assert table.columns == ("seed 5", "seed 6")
    assert by_label(table) == {
        "r1, seed 5": {"size": 9, "tv_weight": 1.0, "seed": 5}, "r2, seed 5": {"size": 9, "seed": 5},
        "r1, seed 6": {"size": 9, "tv_weight": 1.0, "seed": 6}, "r2, seed 6": {"size": 9, "seed": 6},
    }  # fmt: skip
    assert [(cell.row, cell.column) for cell in table.cells] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_sweep_of_another_key_makes_rows_and_wins():
    table = grid(SMALL, "tv_weight=7,8", "size=3")
    assert table.rows == tuple(f"{row}, tv weight {tv}, size 3" for row in ("r1", "r2") for tv in (7, 8))
    assert [cell.settings["tv_weight"] for cell in table.cells] == [7, 8, 7, 8]
    assert {cell.settings["size"] for cell in table.cells} == {3}


def test_the_bare_grid_has_columns_then_rows():
    table = grid(EXPERIMENTS["grid"], "pooling=avg,max", "seed=1,2,3")
    assert (table.columns, table.rows) == (("pooling avg", "pooling max"), ("seed 1", "seed 2", "seed 3"))
    assert dict(table.cells[3].settings) == {"pooling": "max", "seed": 2}
    assert len(grid(EXPERIMENTS["grid"]).cells) == 1


def test_given_settings_hold_for_all_runs():
    assert {cell.settings["size"] for cell in grid(SMALL, given={"size": 5}).cells} == {5}
    with pytest.raises(SettingsError, match="seed is what this compares: choose values by --grid seed="):
        grid(SMALL, given={"seed": 5})


def test_a_blend_for_each_value_of_a_sweep():
    table = grid(EXPERIMENTS["simplex"], "pooling=avg,max", styles=2)
    assert table.rows == ("pooling avg", "pooling max")
    assert [cell.row for cell in table.cells] == [0] * 5 + [1] * 5
    assert table.cells[1].settings["style_weights"] == [0.75, 0.25]
    assert table.cells[1].label == "75 : 25"


def test_distances_are_the_papers_losses_by_layer(small_network):
    """At step 0 from the style itself they are 0; from elsewhere they are the terms of the engine, one layer each."""
    rng = np.random.default_rng(0)
    x, p, a, b = (Picture(rng.random((20, 24, 3), np.float32)) for _ in range(4))
    backend = NumpyBackend()
    same = distances(backend, small_network, "avg", a, a, [(a, 1.0)])
    assert list(same["gram"]) == CUMULATIVE
    assert list(same["content"]) == ["conv2_2", "conv4_2"]
    assert set(same["gram"].values()) | set(same["content"].values()) == {0.0}
    found = distances(backend, small_network, "max", x, p, [(a, 0.75), (b, 0.25)], ["conv3_3"])
    for kind, layer in (
        ("gram", "conv3_1"),
        ("content", "conv2_2"),
        ("content", "conv3_3"),
        ("content", "conv4_2"),
    ):
        other = {"style_weight": 0.0, "content_layers": layer}
        if kind == "gram":
            other = {"content_weight": 0.0, "balance": 1.0, "style_layers": layer}
        transfer = StyleTransfer(
            p.rgb, [a.rgb, b.rgb], backend=backend, weights=small_network, init=x.rgb, scales=1, pooling="max",
            style_weights=[3, 1], size="content", padding="zero", octave_noise=0, **other,
        )  # fmt: skip
        total = next(transfer.iterate()).losses().total
        assert found[kind][layer] == pytest.approx(total, rel=1e-5)


def test_distances_leave_out_what_is_not_there(small_network):
    tiny = Picture(np.random.default_rng(0).random((5, 5, 3), np.float32))
    found = distances(NumpyBackend(), small_network, "avg", tiny, tiny, [(tiny, 1.0)])
    assert list(found["gram"]) == CUMULATIVE[:3]
    assert list(found["content"]) == ["conv2_2"]
