"""Masked and smoothed terms: numbers worked out by hand, additivity over windows, the objective of regions."""

import numpy as np
import pytest

from nst.backends import get_backend
from nst.engine.cache import Context
from nst.engine.loss_scaling import LossScale
from nst.engine.stage import Stage
from nst.engine.weighting import losses_of
from nst.losses.content import ContentTerm, SmoothedContentTerm
from nst.losses.objective import energy_of, loss_function, positions_of, statistics_of
from nst.losses.smoothing import fourth_powers, temperature
from nst.losses.style import StyleTerm
from nst.losses.style_statistics import STYLE_LOSSES
from nst.losses.term import WeightedSum
from nst.losses.total_variation import TotalVariationTerm
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture
from nst.pictures.scene import make_scene
from nst.settings import BALANCE, make_settings

BACKEND = get_backend("numpy")
LAYER = "conv1_1"


class IdentityNetwork:
    """The picture itself as its only feature map."""

    native = None

    def __call__(self, ops, x):
        return {LAYER: x}


def evaluate(function, x, constants):
    return BACKEND.evaluate(function, x, constants)


def statistics(term, x, constants):
    return evaluate(statistics_of([term], IdentityNetwork()), x, constants)


def style_term(loss="gram", region=None, **options):
    return StyleTerm(
        {LAYER: 1.0},
        {LAYER: 3},
        loss=STYLE_LOSSES[loss],
        region=None if region is None else {LAYER: region},
        **options,
    )


def test_guided_sums_by_hand():
    f = np.array([[2.0, 4.0, 6.0], [1.0, -1.0, 5.0]]).reshape(1, 2, 1, 3)
    root = np.sqrt([0.25, 1.0, 0.0]).reshape(1, 1, 1, 3)
    term = StyleTerm({LAYER: 1.0}, {LAYER: 2}, loss=STYLE_LOSSES["w2"], region={LAYER: 1.25})
    sums = statistics(term, f, {f"style/{LAYER}/root": root})
    # .25 * 2 + 4 = 4.5; .25 - 1; .25 * 4 + 16 = 17; .25 * 2 - 4 = -3.5; .25 + 1
    assert sums[f"style/{LAYER}/first"].ravel().tolist() == [4.5, -0.75]
    assert sums[f"style/{LAYER}/second"].tolist() == [[[17.0, -3.5], [-3.5, 1.25]]]
    means = evaluate(lambda o, x, c: term.means(o, c, {LAYER: 3}, {})[LAYER], f, sums)
    np.testing.assert_allclose(means["first"].ravel(), [3.6, -0.6], rtol=1e-14)
    squares = StyleTerm({LAYER: 1.0}, {LAYER: 2}, loss=STYLE_LOSSES["moments"], region={LAYER: 1.25})
    sums = statistics(squares, f, {f"style/{LAYER}/root": root})
    assert sums[f"style/{LAYER}/squares"].ravel().tolist() == [17.0, 1.25]


@pytest.mark.parametrize("loss", list(STYLE_LOSSES))
def test_a_hard_mask_cuts_the_region_out(loss):
    """The loss of the left half under a mask is the loss of a picture that is the left half."""
    rng = np.random.default_rng(1)
    f, a = rng.random((2, 1, 3, 4, 6))
    flat = a.reshape(3, 24)
    means = {"first": flat.mean(1), "squares": (flat**2).mean(1)}
    means = {kind: mean.reshape(1, 3, 1, 1) for kind, mean in means.items()}
    means["second"] = flat[None] @ flat.T / 24
    targets = {f"style/{LAYER}/{k}": v for k, v in STYLE_LOSSES[loss].targets(means).items()}
    root = np.zeros((1, 1, 4, 6))
    root[..., :2] = 1

    def value(term, x, constants, size):
        function = loss_function([(term, 1.0)], IdentityNetwork(), *size)
        return float(BACKEND.compile(function, x, constants)(x, constants).total)

    masked = value(style_term(loss, 8.0), f, targets | {f"style/{LAYER}/root": root}, (4, 6))
    assert masked == pytest.approx(value(style_term(loss), f[..., :2], targets, (4, 2)), rel=1e-10)


def test_soft_masks_of_sum_1_share_out_the_gram_matrix():
    rng = np.random.default_rng(2)
    f, m = rng.random((1, 3, 4, 5)), rng.random((1, 1, 4, 5))
    whole = statistics(style_term(), f, {})[f"style/{LAYER}/second"]
    parts = [
        statistics(style_term(region=1.0), f, {f"style/{LAYER}/root": np.sqrt(mask)})[f"style/{LAYER}/second"]
        for mask in (m, 1 - m)
    ]
    np.testing.assert_allclose(parts[0] + parts[1], whole, rtol=1e-13)


