"""The instrumentation: rules, exits, calls, concurrency."""
