-- How long does a planner call take?
--
-- all                  every auto_assign.quote row with a duration, in any flow, cache hits included: as today
-- cache_hits=excluded  the calls that the planner itself answered, cache_hit absent counting as false
WITH quote AS (
    SELECT
        (CASE jsonb_typeof(duration) WHEN 'number' THEN duration END)::double precision AS ms,
        coalesce(context -> 'cache_hit' = 'true', false) AS cache_hit
    FROM {table}
    CROSS JOIN LATERAL coalesce(nullif(context -> 'planner_duration_ms', 'null'), context -> 'durationMs') AS duration
    WHERE event_type = 'auto_assign.quote' AND created_at >= %(start)s AND created_at < %(end)s
),
figure AS (
    SELECT
        dimension,
        count(ms) AS n,
        percentile_cont(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY ms) AS p,
        avg(ms) AS mean,
        max(ms) AS largest
    FROM (VALUES ('all', false), ('cache_hits=excluded', true)) AS wanted (dimension, without_hits)
    LEFT JOIN quote ON NOT (without_hits AND cache_hit)
    GROUP BY dimension
)
SELECT
    metric, dimension, round(value::numeric, 2) AS value, 'ms' AS unit, n AS sample_size, 'auto_assign.quote' AS source
FROM figure
CROSS JOIN LATERAL (
    VALUES
        ('planner_duration_p50_ms', p[1]),
        ('planner_duration_p90_ms', p[2]),
        ('planner_duration_p95_ms', p[3]),
        ('planner_duration_p99_ms', p[4]),
        ('planner_duration_avg_ms', mean),
        ('planner_duration_max_ms', largest)
) AS shown (metric, value)
