-- Who are we here, what may this role do everywhere, and which time-outs are in force for it? One row.
SELECT
    current_user AS role,
    r.rolsuper AS superuser,
    r.rolbypassrls AS bypasses_row_security,
    current_database() AS database,
    current_setting('server_version') AS version,
    current_setting('server_version_num')::int AS version_number,
    pg_catalog.pg_is_in_recovery() AS standby,
    current_setting('transaction_read_only')::boolean AS read_only,
    (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'statement_timeout') AS statement_timeout_ms,
    (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'idle_in_transaction_session_timeout')
        AS idle_timeout_ms,
    pg_catalog.pg_backend_pid() AS process_id
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = current_user
