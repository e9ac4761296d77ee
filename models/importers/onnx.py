"""Tensors from an ONNX model: the 3x3 convolutions in graph order."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models import vgg
from nst.models.importers.names import Tensors, counted

__all__ = ["read_onnx"]


def read_onnx(path: Path) -> tuple[Tensors, str]:
    """(name of each tensor -> reader, the name of the input convention that the tensor names suggest).

    Raises:
        WeightsError: the `onnx` package is not installed, or the graph is no VGG.
    """
    try:
        import onnx
    except ImportError as error:
        raise WeightsError("an ONNX file needs the onnx package: pip install onnx") from error
    model = onnx.load(path, load_external_data=False)
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    if len(convolutions) > len(vgg.LAYER_NAMES):
        raise WeightsError(f"{len(convolutions)} convolutions are no VGG19, which has {len(vgg.LAYER_NAMES)}")
    tensors: dict[str, Callable[[], NDArray[np.generic]]] = {}
    for number, node in enumerate(convolutions):
        for part, name in zip(("weight", "bias"), node.input[1:3], strict=False):
            if name in initializers:
                tensors[counted(number, part)] = _reader(initializers[name], name)
    first = convolutions[0].input[1] if convolutions else ""
    return tensors, "caffe" if first.startswith(("conv1_1", "block1_conv1")) else "torchvision"


def _reader(tensor: Any, name: str) -> Callable[[], NDArray[np.generic]]:
    def read() -> NDArray[np.generic]:
        from onnx import TensorProto, numpy_helper

        if tensor.data_location == TensorProto.EXTERNAL:
            raise WeightsError(
                f"{name} lies in another file, which is refused: export with the weights inside"
            )
        elements = math.prod(tensor.dims)
        if tensor.raw_data and elements > len(tensor.raw_data):
            raise WeightsError(f"{name} has shape {tuple(tensor.dims)}, the file holds fewer numbers")
        return np.asarray(numpy_helper.to_array(tensor))

    return read
