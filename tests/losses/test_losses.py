"""The losses against numbers worked out by hand and against the paper's own gradient formula."""

import numpy as np
import pytest

from nst.backends import get_backend
from nst.losses.content import ContentTerm, content_loss
from nst.losses.objective import loss_function
from nst.losses.style import StyleTerm
from nst.losses.style_statistics import gram_energy
from nst.losses.total_variation import TotalVariationTerm, total_variation

BACKEND = get_backend("numpy")
F = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 1, 2)  # N_l = 2 maps of M_l = 2 positions


def evaluate(function, x=F, **constants):
    outputs = BACKEND.evaluate(lambda ops, x, c: {"value": function(ops, x, c)}, x, constants)
    return outputs["value"]


def gradient(function, x, **constants):
    def loss(ops, x, c):
        value = function(ops, x, c)
        return value, {"value": value}

    return BACKEND.compile(loss, x, constants)(x, constants).gradient


def gram_loss(ops, x, c, positions=2):
    return gram_energy(ops, ops.scale(ops.gram(x), 1 / positions), c["target"], x.value.shape[1])


def test_gram_matrix_by_hand():
    # G_ij = sum_k F_ik F_jk: 1*1 + 2*2, 1*3 + 2*4, 3*3 + 4*4
    assert evaluate(lambda ops, x, c: ops.gram(x)).tolist() == [[[5.0, 11.0], [11.0, 25.0]]]


def test_style_energy_by_hand():
    # G / M = [[2.5, 5.5], [5.5, 12.5]]; minus the identity: 1.5, 5.5, 5.5, 11.5;
    # squares 2.25 + 30.25 + 30.25 + 132.25 = 195; over 4 N^2 = 16
    assert evaluate(gram_loss, target=np.eye(2)[None]) == pytest.approx(195 / 16, rel=1e-15)


def test_style_energy_is_the_papers_when_the_sizes_agree():
    rng = np.random.default_rng(1)
    f, a = rng.random((2, 1, 5, 3, 4))
    n, m = 5, 12
    G, A = (v.reshape(n, m) @ v.reshape(n, m).T for v in (f, a))
    paper = np.sum((G - A) ** 2) / (4 * n**2 * m**2)
    assert evaluate(lambda o, x, c: gram_loss(o, x, c, m), f, target=A[None] / m) == pytest.approx(paper)


def test_style_gradient_is_the_papers_equation_6():
    # dE/dF = 1 / (N^2 M^2) (F^T (G - A))^T
    rng = np.random.default_rng(2)
    f, a = rng.random((2, 1, 5, 3, 4))
    n, m = 5, 12
    F_, A_ = f.reshape(n, m), a.reshape(n, m)
    expected = (F_.T @ (F_ @ F_.T - A_ @ A_.T)).T / (n**2 * m**2)
    got = gradient(lambda o, x, c: gram_loss(o, x, c, m), f, target=(A_ @ A_.T)[None] / m)
    np.testing.assert_allclose(got.reshape(n, m), expected, rtol=1e-12)


def test_a_tiled_style_picture_has_the_same_target():
    # twice the same picture side by side: twice the Gram matrix over twice the positions
    wide = np.concatenate([F, F], axis=3)
    once = evaluate(lambda ops, x, c: ops.gram(x)) / 2
    assert evaluate(lambda o, x, c: gram_loss(o, x, c, 4), wide, target=once) == 0.0


def test_content_loss_by_hand():
    target = np.array([[0.0, 2.0], [1.0, 1.0]]).reshape(1, 2, 1, 2)  # differences 1, 0, 2, 3
    assert evaluate(lambda o, x, c: content_loss(o, x, c["p"]), p=target) == 7.0
    got = gradient(lambda o, x, c: content_loss(o, x, c["p"]), F, p=target)
    assert got.tolist() == (F - target).tolist()  # eq. 2


@pytest.mark.parametrize(("power", "expected"), [(1, 10.0), (2, 30.0)])
def test_total_variation_by_hand(power, expected):
    x = np.array([[0.0, 1.0], [3.0, 5.0]]).reshape(1, 1, 2, 2)  # down: 3, 4; across: 1, 2
    assert evaluate(lambda o, x, c: total_variation(o, x, power), x) == expected


