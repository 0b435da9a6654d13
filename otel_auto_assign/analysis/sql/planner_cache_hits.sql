-- Which share of the planner calls did the cache answer?
--
-- all  of every auto_assign.quote row with a duration, cache_hit absent counting as false
WITH quote AS (
    SELECT coalesce(context -> 'cache_hit' = 'true', false) AS cache_hit
    FROM {table}
    WHERE
        event_type = 'auto_assign.quote' AND created_at >= %(start)s AND created_at < %(end)s
        AND 'number' IN (jsonb_typeof(context -> 'planner_duration_ms'), jsonb_typeof(context -> 'durationMs'))
)
SELECT
    'planner_cache_hit_pct' AS metric,
    'all' AS dimension,
    round(100.0 * count(*) FILTER (WHERE cache_hit) / nullif(count(*), 0), 2) AS value,
    'pct' AS unit,
    count(*) AS sample_size,
    'auto_assign.quote' AS source
FROM quote
