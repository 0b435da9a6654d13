-- Which rows do the partitions take? One row a partition that holds rows: its condition as SQL, over the columns' names.
SELECT pg_catalog.pg_get_partition_constraintdef(tree.relid) AS condition
FROM pg_catalog.pg_partition_tree(%(oid)s) AS tree
WHERE tree.isleaf AND tree.relid <> %(oid)s
