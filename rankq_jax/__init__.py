"""Offline-to-online reinforcement learning in JAX: pure agents, lifted over updates, seeds and devices."""

__version__ = "0.1.0"
