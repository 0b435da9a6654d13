-- Which rows do the partitions take? One row a partition that holds rows: its condition as SQL, over the columns' names.
--
-- A default partition without others beside it has none: it takes everything.
SELECT coalesce(pg_catalog.pg_get_partition_constraintdef(tree.relid), 'true') AS condition
FROM pg_catalog.pg_partition_tree(%(oid)s) AS tree
WHERE tree.isleaf AND tree.relid <> %(oid)s
