"""The soak: processes under load, faults by a seeded schedule, and at the end nothing lost and nothing twice.

::

    soak ── Lane ──► Worker (a process) ── Proxy ──► Server
      │      one for each worker, which are cut off, killed, forked and refused by their disk,
      └──── Lane   and one for the server, which is stopped, restarted and locked

Every worker tells on a pipe the id of each row as soon as it was accepted. What was told must be in the table at the
end, once, or with the dead letters if the table was made to refuse it.
"""
