"""Jobs as data, and what runs them; imports neither jax nor what needs it."""

from rankq_jax.launch.jobs import Job
from rankq_jax.launch.products import arm, product

__all__ = ["Job", "arm", "product"]
