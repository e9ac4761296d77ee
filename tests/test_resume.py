"""`StyleTransfer.save` and `resume`: the picture of a run that was cut off is that of one that was not, bit for bit."""

import numpy as np
import pytest

import nst
from nst.checkpoint import read_checkpoint
from nst.engine.loss_scaling import LossScale
from nst.losses import TotalVariation
from nst.models.weights import save_weights
from nst.planning import Plan

SHALLOW = {
    "size": 48,
    "steps": 9,
    "scales": [24, 32],
    "style_layers": "conv1_1,conv2_1,conv3_1",
    "content_layers": "conv3_1",
}
# windows of 48 pixels, of a picture of 80x60, and a history in float16
WINDOWS = {**SHALLOW, "size": 80, "scales": 1, "steps": 5, "tile": 48, "style_layers": "conv1_1,conv2_1"}
CASES = {
    "pyramid": SHALLOW,
    "adam": {**SHALLOW, "optimizer": "adam", "scales": 1},
    "average": {**SHALLOW, "average": 0.6},
    "adam and average": {**SHALLOW, "optimizer": nst.Adam(rate=0.05), "average": 0.6},
    "short history": {**SHALLOW, "optimizer": nst.LBFGS(history=2), "scales": 1},
    "float16 history": {**SHALLOW, "memory": Plan(None, 4, True, 0, 0)},
    "windows": {**WINDOWS, "content_layers": "conv2_1"},
    "windows and margin": {**WINDOWS, "content_layers": "conv2_1", "padding": "replicate", "tv_weight": 0.1},
    "noise": {**SHALLOW, "init": "noise", "seed": 3},
    "colours": {**SHALLOW, "color": "match-chol", "smoothing": True},
    "zero steps": {**SHALLOW, "steps": [0, 3, 0]},
}


def bits(record):
    return record.raw_picture().rgb.tobytes()


@pytest.fixture
def made(pictures, small_network):
    """made(backend, **options): a transfer of the small pictures."""

    def make(backend="numpy", **options):
        return nst.StyleTransfer(
            pictures.content, pictures.style, backend=backend, weights=small_network, **{**SHALLOW, **options}
        )

    return make


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("case", CASES)
def test_the_bits_of_a_run_that_was_not_cut_off(case, backend, made, small_network, need, tmp_path):
    need(backend)
    transfer = made(backend, **CASES[case])
    whole = list(transfer.iterate())
    for number, _ in enumerate(transfer.iterate()):
        transfer.save(tmp_path / f"{number}.nst")
    for number in range(1, len(whole), 4):
        again = nst.StyleTransfer.resume(tmp_path / f"{number}.nst", weights=small_network)
        rest = list(again.iterate())
        later = whole[number:]
        assert [one.step for one in rest] == [one.step for one in later]
        assert [one.losses() for one in rest] == [one.losses() for one in later]
        assert [one.settings for one in rest] == [one.settings for one in later]
        assert bits(rest[-1]) == bits(whole[-1])


