"""Optimisers and their states as plain values and tensors by name, and back: what a file can hold.

A state is a frozen value, so nothing else is needed to go on from it with the very same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np

from nst.errors import SettingsError
from nst.optim import OPTIMIZERS
from nst.optim.average import Averaged, AveragedState
from nst.protocol import Evaluation

KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(kind for method in OPTIMIZERS.values() for kind in (method.optimizer, method.state)),
        *(Averaged, AveragedState, Evaluation),
    )
}
PLAIN = (bool, int, float, str, type(None))


def pack(value: Any, tensors: dict[str, Any], name: str = "state") -> Any:
    """A value for JSON in place of an optimiser or a state of `nst.optim`; floats survive JSON bit for bit.

    Its tensors are put into `tensors`, by names that begin with `name`; one that is there already is not put twice.
    SettingsError for an optimiser or a state of another kind.
    """
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, tuple):
        return [pack(item, tensors, f"{name}/{i}") for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {"mapping": {key: pack(item, tensors, f"{name}/{key}") for key, item in value.items()}}
    if type(value) in KINDS.values():
        packed: dict[str, Any] = {"kind": type(value).__name__}
        for declared in fields(value):
            item = getattr(value, declared.name)
            own = f"{name}/{declared.name}"
            if declared.metadata.get("host"):
                packed[declared.name] = {"matrix": item.tolist()}
            elif declared.metadata.get("stack"):
                tensors[own] = item
                packed[declared.name] = {"stacked": own}
            else:
                packed[declared.name] = pack(item, tensors, own)
        return packed
    if hasattr(value, "advance") or hasattr(value, "evaluation"):
        raise SettingsError(
            f"a run with an optimizer of your own cannot be saved: nothing is known of {type(value).__name__}; "
            f"use {' or '.join(OPTIMIZERS)}"
        )
    known = next((own for own, tensor in tensors.items() if tensor is value), name)
    tensors[known] = value
    return {"tensor": known}


def unpack(packed: Any, read: Callable[[str], Any], read_stack: Callable[[str], Any]) -> Any:
    """What `pack` has packed; `read` gives a tensor by its name and is called once for each, `read_stack` a stack.

    KeyError or TypeError for anything else.
    """
    return _unpack(packed, cache(read), read_stack)


def _unpack(packed: Any, read: Callable[[str], Any], read_stack: Callable[[str], Any]) -> Any:
    if isinstance(packed, PLAIN):
        return packed
    if isinstance(packed, list):
        return tuple(_unpack(item, read, read_stack) for item in packed)
    if "tensor" in packed:
        return read(packed["tensor"])
    if "stacked" in packed:
        return read_stack(packed["stacked"])
    if "matrix" in packed:
        return np.array(packed["matrix"], np.float64)
    if "mapping" in packed:
        return {key: _unpack(item, read, read_stack) for key, item in packed["mapping"].items()}
    values = {key: _unpack(item, read, read_stack) for key, item in packed.items() if key != "kind"}
    return KINDS[packed["kind"]](**values)
