"""JAX as a backend for nst."""

from nst_jax.backend import JaxBackend

__all__ = ["JaxBackend"]
