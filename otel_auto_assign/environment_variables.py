"""The environment variables of this package, by which ``opentelemetry-instrument`` gets a flag for each.

It looks for attributes of this module whose names begin with ``OTEL_``, and makes a flag ``--auto_assign_config`` of
the first.
"""

from __future__ import annotations

import dataclasses

from otel_auto_assign.settings import Settings

OTEL_AUTO_ASSIGN_CONFIG = "OTEL_AUTO_ASSIGN_CONFIG"

globals().update({name: name for spec in dataclasses.fields(Settings) for name in spec.metadata["env"]})