@pytest.mark.parametrize("precision", [["fp16", "bf16", "fp32"], "auto"])
def test_a_precision_a_size(precision, made, small_network, need, tmp_path, monkeypatch):
    """In the middle of any size; what "auto" was is kept, though another machine would choose otherwise."""
    need("torch")
    monkeypatch.setattr("nst.backends.autotune.choose_precision", lambda backend: "bfloat16")
    transfer = made("torch", precision=precision)
    whole = list(transfer.iterate())
    for number, _ in enumerate(transfer.iterate()):
        transfer.save(tmp_path / f"{number}.nst")
    monkeypatch.setattr("nst.backends.autotune.choose_precision", lambda backend: "float32")
    for number in range(1, len(whole), 2):
        again = nst.StyleTransfer.resume(tmp_path / f"{number}.nst", weights=small_network)
        assert [backend.precision for backend in again.backends[1:]] == ["bfloat16", "float32"]
        rest = list(again.iterate())
        assert [one.losses() for one in rest] == [one.losses() for one in whole[number:]]
        assert bits(rest[-1]) == bits(whole[-1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnx", "tf"])
def test_on_the_other_backends(backend, made, small_network, need, tmp_path):
    need(backend)
    transfer = made(backend, steps=6, scales=[32])
    whole = list(transfer.iterate())
    for record in transfer.iterate():
        if record.step == 4:
            transfer.save(tmp_path / "saved.nst")
    *_, last = nst.StyleTransfer.resume(tmp_path / "saved.nst", weights=small_network).iterate()
    assert bits(last) == bits(whole[-1])


@pytest.mark.parametrize("case", [{"padding": "circular", "content_layers": "conv2_1"}, {"tv_weight": 1.0}])
def test_gradients_lie_in_memory_as_pictures_do(case, made, need):
    """As they do when they come back from a file; torch adds up large tensors in the order of their memory."""
    need("torch")
    shallow = {"style_layers": "conv1_1", "scales": 1, "steps": 0}
    (record,) = made("torch", **{**shallow, **case}).iterate()
    state = record.position.state
    assert state.evaluation.gradient.stride() == state.x.stride()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_network_in_half_precision(precision, made, small_network, need, tmp_path):
    """With a loss scale that has been found on the way and is not what a stage starts with."""
    need("torch")
    options = {"backend": nst.get_backend("torch", "cpu", precision=precision), "scales": 1}
    transfer = made(**options)
    whole = list(transfer.iterate())
    for record in transfer.iterate():
        if record.step == 5:
            transfer.save(tmp_path / "saved.nst")
            scale = LossScale(*record.position.stage.scale)
    assert (scale != LossScale()) == (precision == "float16")
    again = nst.StyleTransfer.resume(tmp_path / "saved.nst", weights=small_network)
    assert again.backend.precision == precision
    records = again.iterate()
    assert LossScale(*next(records).position.stage.scale) == scale
    *_, last = records
    assert bits(last) == bits(whole[-1])


@pytest.mark.slow
def test_windows_that_were_taken_when_memory_ran_out_are_taken_again(
    made, small_network, tmp_path, monkeypatch
):
    """The weights of the losses too, which were found in the first windows."""
    size = {
        "size": 160,
        "scales": 1,
        "steps": 3,
        "content_layers": "conv2_1",
        "style_layers": "conv1_1,conv2_1",
    }
    transfer = made(**size, memory=Plan(None, 10, False, 0, 0))
    monkeypatch.setattr("nst.planning.plan.SIDES", (64,))
    evaluations = iter(range(100))

    def short(stage, x, evaluate=nst.engine.stage.Stage.evaluate):
        code = stage.problem.code

        def failing(*arguments):
            if next(evaluations) == 1:
                raise MemoryError("out of memory")
            return code(*arguments)

        object.__setattr__(stage.problem, "code", failing)
        try:
            return evaluate(stage, x)
        finally:
            if stage.problem.code is failing:
                object.__setattr__(stage.problem, "code", code)

    with monkeypatch.context() as patch:
        patch.setattr("nst.engine.stage.Stage.evaluate", short)
        for record in transfer.iterate():
            if record.step == 2:
                transfer.save(tmp_path / "saved.nst")
    assert record.position.stage.sides == (64,)
    first, *_, last = nst.StyleTransfer.resume(tmp_path / "saved.nst", weights=small_network).iterate()
    assert (first.position.stage.sides, first.weights) == ((64,), record.weights)
    assert bits(last) == bits(record)


def test_masks_alpha_and_a_start_of_the_callers_own(pictures, small_network, tmp_path):
    mask = np.zeros((10, 10), np.uint8)
    mask[:, :5] = 255
    transfer = nst.StyleTransfer(
        pictures.rgba,
        [pictures.style, pictures.other],
        masks={"style1": mask, "protect": mask.T, "content": mask, "style2-source": mask},
        init=pictures.other,
        backend="numpy",
        weights=small_network,
        **SHALLOW | {"scales": 1, "steps": 4, "style_weights": (2, 1)},
    )
    whole = list(transfer.iterate())
    records = transfer.iterate()
    next(records), next(records)
    transfer.save(tmp_path / "saved.nst")
    result = nst.StyleTransfer.resume(tmp_path / "saved.nst", weights=small_network).run()
    assert result.mode == "RGBA"
    assert result.tobytes() == whole[-1].image().tobytes()


def test_the_result_is_of_the_kind_that_is_asked_for(made, small_network, tmp_path):
    transfer = made(scales=1, steps=2)
    next(transfer.iterate())
    transfer.save(
        tmp_path / "saved.nst", notes={"mine": [1, "two"]}, files={"mine": np.arange(3, dtype=np.uint8)}
    )
    again = nst.StyleTransfer.resume(
        tmp_path / "saved.nst", weights=small_network, like=np.zeros((1, 1, 3), np.uint16)
    )
    assert (again.run().dtype, again.run().shape) == (np.dtype(np.uint16), (36, 48, 3))
    saved = read_checkpoint(tmp_path / "saved.nst")
    assert (saved.notes, saved.file("mine")) == ({"mine": [1, "two"]}, b"\0\1\2")


def test_a_second_run_of_a_resumed_transfer_starts_from_the_start(made, small_network, tmp_path):
    transfer = made(scales=1, steps=2)
    for _ in transfer.iterate():
        transfer.save(tmp_path / "saved.nst")
    again = nst.StyleTransfer.resume(tmp_path / "saved.nst", weights=small_network)
    assert [[record.step for record in again.iterate()] for _ in range(2)] == [[2], [0, 1, 2]]


def test_the_network_of_a_name_is_found_again(pictures, small_network, tmp_path):
    path = tmp_path / "own.safetensors"
    save_weights(small_network, path)
    transfer = nst.StyleTransfer(pictures.content, pictures.style, backend="numpy", weights=path, **SHALLOW)
    next(transfer.iterate())
    transfer.save(tmp_path / "saved.nst")
    assert nst.StyleTransfer.resume(tmp_path / "saved.nst").weights.sha256 == small_network.sha256


def test_what_cannot_be_saved_or_resumed(made, small_network, tmp_path):
    class Mine:
        name = "mine"

        def start(self, space, x, evaluation):
            return nst.LBFGS().start(space, x, evaluation)

        def advance(self, space, objective, state):
            return nst.LBFGS().advance(space, objective, state)

    transfer, path = made(scales=1, steps=1), tmp_path / "saved.nst"
    with pytest.raises(nst.NSTError, match="there is no run to save"):
        transfer.save(path)
    list(transfer.iterate())
    with pytest.raises(nst.NSTError, match="there is no run to save"):  # it has finished
        transfer.save(path)
    mine = made(optimizer=Mine())
    next(mine.iterate())
    with pytest.raises(nst.SettingsError, match="nothing is known of Mine"):
        mine.save(path)
    assert not path.exists()
    losing = made(extra_terms=[TotalVariation(1.0)], scales=1, steps=1)
    next(losing.iterate())
    losing.save(path)
    with pytest.raises(nst.SettingsError, match=r"losses of your own \(tv\): give extra_terms"):
        nst.StyleTransfer.resume(path, weights=small_network)
    with pytest.raises(nst.SettingsError, match="the network random-0 was given as an object: give weights"):
        nst.StyleTransfer.resume(path, extra_terms=[TotalVariation(1.0)])
    nst.StyleTransfer.resume(path, extra_terms=[TotalVariation(1.0)], weights=small_network).run()
