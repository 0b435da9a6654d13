-- How many attempts does a booking take?
--
-- all  auto_assign.attempt rows per booking, over the bookings that have one in the window; attempts that ended by an
--      exception (auto_assign.attempt_error) do not count, as they never did
--
-- A booking is booking_id, else context.booking_ref (the value of a dangling id, or all there is where the deployment
-- has no such column: to_jsonb of the row asks for it without naming it). A row with neither belongs to no booking.
WITH booking AS (
    SELECT count(*) AS attempts
    FROM {table} AS event
    CROSS JOIN LATERAL coalesce(to_jsonb(event) ->> 'booking_id', context ->> 'booking_ref') AS booking
    WHERE
        event_type = 'auto_assign.attempt' AND created_at >= %(start)s AND created_at < %(end)s
        AND booking IS NOT NULL
    GROUP BY booking
),
figure AS (
    SELECT
        count(*) AS n,
        avg(attempts) AS mean,
        percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY attempts) AS p,
        max(attempts) AS largest
    FROM booking
)
SELECT metric, dimension, round(value::numeric, 2) AS value, unit, n AS sample_size, 'auto_assign.attempt' AS source
FROM figure
CROSS JOIN LATERAL (
    VALUES
        ('job_attempts_avg', 'all', mean::double precision, 'attempts'),
        ('job_attempts_p50', 'all', p[1], 'attempts'),
        ('job_attempts_p90', 'all', p[2], 'attempts'),
        ('job_attempts_p95', 'all', p[3], 'attempts'),
        ('job_attempts_max', 'all', largest::double precision, 'attempts'),
        ('job_attempts_sample_size', 'bookings', nullif(n, 0)::double precision, 'count')
) AS shown (metric, dimension, value, unit)
