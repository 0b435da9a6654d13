-- How long does the quote of an inline run take?
--
-- all            every inline_auto_assign.quote_result row with a duration: today's definition
-- late=excluded  those that came before their run had ended: what went on behind a time-out is left out
WITH result AS (
    SELECT
        (
            CASE jsonb_typeof(context -> 'durationMs') WHEN 'number' THEN context -> 'durationMs' END
        )::double precision AS ms,
        coalesce(context -> 'late' = 'true', false) AS late
    FROM {table}
    WHERE event_type = 'inline_auto_assign.quote_result' AND created_at >= %(start)s AND created_at < %(end)s
),
figure AS (
    SELECT
        dimension,
        count(ms) AS n,
        percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY ms) AS p,
        avg(ms) AS mean
    FROM (VALUES ('all', false), ('late=excluded', true)) AS wanted (dimension, without_late)
    LEFT JOIN result ON NOT (without_late AND late)
    GROUP BY dimension
)
SELECT
    metric, dimension, round(value::numeric, 2) AS value, 'ms' AS unit, n AS sample_size,
    'inline_auto_assign.quote_result' AS source
FROM figure
CROSS JOIN LATERAL (
    VALUES
        ('inline_duration_p50_ms', p[1]),
        ('inline_duration_p90_ms', p[2]),
        ('inline_duration_p95_ms', p[3]),
        ('inline_duration_avg_ms', mean)
) AS shown (metric, value)