def test_the_weight_of_a_position_multiplies_its_squared_difference():
    f, p = np.array([[1.0, 2.0, 3.0]]).reshape(1, 1, 1, 3), np.zeros((1, 1, 1, 3))
    constants = {
        f"content/{LAYER}/maps": p,
        f"content/{LAYER}/root": np.sqrt([1.0, 0.5, 0.0]).reshape(1, 1, 1, 3),
    }
    got = statistics(ContentTerm({LAYER: 1.0}, guided=True), f, constants)
    assert got[f"content/{LAYER}"] == pytest.approx((1 + 0.5 * 4) / 2, rel=1e-15)


def softmax_times_size(f, t):
    e = np.exp(f / t)
    return e / e.mean()


def test_smoothed_gram_is_that_of_the_softmax():
    rng = np.random.default_rng(3)
    f, a = 3 * rng.standard_normal((2, 1, 3, 4, 5))
    network, term = IdentityNetwork(), style_term(smoothed=True)
    flat_f, flat_a = (softmax_times_size(g, 1.7).reshape(3, 20) for g in (f, a))
    A = flat_a @ flat_a.T / 20
    constants = {f"style/{LAYER}/second": A[None], f"smooth/{LAYER}": np.array(1 / 1.7)}
    result = BACKEND.compile(loss_function([(term, 1.0)], network, 4, 5), f, constants)(f, constants)
    want = np.sum((flat_f @ flat_f.T / 20 - A) ** 2) / 36
    assert float(result.total) == pytest.approx(want, rel=1e-12)
    # SWAG's own definition, softmax over channels and positions, differs by the constant N M
    e = np.exp(f / 1.7)
    np.testing.assert_allclose(softmax_times_size(f, 1.7), e / e.sum() * 60, rtol=1e-14)


@pytest.mark.parametrize("guided", [False, True])
def test_smoothed_content_is_that_of_the_softmax(guided):
    rng = np.random.default_rng(4)
    f, p = 3 * rng.standard_normal((2, 1, 3, 4, 5))
    m = rng.random((1, 1, 4, 5)) if guided else np.ones((1, 1, 4, 5))
    P = softmax_times_size(p, 2.0)
    term = SmoothedContentTerm({LAYER: 1.5}, guided=guided, channels={LAYER: 3})
    constants = {f"content/{LAYER}/maps": P, f"content/{LAYER}/root": np.sqrt(m)}
    constants[f"smooth/{LAYER}"] = np.array(0.5)
    objective = BACKEND.compile(loss_function([(term, 1.0)], IdentityNetwork(), 4, 5), f, constants)

    def by_definition(x):
        return 1.5 * 0.5 * np.sum(m * (softmax_times_size(x, 2.0) - P) ** 2)

    assert float(objective(f, constants).total) == pytest.approx(by_definition(f), rel=1e-12)
    d, step = rng.standard_normal(f.shape), 1e-5
    slope = (by_definition(f + step * d) - by_definition(f - step * d)) / (2 * step)
    assert np.sum(objective(f, constants).gradient * d) == pytest.approx(slope, rel=1e-7)
    unit = evaluate(lambda o, x, c: {"y": term.featureless_loss(o, c)}, f, constants)["y"]
    assert unit == pytest.approx(1.5 * 0.5 * np.sum(m * (1 - P) ** 2), rel=1e-12)


def test_temperature_by_hand():
    f = np.array([0.0, 0.0, 1.0, 3.0]).reshape(1, 1, 2, 2)  # F^2: 10, F^4: 82
    sums = evaluate(lambda o, x, c: fourth_powers(o, {LAYER: x}), f, {})
    assert (sums[f"{LAYER}/2"], sums[f"{LAYER}/4"]) == (10.0, 82.0)
    assert temperature(np.array([10.0]), np.array([82.0])) == pytest.approx(np.sqrt(8.2))
    assert temperature(np.zeros(2), np.zeros(2)) == 1.0


