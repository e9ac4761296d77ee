"""The same forward and backward pass written straight in each framework: what the engine is measured against.

Each function takes weights, content and style (1, 3, H, W) float32 arrays in sRGB [0, 1], the weights alpha and
beta, and a device ("cpu", "cuda"), and returns a function without arguments that runs one forward and backward pass
and waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nst.models.weights import NetworkWeights
from nst.settings import CONTENT_LAYERS, STYLE_LAYERS

LAYERS = [*STYLE_LAYERS, *CONTENT_LAYERS]
Step = Callable[[], Any]


def torch_step(
    weights: NetworkWeights,
    content: Any,
    style: Any,
    alpha: float,
    beta: float,
    device: str,
    *,
    channels_last: bool = True,
) -> Step:
    import torch

    from nst.backends.torch.network import VGG

    if device != "cpu":  # as the engine has it
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = True, False
    order = torch.channels_last if channels_last else torch.contiguous_format
    net = VGG(weights, LAYERS).to(device, memory_format=order)

    def load(array: Any) -> Any:
        return torch.from_numpy(array).to(device).contiguous(memory_format=order)

    def gram(f: Any) -> Any:
        f = f[0].permute(1, 2, 0).flatten(0, 1)
        return f.T @ f / len(f)

    x = load(content).requires_grad_()
    with torch.no_grad():
        P = net(load(content))[CONTENT_LAYERS[0]]
        A = {layer: gram(f) for layer, f in net(load(style)).items() if layer in STYLE_LAYERS}

    def step() -> Any:
        features = net(x)
        loss = alpha * 0.5 * (features[CONTENT_LAYERS[0]] - P).square().sum()
        for layer in STYLE_LAYERS:
            E = (gram(features[layer]) - A[layer]).square().sum() / (4 * len(A[layer]) ** 2)
            loss = loss + beta / len(STYLE_LAYERS) * E
        (gradient,) = torch.autograd.grad(loss, x)
        return float(loss), gradient

    return step


def tf_step(
    weights: NetworkWeights, content: Any, style: Any, alpha: float, beta: float, device: str
) -> Step:
    from nst.backends.tensorflow.backend import tf
    from nst.backends.tensorflow.network import vgg19

    place = "/CPU:0" if device == "cpu" else "/GPU:0"

    def gram(f: Any) -> Any:
        f = tf.reshape(f, (-1, f.shape[-1]))
        return tf.matmul(f, f, transpose_a=True) / tf.cast(tf.shape(f)[0], tf.float32)

    with tf.device(place):
        net = vgg19(weights, LAYERS)
        x = tf.constant(np.ascontiguousarray(content.transpose(0, 2, 3, 1)))
        P = net(x)[CONTENT_LAYERS[0]]
        features = net(tf.constant(np.ascontiguousarray(style.transpose(0, 2, 3, 1))))
        A = {layer: gram(features[layer]) for layer in STYLE_LAYERS}

    @tf.function
    def run(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            features = net(x)
            loss = alpha * 0.5 * tf.reduce_sum(tf.square(features[CONTENT_LAYERS[0]] - P))
            for layer in STYLE_LAYERS:
                E = tf.reduce_sum(tf.square(gram(features[layer]) - A[layer])) / (4 * A[layer].shape[0] ** 2)
                loss += beta / len(STYLE_LAYERS) * E
        return loss, tape.gradient(loss, x)

    def step() -> Any:
        with tf.device(place):
            loss, gradient = run(x)
        return float(loss), gradient

    return step


def onnx_step(
    weights: NetworkWeights, content: Any, style: Any, alpha: float, beta: float, device: str
) -> Step:
    """ONNX Runtime has no autodiff, so the graph is the engine's; the loop is a bare session with bound inputs."""
    from nst.backends.onnx.backend import CONSTANT, OnnxBackend
    from nst.engine.cache import Context
    from nst.engine.stage import Stage
    from nst.engine.weighting import losses_of
    from nst.pictures.picture import Picture
    from nst.pictures.scene import make_scene
    from nst.settings import Settings

    backend = OnnxBackend(device)
    settings = Settings(content_weight=alpha, style_weight=beta)
    pictures = [Picture(np.ascontiguousarray(array[0].transpose(1, 2, 0))) for array in (content, style)]
    scene = make_scene(pictures[0], pictures[1:], [1.0])
    problem = Stage(scene, losses_of(settings, weights), Context(settings, weights, backend)).problem
    x, (constants,) = backend.from_numpy(content), problem.constants
    session = backend.compile(problem.function, x, constants).session
    binding = session.io_binding()
    for name, value in {"x": x, **{CONSTANT + n: v for n, v in constants.items()}}.items():
        binding.bind_ortvalue_input(name, value)
    for name in ("total", "gradient"):
        binding.bind_output(name, device)
    return lambda: session.run_with_iobinding(binding)


STEPS = {"torch": torch_step, "tf": tf_step, "onnx": onnx_step}
