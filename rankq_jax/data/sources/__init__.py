"""Loaders: each reads one format and returns `Episodes` with raw rewards."""

from rankq_jax.data.sources.minari import load_minari

__all__ = ["load_minari"]
