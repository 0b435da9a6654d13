-- each quote of a job that the cache answered has its planner_cache_hit row
-- (contract §3). A violation: a job, its quotes from the cache, and its rows.
SELECT
    context ->> 'job_id' AS job,
    count(*) FILTER (WHERE event_type = 'auto_assign.quote' AND context -> 'cache_hit' = 'true') AS quotes,
    count(*) FILTER (WHERE event_type = 'auto_assign.planner_cache_hit') AS hits
FROM observability_events
WHERE source = 'auto_assign' AND context ->> 'job_id' IS NOT NULL AND coalesce(context -> 'late', 'false') <> 'true'
GROUP BY job
HAVING
    count(*) FILTER (WHERE event_type = 'auto_assign.quote' AND context -> 'cache_hit' = 'true')
    <> count(*) FILTER (WHERE event_type = 'auto_assign.planner_cache_hit')
