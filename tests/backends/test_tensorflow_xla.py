"""TensorFlow's step under XLA, whose compiler is the one of a GPU as well: it compiles, with the same numbers."""

import json
import subprocess
import sys

import pytest

STEP = """
import json, numpy as np
from nst.backends import get_backend
from nst.models.random import random_weights
import tensorflow as tf

found = {}
for pooling in ("avg", "max"):
    backend = get_backend("tf", "cpu")
    network = backend.network(random_weights(0, 1 / 16), ["conv1_1", "conv3_1"], pooling)

    def function(ops, x, constants):
        padded = ops.pad(x, 2, "replicate")
        maps = network(ops, padded)
        style = ops.sum(ops.square(ops.sub(ops.gram(maps["conv3_1"]), constants["target"])))
        smooth = ops.sum(ops.abs(ops.diff(x, "height")))
        return ops.add(ops.scale(style, 1e-6), smooth), {"style": style, "low": ops.sum(maps["conv1_1"])}

    x = backend.from_numpy(np.random.default_rng(0).random((1, 3, 33, 40), np.float32))
    constants = {"target": backend.from_numpy(np.ones((1, 16, 16), np.float32))}
    plain = backend.compile(function, x, constants)
    total, terms, gradient = tf.function(
        plain._differentiate.python_function, autograph=False, jit_compile=True
    )(x, constants)
    expected = plain(x, constants)
    gap = float(tf.reduce_max(tf.abs(gradient - expected.gradient)) / tf.reduce_max(tf.abs(expected.gradient)))
    gaps = [float(abs(terms[name] / expected.terms[name] - 1)) for name in terms]
    found[pooling] = [float(total / expected.total - 1), gap, max(gaps)]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_a_step_compiles_under_xla_with_the_same_numbers(need, environment):
    need("tf")
    done = subprocess.run([sys.executable, "-c", STEP], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for gaps in json.loads(done.stdout.splitlines()[-1]).values():
        assert max(map(abs, gaps)) < 1e-4, gaps
