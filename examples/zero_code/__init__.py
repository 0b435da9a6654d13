"""A booking system with a web server and a job queue, traced without a change of its source.

``bookings/`` is the application, `auto_assign.toml` says what is traced, and the modules beside them start it, drive it
and show what came of it: ``python -m examples.zero_code``.
"""
