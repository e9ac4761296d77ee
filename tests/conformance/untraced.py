"""TensorFlow with its operations one by one: the same numbers without a graph, in a quarter of the time."""

import tensorflow as tf

from nst.backends.registry import backend_class


class Untraced(backend_class("tf")):
    """In a process of its own, as it is for the whole process."""

    def __init__(self, device="auto", dtype=None, precision=None):
        super().__init__(device, dtype, precision)
        tf.config.run_functions_eagerly(True)
