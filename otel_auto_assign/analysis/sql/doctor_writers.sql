-- Which programs of ours are connected to this database now, and how often?
SELECT application_name AS program, count(*) AS connections
FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database() AND application_name = ANY (%(programs)s)
GROUP BY application_name
