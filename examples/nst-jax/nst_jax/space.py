"""The optimiser's arithmetic: one small program for each operation and shape; numbers are arguments of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from nst.backends.frequencies import cosine_filter

__all__ = ["JaxSpace"]

SLAB = 2**14
"""Products of so many numbers are added in the working precision, and their sums in float64."""


class JaxSpace:
    """See `nst.protocol.VectorSpace`.

    Args:
        dtype: of the sums, whatever the vectors are kept in.
        wide: a context in which JAX has this dtype.
    """

    def __init__(self, dtype: str, wide: Callable[[], Any]) -> None:
        self._dtype = dtype
        self._wide = wide

    def dots(self, pairs: Sequence[tuple[jax.Array, jax.Array]]) -> NDArray[np.float64]:
        with self._wide():
            return _added(_dots(tuple(pairs), self._numbers(1.0)))

    def scalars(self, values: Sequence[jax.Array]) -> NDArray[np.float64]:
        return np.array(jax.device_get(list(values)), np.float64)

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[jax.Array]) -> jax.Array:
        with self._wide():
            return _lincomb(self._numbers(coefficients), tuple(vectors))

    def multiply(self, a: jax.Array, b: jax.Array) -> jax.Array:
        with self._wide():
            return _multiply(a, b)

    def whiten(self, a: jax.Array, b: jax.Array, epsilon: float) -> jax.Array:
        with self._wide():
            return _whiten(a, b, self._numbers(epsilon))

    def clip(self, a: jax.Array, low: float, high: float) -> jax.Array:
        with self._wide():
            return _clip(a, self._numbers(low), self._numbers(high))

    def smooth(self, a: jax.Array, power: float) -> jax.Array:
        with self._wide():
            filters = (self._numbers(array) for array in cosine_filter(*a.shape[1:3], power))
            return _smooth(a, *filters)

    def crop(self, a: jax.Array, top: int, left: int, height: int, width: int) -> jax.Array:
        with self._wide():
            return _crop(a, top, left, height, width)

    def paste(self, total: jax.Array, tile: jax.Array, top: int, left: int) -> jax.Array:
        with self._wide():
            return _paste(total, tile, top, left)

    def stack(self, rows: int, like: jax.Array, half: bool) -> jax.Array:
        with self._wide():
            dtype = "float16" if half else self._dtype
            return jnp.zeros((rows, *like.shape[1:]), dtype, device=like.device)

    def put(self, stack: jax.Array, row: int, vector: jax.Array, factor: float) -> jax.Array:
        with self._wide():
            return _put(stack, row, vector, self._numbers(factor))

    def products(self, stack: jax.Array, vectors: Sequence[jax.Array]) -> NDArray[np.float64]:
        with self._wide():
            return _added(_products(stack, tuple(vectors), self._numbers(1.0)))

    def combine(self, coefficients: Sequence[float], stack: jax.Array) -> jax.Array:
        with self._wide():
            return _combine(self._numbers(coefficients), stack)

    def _numbers(self, values: Any) -> NDArray[Any]:
        """Numbers as an argument of a program; what it computes in is their dtype."""
        return np.array(values, self._dtype)


def _added(parts: jax.Array) -> NDArray[np.float64]:
    """Sums of slabs, added up on the host."""
    return np.asarray(parts).sum(0, np.float64)


@jax.jit
def _dots(pairs: tuple[tuple[jax.Array, jax.Array], ...], one: jax.Array) -> jax.Array:
    parts = [_slabs(a.reshape(1, -1), b.reshape(1, -1), one.dtype)[:, 0, 0] for a, b in pairs]
    longest = max(len(part) for part in parts)
    return jnp.stack([jnp.pad(part, (0, longest - len(part))) for part in parts], 1)


@jax.jit
def _products(stack: jax.Array, vectors: tuple[jax.Array, ...], one: jax.Array) -> jax.Array:
    columns = jnp.concatenate(vectors).reshape(len(vectors), -1)
    rows = stack.reshape(len(stack), -1)
    own = _slabs(columns, columns, one.dtype)
    return jnp.concatenate([_slabs(rows, columns, one.dtype), own], 1)


def _slabs(rows: jax.Array, columns: jax.Array, dtype: Any) -> jax.Array:
    """Inner products of r rows with k rows (of the same length), slab by slab: (slabs, r, k)."""
    length = rows.shape[1]
    whole = length // SLAB

    def part(start: Any, size: int = SLAB) -> jax.Array:
        a, b = (lax.dynamic_slice_in_dim(m, start, size, 1).astype(dtype) for m in (rows, columns))
        return jnp.matmul(a, b.T, precision=lax.Precision.HIGHEST)

    rest = part(whole * SLAB, length - whole * SLAB)[None]
    if not whole:
        return rest
    return jnp.concatenate([lax.map(part, SLAB * jnp.arange(whole)), rest])


@jax.jit
def _lincomb(coefficients: jax.Array, vectors: tuple[jax.Array, ...]) -> jax.Array:
    total = coefficients[0] * vectors[0].astype(coefficients.dtype)
    for i, vector in enumerate(vectors[1:], 1):
        total += coefficients[i] * vector.astype(coefficients.dtype)
    return total


@jax.jit
def _multiply(a: jax.Array, b: jax.Array) -> jax.Array:
    return a * b


@jax.jit
def _whiten(a: jax.Array, b: jax.Array, epsilon: jax.Array) -> jax.Array:
    return a / (jnp.sqrt(b) + epsilon)


@jax.jit
def _clip(a: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    return jnp.where(a < low, low, jnp.where(a > high, high, a))  # XLA's minimum may pass over NaN


@jax.jit
def _smooth(a: jax.Array, rows: jax.Array, columns: jax.Array, gains: jax.Array) -> jax.Array:
    product = partial(jnp.einsum, precision=lax.Precision.HIGHEST)
    found = gains[:, :, None] * product("lw,nkwc->nklc", columns, product("kh,nhwc->nkwc", rows, a))
    return a + product("kh,nkwc->nhwc", rows, product("lw,nklc->nkwc", columns, found))


@partial(jax.jit, static_argnums=(3, 4))
def _crop(a: jax.Array, top: int, left: int, height: int, width: int) -> jax.Array:
    return lax.dynamic_slice(a, (0, top, left, 0), (a.shape[0], height, width, a.shape[3]))


@partial(jax.jit, donate_argnums=0)
def _paste(total: jax.Array, tile: jax.Array, top: int, left: int) -> jax.Array:
    place = (0, top, left, 0)
    return lax.dynamic_update_slice(total, lax.dynamic_slice(total, place, tile.shape) + tile, place)


@partial(jax.jit, donate_argnums=0)
def _put(stack: jax.Array, row: int, vector: jax.Array, factor: jax.Array) -> jax.Array:
    return lax.dynamic_update_slice_in_dim(stack, (factor * vector).astype(stack.dtype), row, 0)


@jax.jit
def _combine(coefficients: jax.Array, stack: jax.Array) -> jax.Array:
    factors = coefficients.reshape(-1, *[1] * (stack.ndim - 1))
    return (factors * stack.astype(coefficients.dtype)).sum(0, keepdims=True)
