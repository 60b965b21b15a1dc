"""Rules that a dataset keeps, as values: those of a recording, and those of what a reading made of it."""

from rankq_jax.data.rules.labels import RULES as LABEL_RULES
from rankq_jax.data.rules.labels import Labeled
from rankq_jax.data.rules.recording import RULES as RECORDING_RULES
from rankq_jax.data.rules.rule import Finding, Rule, findings, refusal
from rankq_jax.data.rules.steps import Recorded, StepLimit

__all__ = [
    "LABEL_RULES",
    "RECORDING_RULES",
    "Finding",
    "Labeled",
    "Recorded",
    "Rule",
    "StepLimit",
    "findings",
    "refusal",
]
