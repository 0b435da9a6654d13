"""The two feature flags of the planner team, read from the environment whenever a decision hangs on them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

RETRY_POLICY_V2 = "FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2"
PLANNER_CACHE = "PLANNER_CACHE_ENABLED"


@dataclass(frozen=True)
class Features:
    """What is switched on. The cache is safe only where hard failures end a job, so it needs the new policy."""

    retry_policy_v2: bool
    planner_cache: bool


def read_features(environ: Mapping[str, str] | None = None) -> Features:
    """Read the flags from ``environ``, by default the process's own."""
    environ = os.environ if environ is None else environ
    retry_policy_v2 = environ.get(RETRY_POLICY_V2, "").strip().lower() in {"true", "1"}
    planner_cache = environ.get(PLANNER_CACHE, "").strip().lower() in {"true", "1"}
    return Features(retry_policy_v2, planner_cache and retry_policy_v2)
