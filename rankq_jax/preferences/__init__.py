"""Action preferences: asking which of two actions is better, learning from the answers, labeling a dataset.

The half of OAP (Boosting Offline Reinforcement Learning with Action Preference Query, arXiv 2306.03362) that
is not the agent's: see `agents.oap` for the other one.
"""

from rankq_jax.preferences.labeler import Preferences, labeler
from rankq_jax.preferences.oracle import Oracle, by_value
from rankq_jax.preferences.queries import most_divergent
from rankq_jax.preferences.ranker import Ranker, ranker

__all__ = ["Oracle", "Preferences", "Ranker", "by_value", "labeler", "most_divergent", "ranker"]
