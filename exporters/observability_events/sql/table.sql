-- What is the table, as this role sees it? One row, or none where there is no such table.
--
-- Looked at in its partitions, too: unique indexes without our id, and triggers that come before a row. Both can swallow
-- rows without a word. Rules cannot stand beside ON CONFLICT at all. Where row security is active for the role, at least
-- one policy must let it insert.
WITH target AS (
    SELECT c.oid, n.nspname, c.relname
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = pg_catalog.to_regclass(%(table)s)
),
part AS (
    SELECT oid FROM target
    UNION
    SELECT tree.relid FROM target CROSS JOIN LATERAL pg_catalog.pg_partition_tree(target.oid) AS tree
),
id_index AS (
    SELECT i.indexrelid
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid IN (SELECT oid FROM part) AND i.indisunique AND a.attname = 'id'
)
SELECT
    t.oid,
    t.nspname,
    t.relname,
    pg_catalog.quote_ident(t.nspname) || '.' || pg_catalog.quote_ident(t.relname) AS full_name,
    current_user AS role,
    (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout') AS deadlock_timeout_ms,
    pg_catalog.has_table_privilege(t.oid, 'INSERT') OR pg_catalog.has_any_column_privilege(t.oid, 'INSERT')
        AS may_insert,
    EXISTS (
        SELECT FROM id_index JOIN pg_catalog.pg_index AS i USING (indexrelid) WHERE i.indrelid = t.oid
    ) AS id_is_unique,
    ARRAY(
        SELECT x.relname::text
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
        WHERE
            i.indrelid IN (SELECT oid FROM part) AND i.indisunique AND NOT i.indisprimary AND NOT x.relispartition
            AND i.indexrelid NOT IN (SELECT indexrelid FROM id_index)
        ORDER BY 1
    ) AS other_unique,
    ARRAY(
        SELECT DISTINCT g.tgname::text
        FROM pg_catalog.pg_trigger AS g
        WHERE
            g.tgrelid IN (SELECT oid FROM part) AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')
            AND g.tgtype & 1 <> 0 AND g.tgtype & 2 <> 0 AND g.tgtype & 4 <> 0  -- for each row, before, an insert
        ORDER BY 1
    ) AS triggers,
    ARRAY(
        SELECT r.rulename::text
        FROM pg_catalog.pg_rewrite AS r
        WHERE
            r.ev_class = t.oid
            AND (r.ev_type = '2' OR r.ev_type = '3' AND r.ev_enabled IN ('O', 'A'))  -- on update, even disabled; on insert
        ORDER BY 1
    ) AS rules,
    pg_catalog.row_security_active(t.oid) AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_policy AS p
        CROSS JOIN LATERAL pg_catalog.unnest(p.polroles) AS let (role)
        WHERE
            p.polrelid = t.oid AND p.polpermissive AND p.polcmd IN ('*', 'a')
            AND CASE WHEN let.role = 0 THEN true ELSE pg_catalog.pg_has_role(let.role, 'USAGE') END  -- 0: everybody
    ) AS shut
FROM target AS t
