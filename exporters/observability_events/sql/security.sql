-- What is the table to this role besides a place to insert into? One row.
SELECT
    c.relkind::text AS kind,
    c.relrowsecurity AS row_security,
    pg_catalog.row_security_active(c.oid) AS row_security_active,
    pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
    ARRAY(
        SELECT p.privilege
        FROM pg_catalog.unnest(ARRAY['SELECT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege)
        WHERE pg_catalog.has_table_privilege(c.oid, p.privilege)
    ) AS further_privileges
FROM pg_catalog.pg_class AS c
WHERE c.oid = %(oid)s
