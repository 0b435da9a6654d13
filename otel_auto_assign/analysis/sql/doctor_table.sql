-- What does the table look like to this role?
--
-- columns      name and type of each
-- references   the columns that have a foreign key to one other table each
-- indexed      the columns that lead an index
-- readable     SELECT on it, or on all columns that are read
-- hidden       whether row security may hide rows from this role
SELECT
    (
        SELECT jsonb_object_agg(attname, pg_catalog.format_type(atttypid, -1))
        FROM pg_catalog.pg_attribute
        WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped
    ) AS columns,
    ARRAY(
        SELECT attname::text
        FROM pg_catalog.pg_constraint AS k
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
        WHERE k.conrelid = class.oid AND k.contype = 'f' AND pg_catalog.cardinality(k.conkey) = 1
    ) AS references,
    ARRAY(
        SELECT DISTINCT attname::text
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = class.oid AND i.indisvalid
    ) AS indexed,
    pg_catalog.row_security_active(class.oid) AS hidden
FROM pg_catalog.pg_class AS class
WHERE class.oid = pg_catalog.to_regclass(%(name)s)
