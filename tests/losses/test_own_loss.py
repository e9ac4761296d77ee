"""A loss from outside, as CONTRIBUTING says: on a layer that no other loss reads, with a target in feature space."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import nst
from nst import get_backend
from nst.engine.cache import Context
from nst.engine.stage import Stage
from nst.engine.weighting import losses_of
from nst.errors import SettingsError
from nst.losses import Prepared
from nst.losses.objective import statistics_of
from nst.models.forward import activations
from nst.pictures.picture import Picture, planar
from nst.pictures.scene import make_scene
from nst.settings import Settings
from nst.video import stylize_frames

LAYER = "conv3_3"
BACKEND = get_backend("numpy")


@dataclass(frozen=True)
class MeanTerm:
    """1 / N_l sum_i (mu_i - mu_i(t))^2, mu being the mean of a feature map."""

    layer: str
    channels: int
    name: str = "mood"
    spatial = {}  # noqa: RUF012

    @property
    def layers(self):
        return (self.layer,)

    def statistics(self, ops, x, features, constants):
        return {"mood/sum": ops.channel_sum(features[self.layer])}

    def energy(self, ops, statistics, constants, positions):
        mean = ops.scale(statistics["mood/sum"], 1.0 / positions[self.layer])
        distance = ops.sum(ops.square(ops.sub(mean, constants["mood/mean"])))
        return ops.scale(distance, 1.0 / self.channels)


@dataclass(frozen=True, eq=False)
class Mood:
    """The mean features of a picture of any size."""

    picture: Picture
    channels: int
    weight: float
    layer: str = LAYER
    name: str = "mood"
    depends_on_content: bool = False

    @property
    def layers(self):
        return (self.layer,)

    def prepare(self, encoder, scene):
        term, backend = MeanTerm(self.layer, self.channels), encoder.backend
        own = encoder.resized(self.picture.height, self.picture.width)
        x = backend.from_numpy(planar(self.picture))
        (total,) = own.measure(statistics_of([term], own.network), x).values()
        mean = backend.space.lincomb([1.0 / own.positions[self.layer]], [total])
        return Prepared(term, self.weight, {"mood/mean": mean})


@dataclass(frozen=True)
class OutlineTerm:
    """1/2 sum_k (s_k - t_k)^2, s_k being the first feature map alone."""

    layer: str = LAYER
    name: str = "outline"

    @property
    def layers(self):
        return (self.layer,)

    @property
    def spatial(self):
        return {"outline/maps": self.layer, "outline/first": self.layer}

    def statistics(self, ops, x, features, constants):
        difference = ops.sub(features[self.layer], constants["outline/maps"])
        only = ops.multiply(difference, constants["outline/first"])
        return {"outline": ops.scale(ops.sum(ops.square(only)), 0.5)}

    def energy(self, ops, statistics, constants, positions):
        return statistics["outline"]


@dataclass(frozen=True)
class Outline:
    """The first feature map of the content picture."""

    weight: float
    name: str = "outline"
    layers: tuple[str, ...] = (LAYER,)
    depends_on_content: bool = True

    def prepare(self, encoder, scene):
        maps = encoder.maps(encoder.backend.from_numpy(planar(scene.content)), self.layers)
        local = []
        for own in maps:
            first = np.zeros_like(encoder.backend.to_numpy(own[LAYER]))
            first[:, 0] = 1
            local.append({"outline/maps": own[LAYER], "outline/first": encoder.backend.from_numpy(first)})
        return Prepared(OutlineTerm(), self.weight, local=local)


def picture(seed, height, width):
    return Picture(np.random.default_rng(seed).random((height, width, 3), np.float32))


SETTINGS = Settings(
    content_layers={"conv2_2": 1.0}, style_layers={"conv1_1": 0.5, "conv2_1": 0.5}, padding="zero"
)
# what is worked out by hand has zeros past its border, and no noise in its start
LAYERS = {"content_layers": "conv2_2", "style_layers": "conv1_1,conv2_1", "size": "content"}
LAYERS |= {"padding": "zero", "octave_noise": 0}


def maps_of(network, shown, layer=LAYER):
    return dict(activations(network, shown.rgb))[layer].astype(np.float64)


@pytest.fixture
def mood(small_network):
    return Mood(picture(1, 40, 52), small_network.channels(LAYER), weight=7.0)


def by_hand(network, mood, shown):
    means = [maps_of(network, p).mean((1, 2)) for p in (shown, mood.picture)]
    return np.square(means[0] - means[1]).sum() / mood.channels


def test_its_value_is_the_one_by_hand_and_its_weight_its_own(mood, small_network):
    content = picture(2, 48, 64)
    transfer = nst.StyleTransfer(
        content.rgb, picture(3, 40, 40).rgb, backend=BACKEND, weights=small_network, scales=1, steps=2,
        extra_terms=[mood, Outline(0.5)], **LAYERS,
    )  # fmt: skip
    first, *_, last = transfer.iterate()
    assert transfer.layers == ("conv1_1", "conv2_1", "conv2_2", "conv3_3")
    assert (first.weights["mood"], first.weights["outline"]) == (7.0, 0.5)
    assert first.losses().terms["mood"] == pytest.approx(by_hand(small_network, mood, content), rel=1e-5)
    assert first.losses().terms["outline"] == pytest.approx(0, abs=1e-9)
    after = last.raw_picture()
    change = maps_of(small_network, after)[0] - maps_of(small_network, content)[0]
    assert last.losses().terms["mood"] == pytest.approx(by_hand(small_network, mood, after), rel=1e-2)
    assert last.losses().terms["outline"] == pytest.approx(np.square(change).sum() / 2, rel=1e-2)


def stage(network, losses, side):
    scene = make_scene(picture(2, 150, 170), [picture(3, 60, 60)], [1.0])
    context = Context(SETTINGS, network, get_backend("numpy", dtype="float64"), (side,))
    return Stage(scene, (*losses_of(SETTINGS, network), *losses), context)


def test_windows_are_wide_enough_for_its_layer_and_exact(mood, small_network):
    """conv3_3 sees further than every layer of the settings."""
    losses = (mood, Outline(0.5))
    whole, pieces = stage(small_network, losses, None), stage(small_network, losses, 96)
    assert len(pieces.problem.encoder.views) >= 4
    x = planar(picture(4, 150, 170)).astype(np.float64)
    want, got = whole.evaluate(x), pieces.evaluate(x)
    assert sorted(want.terms) == ["content", "mood", "outline", "style"]
    for name, value in want.terms.items():
        assert got.terms[name] == pytest.approx(value, rel=1e-11)
    scale = np.abs(want.gradient).max()
    np.testing.assert_allclose(got.gradient, want.gradient, atol=1e-11 * scale, rtol=0)


def test_its_gradient_is_that_of_the_differences(mood, small_network):
    with_it, without = stage(small_network, [mood], None), stage(small_network, [], None)
    x = np.random.default_rng(5).random((1, 3, 150, 170))
    gradient = with_it.evaluate(x).gradient - without.evaluate(x).gradient
    length = np.linalg.norm(gradient)
    way = 1e-5 * gradient / length
    values = [mood.weight * float(with_it.evaluate(x + step).terms["mood"]) for step in (way, -way)]
    assert length == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-4)


def test_memory_is_planned_for_its_layer(mood, small_network):
    deep = replace(mood, layer="conv5_4", channels=small_network.channels("conv5_4"))
    arguments = (picture(2, 300, 300).rgb, picture(3, 64, 64).rgb)
    options = {"backend": BACKEND, "weights": small_network, **LAYERS}
    plain = nst.StyleTransfer(*arguments, **options).plan
    assert nst.StyleTransfer(*arguments, extra_terms=[deep], **options).plan.peak > plain.peak
    # halo 124 of conv5_4 rounded up to 128: no window below 2 * 128 + 2 * 16
    tiles = nst.StyleTransfer(*arguments, extra_terms=[deep], **options)
    assert min(side for side in tiles.plan.sides(tiles._task) if side is not None) >= 288


def test_at_every_size_of_a_pyramid(mood, small_network):
    transfer = nst.StyleTransfer(
        picture(2, 48, 64).rgb, picture(3, 40, 40).rgb, backend=BACKEND, weights=small_network, steps=4,
        scales=(32, 64), extra_terms=[replace(mood, weight=1e4)], **LAYERS,
    )  # fmt: skip
    first, *_, last = transfer.iterate()
    assert (first.size, last.size) == ((32, 24), (64, 48))
    assert last.losses().terms["mood"] < first.losses().terms["mood"]


def test_in_a_video_its_targets_follow_the_frame_if_it_says_so(small_network):
    """A weight that drowns everything else: each result keeps the first map of its own frame."""
    frames = [picture(seed, 32, 48).rgb for seed in (6, 7)]
    options = {
        "backend": BACKEND, "weights": small_network, "steps": 3, "next_steps": 3, "scales": 1, "temporal_weight": 0,
        "flow": lambda frame, other: np.full((32, 48, 2), 1e3, np.float32), **LAYERS,
    }  # fmt: skip

    def distances(weight):
        results = stylize_frames(frames, picture(3, 40, 40).rgb, extra_terms=[Outline(weight)], **options)
        shown = [Picture(result) for result in results]
        return [
            np.square(maps_of(small_network, a)[0] - maps_of(small_network, Picture(b))[0]).sum()
            for a, b in zip(shown, frames, strict=True)
        ]

    free, held = distances(0.0), distances(1e6)
    assert max(held) < 0.1 * min(free)


def test_the_name_of_before_is_read_for_one_more_release(mood, small_network):
    """`follows_content` of a loss from outside is now `depends_on_content`."""

    class Before:
        name, layers, follows_content = mood.name, mood.layers, False
        prepare = staticmethod(mood.prepare)

    arguments = (picture(2, 48, 64).rgb, picture(3, 40, 40).rgb)
    options = {"backend": BACKEND, "weights": small_network, "steps": 2, **LAYERS}
    expected = nst.stylize(*arguments, extra_terms=[mood], **options)
    with pytest.warns(DeprecationWarning, match="follows_content is now"):
        got = nst.stylize(*arguments, extra_terms=[Before()], **options)
    np.testing.assert_array_equal(got, expected)


def test_a_layer_that_is_not_there(mood, small_network):
    arguments = (picture(2, 48, 64).rgb, picture(3, 40, 40).rgb)
    options = {"backend": BACKEND, **LAYERS}
    with pytest.raises(SettingsError, match="unknown layer 'conv9_1'"):
        nst.StyleTransfer(
            *arguments, weights=small_network, extra_terms=[replace(mood, layer="conv9_1")], **options
        )
    kept = {k: v for k, v in small_network.convolutions.items() if k < "conv3_3"}
    shallow = replace(small_network, convolutions=kept)
    with pytest.raises(SettingsError, match="conv3_3 is not there"):
        nst.StyleTransfer(*arguments, weights=shallow, extra_terms=[mood], **options)
