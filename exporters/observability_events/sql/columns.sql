-- Which columns has the table, and what may this role put into each? One row a column.
--
-- A domain may lie on others: its base type is at the bottom, and each of them may refuse null. A null is refused there
-- before any trigger of the table could fill it; a NOT NULL of the column itself is looked at after them.
WITH RECURSIVE layer AS (
    SELECT a.attnum, a.atttypid AS type, 0 AS depth
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT l.attnum, t.typbasetype, l.depth + 1
    FROM layer AS l
    JOIN pg_catalog.pg_type AS t ON t.oid = l.type
    WHERE t.typtype = 'd'
),
bottom AS (
    SELECT
        l.attnum,
        (pg_catalog.array_agg(l.type ORDER BY l.depth DESC))[1] AS type,
        pg_catalog.bool_or(t.typnotnull) AS refuses_null
    FROM layer AS l
    JOIN pg_catalog.pg_type AS t ON t.oid = l.type
    GROUP BY l.attnum
)
SELECT
    a.attname AS name,
    pg_catalog.format_type(a.atttypid, -1) AS type,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS exact_type,
    pg_catalog.format_type(b.type, -1) AS base_type,
    a.attnotnull AS not_null,
    b.refuses_null AS domain_not_null,
    a.atthasdef AND a.attgenerated = '' AS has_default,
    t.typdefault IS NOT NULL AS domain_default,
    a.attidentity <> '' AS identity,
    a.attgenerated::text AS generated,
    pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'INSERT') AS granted
FROM pg_catalog.pg_attribute AS a
JOIN bottom AS b ON b.attnum = a.attnum
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = %(oid)s
ORDER BY a.attnum
