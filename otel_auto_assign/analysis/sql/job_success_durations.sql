-- How long does a job take that succeeds?
--
-- all  auto_assign.succeeded rows with a duration
WITH job AS (
    SELECT (
            CASE jsonb_typeof(context -> 'durationMs') WHEN 'number' THEN context -> 'durationMs' END
        )::double precision AS ms
    FROM {table}
    WHERE event_type = 'auto_assign.succeeded' AND created_at >= %(start)s AND created_at < %(end)s
),
figure AS (
    SELECT
        count(ms) AS n,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY ms) AS p,
        avg(ms) AS mean,
        max(ms) AS largest
    FROM job
)
SELECT
    metric, 'all' AS dimension, round(value::numeric, 2) AS value, 'ms' AS unit, n AS sample_size,
    'auto_assign.succeeded' AS source
FROM figure
CROSS JOIN LATERAL (
    VALUES
        ('job_success_duration_p50_ms', p[1]),
        ('job_success_duration_p95_ms', p[2]),
        ('job_success_duration_avg_ms', mean),
        ('job_success_duration_max_ms', largest)
) AS shown (metric, value)
