-- Which policies decide about this role's inserts, and what do they demand of a row? One row a policy.
--
-- A policy for every command may leave out WITH CHECK; then what it demands of rows that are read counts.
SELECT
    p.polname AS name,
    p.polpermissive AS permissive,
    coalesce(pg_catalog.pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid), 'true') AS demand
FROM pg_catalog.pg_policy AS p
WHERE
    p.polrelid = %(oid)s AND p.polcmd IN ('*', 'a')
    AND EXISTS (
        SELECT
        FROM pg_catalog.unnest(p.polroles) AS let (role)
        WHERE CASE WHEN let.role = 0 THEN true ELSE pg_catalog.pg_has_role(let.role, 'USAGE') END  -- 0: everybody
    )
ORDER BY p.polname
