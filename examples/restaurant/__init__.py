"""A small booking system on a real PostgreSQL, and how a team would instrument it: ``python -m examples.restaurant``.

Read ``README.md`` beside this file for the map. Everything but ``instrumented.py`` and the demo's own modules is
written as if no telemetry existed.
"""
