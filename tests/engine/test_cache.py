"""What transfers share: pictures that follow each other find code and targets ready, and come out as if alone."""

from weakref import WeakSet

import numpy as np
import psutil
import pytest

import nst
from nst import get_backend
from nst.engine.cache import LRU, Cache
from nst.losses.style import StyleTerm
from nst.pictures.picture import Picture
from nst.pictures.scene import make_scene

LAYERS = {"content_layers": "conv2_2", "style_layers": "conv1_1,conv3_1", "size": "content"}


def picture(seed, height=40, width=48):
    rng = np.random.default_rng(seed)
    flat = rng.random((height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)
    return np.float32(0.8 * flat[:height, :width] + 0.2 * rng.random((height, width, 3)))


CONTENTS = [picture(seed) for seed in (1, 2, 3)]
STYLES = [picture(seed, 36, 36) for seed in (4, 5)]


def counting(name):
    """A backend that counts what it compiles, and how often an objective has been traced."""
    kind = type(get_backend(name, "cpu"))

    class Counting(kind):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.compiled = []

        def compile(self, *arguments):
            self.compiled.append(super().compile(*arguments))
            return self.compiled[-1]

        @property
        def traces(self):
            return sum(o._differentiate.experimental_get_tracing_count() for o in self.compiled)

    return Counting("cpu")


def paint(content, style, **options):
    *_, record = nst.StyleTransfer(content, style, steps=2, scales=1, **{**LAYERS, **options}).iterate()
    return record.raw_picture().rgb, record.losses().total


def left(width):
    mask = np.zeros((40, 48), np.float32)
    mask[:, :width] = 1
    return mask


KINDS = {
    "relative": lambda number: {},
    "weights of one's own": lambda number: {"content_weight": 1e-2, "style_weight": 10.0, "tv_weight": 0.1},
    "windows": lambda number: {"tile": 32, "tv_weight": 0.1},
    "masks": lambda number: {"masks": {"protect": left(8 + 8 * number), "content": left(40)}},
    "smoothing": lambda number: {"smoothing": True},
    "circular w2": lambda number: {"padding": "circular", "style_loss": "w2"},
}


# in the frameworks without those that take the same code as others
SLOW = ("weights of one's own", "circular w2")
CASES = [
    (name, kind)
    for name in ("numpy", "torch", "tf", "onnx")
    for kind in KINDS
    if name == "numpy" or kind not in SLOW
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_content_and_style_of_one_size_share_one_program(name, kind, need, small_network):
    """And have the bits that they have alone."""
    need(name)
    backend, cache, counts = counting(name), Cache(), []
    height = 24 if kind == "windows" else 40  # four windows, not twelve, each of which is compiled
    for number, (content, style) in enumerate([(0, 0), (0, 1), (1, 1)]):
        given = CONTENTS[content][:height], STYLES[style]
        options = {"weights": small_network, **KINDS[kind](number)}
        got, total = paint(*given, backend=backend, cache=cache, **options)
        counts.append((len(backend.compiled), backend.traces if name == "tf" else 0))
        if name != "numpy" and number < 2:
            continue  # frameworks compile for seconds; the last picture finds the program and its style kept
        want, same = paint(*given, backend=get_backend(name, "cpu"), **options)
        np.testing.assert_array_equal(got, want)
        assert total == same
    assert counts[0][0] > 0
    assert set(counts) == {counts[0]}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", pytest.param("tf", marks=pytest.mark.slow), "onnx"])
def test_memory_stays_flat_from_picture_to_picture(name, need, small_network):
    """Without a cache 20 of these pictures take 20 MB more with TensorFlow, which keeps every graph."""
    need(name)
    options = {"weights": small_network, "backend": get_backend(name, "cpu"), "cache": Cache()}
    resident = []
    for number in range(28):
        paint(picture(number), STYLES[0], **options)
        resident.append(psutil.Process().memory_info().rss)
    assert resident[-1] - resident[7] < 4 * 2**20


def test_the_targets_of_a_style_are_worked_out_once_a_size(small_network, monkeypatch):
    seen = []

    def style_means(term, encoder, *arguments, original=nst.losses.style.style_means):
        seen.append((encoder.width, encoder.height))
        return original(term, encoder, *arguments)

    monkeypatch.setattr("nst.losses.style.style_means", style_means)
    options = {"weights": small_network, "backend": get_backend("numpy"), "cache": Cache(), **LAYERS}
    for style in STYLES:
        for content in (
            *CONTENTS,
            picture(6, 32, 48),
        ):  # the last one has another size, in which the style has its own
            nst.stylize(content, style, steps=2, scales=(24, 48), **options)
    assert sorted(seen) == [(24, 24), (24, 24), (48, 48), (48, 48)]


def test_other_settings_are_other_programs(small_network):
    backend, cache = counting("numpy"), Cache()
    for options in (
        {},
        {"padding": "zero"},
        {"pooling": "max"},
        {"style_loss": "moments"},
        {"size": 32},
    ):
        given = {"weights": small_network, "backend": backend, **options}
        got, _ = paint(CONTENTS[0], STYLES[0], cache=cache, **given)
        np.testing.assert_array_equal(got, paint(CONTENTS[0], STYLES[0], **given)[0])


def test_a_batch_in_one_call_compiles_once(small_network):
    backend = counting("numpy")
    options = {"weights": small_network, "steps": 2, "scales": 1, **LAYERS}
    batch = nst.stylize(np.stack(CONTENTS), STYLES[0], backend=backend, **options)
    assert len(backend.compiled) == 1
    for content, result in zip(CONTENTS, batch, strict=True):
        np.testing.assert_array_equal(result, nst.stylize(content, STYLES[0], backend=backend, **options))


def test_no_more_sizes_are_kept_than_asked_for(small_network):
    cache, backend = Cache(2), counting("numpy")
    for width in (32, 40, 48, 32, 32):
        content = picture(1, 32, width)
        paint(content, STYLES[0], weights=small_network, backend=backend, cache=cache)
        assert len(cache.sizes) <= 2
    assert len(backend.compiled) == 4  # 32 pixels had gone when they came again


@pytest.mark.slow
def test_memory_of_other_sizes_goes_before_windows_get_smaller(small_network):
    """The same bits as in a fresh process, where nothing else takes the memory."""

    class Full(type(get_backend("numpy"))):
        full = False

        def compile(self, *arguments):
            if self.full:
                self.full = False
                raise MemoryError("out of memory")
            return super().compile(*arguments)

    backend, cache = Full(), Cache()
    options = {"weights": small_network, "backend": backend}
    paint(picture(1, 32, 32), STYLES[0], cache=cache, **options)
    backend.full = True
    got, _ = paint(CONTENTS[0], STYLES[0], cache=cache, **options)
    assert not backend.full
    np.testing.assert_array_equal(got, paint(CONTENTS[0], STYLES[0], **options)[0])


def test_the_one_used_longest_ago_goes_first():
    kept, made = LRU(2), []
    for key in "abacab":
        kept.get(key, lambda key=key: made.append(key))
    assert made == ["a", "b", "c", "b"]
    assert len(kept) == 2
    nothing = LRU(0)
    assert [nothing.get("a", lambda: 1), len(nothing)] == [1, 0]
    arrays = LRU(2)  # which are neither equal nor not
    assert [arrays.get(np.zeros(2), lambda number=number: number) for number in (1, 2)] == [1, 2]


def test_a_setting_is_all_but_the_content():
    content, other, style = (Picture(p) for p in (CONTENTS[0], CONTENTS[1], STYLES[0]))
    scene = make_scene(content, [style], [1.0])
    assert scene.setting == make_scene(other, [Picture(STYLES[0].copy())], [1.0]).setting
    others = [
        make_scene(content, [Picture(STYLES[1])], [1.0]),
        make_scene(content, [style], [0.5]),
        make_scene(content, [style], [1.0], nst.pictures.Masks(protect=left(8))),
        make_scene(content, [style], [1.0], nst.pictures.Masks(content=left(8))),
        scene.at(24),
    ]
    assert len({scene.setting, *(other.setting for other in others)}) == 6


def test_terms_of_other_pictures_are_equal(small_network):
    """No number of theirs comes from a picture."""
    terms = []
    for content, style, faint in ((CONTENTS[0], STYLES[0], 1.0), (CONTENTS[1], STYLES[1], 0.1)):
        masks = {"style1": left(16), "style2": left(8)[:, ::-1]}
        transfer = nst.StyleTransfer(
            content, [faint * style, style], weights=small_network, backend=get_backend("numpy"), masks=masks,
            scales=1, **LAYERS,
        )  # fmt: skip
        terms.append([term for term, _ in transfer._stage(48).problem.terms])
    assert terms[0] == terms[1]
    assert all(isinstance(part, StyleTerm) for part, _ in terms[0][1].parts)


@pytest.mark.slow
def test_where_memory_gets_short_other_sizes_go_and_the_plan_stays(small_network, monkeypatch):
    """Windows and a short history would be other bits than those of the same picture in a fresh process."""
    free = {"bytes": 2**40}
    for module in ("nst.planning.plan", "nst.engine.cache"):
        monkeypatch.setattr(f"{module}.free_memory", lambda device: free["bytes"])
    cache = Cache()
    options = {"weights": small_network, "backend": get_backend("numpy"), "cache": cache, **LAYERS}
    options |= {"steps": 20, "scales": 1}
    first = nst.StyleTransfer(CONTENTS[0], STYLES[0], **options)
    first._stage(48)
    assert (first.plan.side, first.plan.history, len(cache.sizes)) == (None, 10, 1)
    free["bytes"] = 2**20
    again = nst.StyleTransfer(CONTENTS[1], STYLES[0], **options)
    assert again.plan == first.plan
    assert len(cache.sizes) == 0
    again._stage(48)

    def freed(device):  # by the clearing
        return 2**20 if len(cache.sizes) else 2**40

    for module in ("nst.planning.plan", "nst.engine.cache"):
        monkeypatch.setattr(f"{module}.free_memory", freed)
    other = nst.StyleTransfer(picture(1, 40, 40), STYLES[0], **options)
    assert (other.plan.side, other.plan.history) == (None, 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["numpy", "torch", "tf", "onnx"])
def test_a_run_goes_from_size_to_size_with_one_network(name, need, small_network):
    """It made a new one at each, which in PyTorch on a CPU costs a second for VGG19."""
    need(name)
    backend, made = get_backend(name, "cpu"), []
    own = backend.network

    def network(*arguments):
        made.append(None)
        return own(*arguments)

    backend.network = network
    sizes = {"scales": (24, 36, 48), "steps": 3, "size": "content"}
    layers = {"content_layers": "conv1_2", "style_layers": "conv1_1"}
    transfer = nst.StyleTransfer(
        CONTENTS[0], STYLES[0], backend=backend, weights=small_network, **sizes, **layers
    )
    assert len({record.size for record in transfer.iterate()}) == 3
    assert len(made) == 1


def test_a_size_that_is_done_leaves_nothing_compiled_for_the_next(small_network):
    """Whoever had a record of it held its code too: in ONNX Runtime the network twice, packed."""
    backend, before, objectives = get_backend("numpy", "cpu"), [], WeakSet()
    own = backend.compile

    def compile_(*arguments):
        before.append(len(objectives))
        objectives.add(made := own(*arguments))
        return made

    backend.compile = compile_
    sizes = {"scales": (24, 36, 48), "steps": 3, "size": "content"}
    layers = {"content_layers": "conv1_2", "style_layers": "conv1_1"}
    transfer = nst.StyleTransfer(
        CONTENTS[0], STYLES[0], backend=backend, weights=small_network, **sizes, **layers
    )
    records = list(transfer.iterate())
    assert before == [0, 0, 0]
    assert records[0].losses().total > 0
    assert records[0].picture().size == (24, 20)
    assert records[0].weights == pytest.approx(records[-1].weights, rel=10)


def test_what_is_kept_by_nobody_is_found_as_long_as_it_lives():
    class Thing:
        pass

    kept, made = LRU(0, living=True), []

    def make():
        made.append(None)
        return Thing()

    first = kept.get("a", make)
    assert kept.get("a", make) is first
    assert kept.get("b", make) is not first
    assert len(made) == 2
    del first
    kept.get("a", make)
    assert len(made) == 3
    assert [kept.get("a", lambda: 5) for _ in range(2)] == [5, 5]  # a number has no weak reference