def test_total_variation_gradient_by_hand():
    x = np.array([0.0, 1.0, 3.0]).reshape(1, 1, 1, 3)  # differences 1, 2; d/dx of 1^2 + 2^2
    got = gradient(lambda o, x, c: total_variation(o, x, 2), x)
    assert got.ravel().tolist() == [-2.0, -2.0, 4.0]
    assert gradient(lambda o, x, c: total_variation(o, x, 1), x).ravel().tolist() == [-1.0, 0.0, 1.0]


class IdentityNetwork:
    """The picture itself as its only feature map."""

    def __call__(self, ops, x):
        return {"conv1_1": x}


def test_objective_is_the_weighted_sum_and_its_terms_are_unweighted():
    rng = np.random.default_rng(4)
    x, p, a = rng.random((3, 1, 3, 4, 5))
    A = a.reshape(3, 20) @ a.reshape(3, 20).T / 20
    terms = [
        (ContentTerm({"conv1_1": 2.0}), 3.0),
        (StyleTerm({"conv1_1": 0.5}, {"conv1_1": 3}), 7.0),
        (TotalVariationTerm(), 0.25),
    ]
    constants = {"content/conv1_1/maps": p, "style/conv1_1/second": A[None]}
    function = loss_function(terms, IdentityNetwork(), 4, 5)
    result = BACKEND.compile(function, x, constants)(x, constants)
    G = x.reshape(3, 20) @ x.reshape(3, 20).T / 20
    content = 2.0 * 0.5 * np.sum((x - p) ** 2)
    style = 0.5 * np.sum((G - A) ** 2) / 36
    tv = np.sum(np.diff(x, axis=2) ** 2) + np.sum(np.diff(x, axis=3) ** 2)
    assert {k: float(v) for k, v in result.terms.items()} == pytest.approx(
        {"content": content, "style": style, "tv": tv}
    )
    assert float(result.total) == pytest.approx(3 * content + 7 * style + 0.25 * tv)


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_whole_objective_against_central_differences(pooling, small_network):
    rng = np.random.default_rng(5)
    layers = ["conv1_1", "conv2_1", "conv3_1"]
    network = BACKEND.network(small_network, [*layers, "conv3_2"], pooling)
    x, p, a, d = rng.random((4, 1, 3, 13, 18))
    maps = BACKEND.evaluate(lambda ops, x, c: network(ops, x), p, {})
    style = StyleTerm(dict.fromkeys(layers, 1.0), {layer: small_network.channels(layer) for layer in layers})
    grams = BACKEND.evaluate(lambda o, x, c: style.statistics(o, x, network(o, x), c), a, {})
    constants = {"content/conv3_2/maps": maps["conv3_2"], **{k: v / 100 for k, v in grams.items()}}
    terms = [(ContentTerm({"conv3_2": 1.0}), 1.0), (style, 10.0), (TotalVariationTerm(), 0.1)]
    objective = BACKEND.compile(loss_function(terms, network, 13, 18), x, constants)
    step = 1e-6
    difference = objective(x + step * d, constants).total - objective(x - step * d, constants).total
    slope = np.vdot(objective(x, constants).gradient, d)
    assert difference / (2 * step) == pytest.approx(slope, rel=1e-5)


def test_a_blend_of_styles_has_the_gradient_of_the_weighted_sum():
    rng = np.random.default_rng(6)
    f, a, b = rng.random((3, 1, 4, 3, 3))
    A, B = (v.reshape(4, 9) @ v.reshape(4, 9).T / 9 for v in (a, b))

    def of(target):
        return gradient(lambda o, x, c: gram_loss(o, x, c, 9), f, target=target[None])

    np.testing.assert_allclose(of(0.3 * A + 0.7 * B), 0.3 * of(A) + 0.7 * of(B), rtol=1e-12)


def test_a_loss_that_ignores_the_picture_is_refused():
    with pytest.raises(ValueError, match="does not depend on the picture"):
        gradient(lambda ops, x, c: ops.sum(c["p"]), F, p=F)
