-- Is no other transaction reconciling this table? If so, none can until this one's end.
SELECT pg_catalog.pg_try_advisory_xact_lock(1869898081::bigint << 32 | oid::bigint) -- our corner of the keys
FROM pg_catalog.pg_class
WHERE oid = pg_catalog.to_regclass(%(table)s)