TERMS = {
    **{f"style {loss}": style_term(loss) for loss in STYLE_LOSSES},
    "guided style": style_term("w2", 5.0),
    "smoothed style": style_term("moments", smoothed=True),
    "content": ContentTerm({LAYER: 1.0}),
    "guided content": ContentTerm({LAYER: 1.0}, guided=True),
    "smoothed content": SmoothedContentTerm({LAYER: 1.0}, guided=True, channels={LAYER: 3}),
    "sum": WeightedSum("sum", ((style_term("w2", 5.0), 2.0), (ContentTerm({LAYER: 1.0}), 3.0))),
}


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_statistics_of_overlapping_windows_add_up(term):
    """Two windows of 4 columns cover 6; the inner masks give each column to one of them."""
    rng = np.random.default_rng(5)
    x, p, m = rng.random((1, 3, 4, 6)), rng.random((1, 3, 4, 6)), rng.random((1, 1, 4, 6))
    spatial = {"maps": p, "root": np.sqrt(m)}
    constants = {name: spatial[name.rpartition("/")[2]] for name in term.spatial}
    assert set(term.spatial.values()) <= {LAYER}
    function, smooth = statistics_of([term], IdentityNetwork()), {f"smooth/{LAYER}": np.array(1.0)}
    whole = evaluate(function, x, constants | smooth)
    total = dict.fromkeys(whole, 0.0)
    for columns, inner in ((slice(0, 4), [1, 1, 1, 0]), (slice(2, 6), [0, 1, 1, 1])):
        cropped = {name: array[..., columns] for name, array in constants.items()}
        inside = np.broadcast_to(np.array(inner, float), (1, 1, 4, 4))
        part = evaluate(function, x[..., columns], cropped | smooth | {f"inner/{LAYER}": inside})
        total = {name: total[name] + value for name, value in part.items()}
    for name, value in whole.items():
        np.testing.assert_allclose(total[name], value, rtol=1e-12)


def test_the_energy_needs_nothing_but_the_sums():
    """The loss function is its two halves put together, with the sums in between."""
    rng = np.random.default_rng(6)
    x, p = rng.random((2, 1, 3, 4, 5))
    terms = [(ContentTerm({LAYER: 1.0}), 2.0), (TotalVariationTerm(), 3.0)]
    constants = {f"content/{LAYER}/maps": p}
    plain = [term for term, _ in terms]
    sums = evaluate(statistics_of(plain, IdentityNetwork()), x, constants)
    energy = energy_of(terms, positions_of(plain, 4, 5))

    def function(ops, x, c):
        return {"total": energy(ops, c, {})[0]}

    want = BACKEND.compile(loss_function(terms, IdentityNetwork(), 4, 5), x, constants)(x, constants).total
    assert evaluate(function, x, sums)["total"] == want


@pytest.fixture
def scene():
    rng = np.random.default_rng(7)
    return [Picture(rng.random((h, w, 3), np.float32)) for h, w in ((32, 40), (36, 33), (33, 48))]


def make(scene, small_network, masks=None, style_layers=("conv1_1", "conv3_1"), **options):
    shares = dict.fromkeys(style_layers, 1 / len(style_layers))
    settings = make_settings(content_layers={"conv2_2": 1.0}, style_layers=shares, **options)
    content, *styles = scene
    pictures = make_scene(content, styles, [0.5, 0.5], masks)
    return Stage(
        pictures, losses_of(settings, small_network), Context(settings, small_network, BACKEND)
    ).problem


def upside_down(picture):
    return Picture(picture.rgb[::-1])


def losses_at(problem, picture):
    x = picture.rgb.transpose(2, 0, 1)[None].astype(np.float64)
    result = problem.code(x, problem.shared, problem.constants, LossScale())
    return result, {name: float(value) for name, value in result.terms.items()}


@pytest.mark.parametrize("smoothing", [False, True])
@pytest.mark.parametrize("loss", list(STYLE_LOSSES))
def test_every_loss_can_be_set_up_and_starts_relative(scene, small_network, loss, smoothing):
    problem = make(scene, small_network, style_loss=loss, smoothing=smoothing)
    _, terms = losses_at(problem, upside_down(scene[0]))
    assert sorted(terms) == ["content", "style"]
    weights = {term.name: weight for term, weight in problem.terms}
    assert weights["style"] == BALANCE
    assert 0 < terms["style"] < 1  # of 1, a picture without features
    _, own = losses_at(problem, scene[0])
    assert own["content"] == pytest.approx(0, abs=1e-9 / weights["content"])


@pytest.mark.parametrize("loss", ["gram", "w2"])
def test_masks_that_are_white_everywhere_change_nothing(scene, small_network, loss):
    white = np.ones((5, 5), np.float32)
    plain = make(scene, small_network, style_loss=loss)
    masked = make(
        scene, small_network, Masks(protect=0 * white, content=white, sources=[white, white]), style_loss=loss
    )
    (a, terms), (b, same) = losses_at(plain, upside_down(scene[0])), losses_at(masked, upside_down(scene[0]))
    assert same == pytest.approx(terms, rel=1e-6)
    assert float(b.total) == pytest.approx(float(a.total), rel=1e-6)
    np.testing.assert_allclose(b.gradient, a.gradient, rtol=1e-4, atol=1e-7 * np.abs(a.gradient).max())


