-- May we read the table, and does row security hide rows of it from us?
--
-- One line: the role; whether it has SELECT; whether row security is active for it; the conditions under which policies
-- show it a row (one that holds is enough; where there is none, no row is shown); those that must all hold besides.
WITH policy AS (
    SELECT polpermissive AS permissive, coalesce(pg_catalog.pg_get_expr(polqual, polrelid), 'true') AS condition
    FROM pg_catalog.pg_policy
    WHERE
        polrelid = pg_catalog.to_regclass(%(table)s) AND polcmd IN ('r', '*')
        AND EXISTS (
            SELECT FROM unnest(polroles) AS r (role)
            WHERE CASE role WHEN 0 THEN true ELSE pg_catalog.pg_has_role(role, 'USAGE') END -- 0: everybody
        )
)
SELECT
    current_user::text AS role,
    pg_catalog.has_table_privilege(oid, 'SELECT') AS may_read,
    pg_catalog.row_security_active(oid) AS secured,
    ARRAY(SELECT condition FROM policy WHERE permissive) AS any_of,
    ARRAY(SELECT condition FROM policy WHERE NOT permissive) AS all_of
FROM pg_catalog.pg_class
WHERE oid = pg_catalog.to_regclass(%(table)s)
