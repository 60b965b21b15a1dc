"""Jobs as data, and what runs them. Imports neither jax nor rankq_jax: it only builds command lines."""
