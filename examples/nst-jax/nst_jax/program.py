"""A function of nst as a program of XLA, and its gradient by `jax.value_and_grad`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from nst.protocol import Evaluation
from nst_jax.network import JaxNetwork
from nst_jax.ops import JaxOps

__all__ = ["JaxObjective", "Program"]

Constants = Mapping[str, jax.Array]


class Program:
    """`function(ops, x, constants)`, jitted; traced once for each shape.

    Picture, constants and the parameters of the networks are arguments. An array that is captured becomes a part of
    the program instead: XLA folds it, keeps a copy of it, and does not see when it changes.

    Args:
        function: of primitives.
        wide: a context in which JAX has the data type.
        gradient: of the first of two results with respect to x, besides.
    """

    def __init__(self, function: Callable[..., Any], wide: Callable[[], Any], gradient: bool = False) -> None:
        self._function, self._wide = function, wide
        self._networks: list[JaxNetwork] | None = None
        self._program = jax.jit(jax.value_and_grad(self._call, has_aux=True) if gradient else self._call)

    def __call__(self, x: jax.Array, constants: Constants) -> Any:
        """What the function returns; with its gradient if that was asked for."""
        if self._networks is None:
            self.trace(x, constants)
        assert self._networks is not None
        with self._wide():
            return self._program(x, dict(constants), [network.native for network in self._networks])

    def trace(self, x: jax.Array, constants: Constants) -> Any:
        """The function as a jaxpr; which networks it calls is known from then on."""
        ops = JaxOps()
        with self._wide():
            traced = jax.make_jaxpr(lambda x, c: self._function(ops, x, c))(x, dict(constants))
        self._networks = list(ops.parameters)
        return traced.jaxpr

    def _call(self, x: jax.Array, constants: Constants, parameters: Sequence[Constants]) -> Any:
        ops = JaxOps(dict(zip(self._networks or (), parameters, strict=True)))
        return self._function(ops, x, constants)


class JaxObjective:
    """See `nst.protocol.Objective`."""

    def __init__(
        self, function: Callable[..., Any], wide: Callable[[], Any], like: jax.Array, constants: Constants
    ) -> None:
        self._program = Program(function, wide, gradient=True)
        if not _depends(self._program.trace(like, constants)):
            raise ValueError("the loss does not depend on the picture")

    def __call__(self, x: jax.Array, constants: Constants) -> Evaluation[jax.Array]:
        (total, terms), gradient = self._program(x, constants)
        return Evaluation(total, terms, gradient)


def _depends(program: Any) -> bool:
    """Whether the first result of a jaxpr depends on its first argument; JAX's gradient would be zeros if not."""
    reached = {program.invars[0]}
    for equation in program.eqns:
        if any(not hasattr(v, "val") and v in reached for v in equation.invars):  # literals have a value
            reached.update(equation.outvars)
    return program.outvars[0] in reached