def test_a_style_pulls_in_its_own_region_only(scene, small_network):
    left = np.zeros((32, 40), np.float32)
    left[:, :20] = 1
    problem = make(
        scene, small_network, Masks(regions=[left, None]), ["conv1_1", "conv1_2"], content_weight=0.0,
        padding="zero",
    )  # fmt: skip
    ((term, _),) = problem.terms
    assert term.name == "style"
    assert [part.name for part, _ in term.parts] == ["style 1", "style 2"]
    assert list(losses_at(problem, scene[0])[1]) == ["style"]
    x = scene[0].rgb.transpose(2, 0, 1)[None].astype(np.float64)
    for part, own, foreign in ((0, np.s_[:20], np.s_[24:]), (1, np.s_[20:], np.s_[:16])):
        function, (constants,) = (
            loss_function([term.parts[part]], problem.encoder.network, 32, 40),
            problem.constants,
        )
        gradient = BACKEND.compile(function, x, constants)(x, constants).gradient
        assert gradient[..., own].any(axis=(0, 1, 2)).all()
        assert not gradient[..., foreign].any()


def test_regions_pull_alike_whatever_the_energy_of_their_style(scene, small_network):
    """lambda_r E_r of a picture without features is the covered part of the whole, style by style."""
    content, style, _ = scene
    faint = Picture(0.05 * style.rgb)
    quarter = np.zeros((32, 40), np.float32)
    quarter[:, :10] = 1
    problem = make([content, style, faint], small_network, Masks(regions=[quarter, None]))
    term = problem.terms[1][0]
    values, numbers = [], problem.shared
    for part, weight in term.parts:
        units = evaluate(lambda o, x, c, part=part: part.featureless_losses(o, c), np.zeros(1), numbers)
        value = sum(numbers[part.weights[layer]] * unit for layer, unit in units.items())
        values.append(float(numbers[weight] * value))
    assert values[1] / values[0] == pytest.approx(3.0, rel=1e-6)
    assert sum(values) == pytest.approx(1.0, rel=1e-6)


def test_a_protected_part_is_left_to_the_content(scene, small_network):
    """As far as the layers see, 5 pixels here twice: the mask is soft at the layer, the gradient spreads from there."""
    protect = np.zeros((32, 40), np.float32)
    protect[:, 16:] = 1
    problem = make(scene, small_network, Masks(protect=protect), ["conv1_1", "conv1_2"], content_weight=0.0)
    gradient = losses_at(problem, scene[0])[0].gradient
    assert not gradient[..., 16 + 4 :].any()
    assert gradient[..., :16].any(axis=(0, 1, 2)).all()


def test_a_source_mask_takes_the_style_from_its_part(scene, small_network):
    """The left half of a style picture under a mask has about the style of that half as a picture."""
    content, style, other = scene
    both = Picture(np.concatenate([style.rgb, 0.2 * other.rgb[:, :33][:33].repeat(2, 0)[:36]], axis=1))
    mask = np.zeros(both.rgb.shape[:2], np.float32)
    mask[:, :33] = 1
    options = {"content_weight": 0.0, "style_weight": 1.0}
    cut = make([content, style, style], small_network, **options)
    masked = make([content, both, both], small_network, Masks(sources=[mask, mask]), **options)
    unmasked = make([content, both, both], small_network, **options)
    wanted, got, without = (losses_at(problem, content)[1]["style"] for problem in (cut, masked, unmasked))
    assert abs(got - wanted) < 0.3 * abs(without - wanted)


def test_temperature_of_a_transfer_is_that_of_the_styles(scene, small_network):
    problem = make(scene, small_network, smoothing=True, padding="zero")
    squares = fourths = 0.0
    network = BACKEND.network(small_network, ["conv3_1"], "avg")
    for picture in scene[1:]:
        x = picture.rgb.transpose(2, 0, 1)[None].astype(np.float64)
        maps = evaluate(lambda o, x, c: network(o, x), x, {})["conv3_1"]
        squares += np.sum(maps**2) / (picture.width * picture.height)
        fourths += np.sum(maps**4) / (picture.width * picture.height)
    inverse = problem.encoder.smoothing["smooth/conv3_1"]
    assert 1 / float(inverse) == pytest.approx(np.sqrt(fourths / squares), rel=1e-6)
