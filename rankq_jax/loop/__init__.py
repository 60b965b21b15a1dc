"""The training loop: the one place where collecting, updating, evaluating and reporting meet."""

from rankq_jax.loop.agents import at_phase, lift, lift_diagnostics
from rankq_jax.loop.event import (
    Collected,
    Evaluated,
    Evaluating,
    EvaluationDue,
    Event,
    IterationEnd,
    PendingUpdates,
    Updated,
)
from rankq_jax.loop.plans import Plan, Schedules, offline_to_online, parts
from rankq_jax.loop.run import events, initial
from rankq_jax.loop.run_object import Run
from rankq_jax.loop.state import (
    Progress,
    RunState,
    Setup,
    Stage,
    portable,
    replay_snapshot,
    restored,
    to_save,
)

__all__ = [
    "Collected",
    "Evaluated",
    "Evaluating",
    "EvaluationDue",
    "Event",
    "IterationEnd",
    "PendingUpdates",
    "Plan",
    "Progress",
    "Run",
    "RunState",
    "Schedules",
    "Setup",
    "Stage",
    "Updated",
    "at_phase",
    "events",
    "initial",
    "lift",
    "lift_diagnostics",
    "offline_to_online",
    "parts",
    "portable",
    "replay_snapshot",
    "restored",
    "to_save",
]
