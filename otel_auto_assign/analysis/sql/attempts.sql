-- How many attempts does a booking take?
--
-- auto_assign.attempt rows per booking, over the bookings that have one in the window; attempts that ended by an exception
-- (auto_assign.attempt_error) do not count, as they never did. A booking is booking_id, else context.booking_ref: the value
-- of a dangling id, or all there is where the deployment has no such column. A row with neither belongs to no booking.
WITH found AS (
    SELECT {booking} AS booking {columns}
    FROM {table} AS event
    WHERE event_type = 'auto_assign.attempt' AND {rows}
    OFFSET 0  -- a fence: the server then groups by hashing, which for so many bookings is much faster than sorting
),
booking AS MATERIALIZED (
    SELECT booking, {split} AS split, count(*) AS attempts
    FROM found
    GROUP BY booking {and_grouping}
    UNION ALL
    SELECT NULL, '', 0  -- so that a window without rows has its figures, empty
),
figure AS (
    SELECT
        split,
        count(*) FILTER (WHERE booking IS NOT NULL) AS n,
        avg(attempts) FILTER (WHERE booking IS NOT NULL) AS mean,
        max(attempts) FILTER (WHERE booking IS NOT NULL) AS most,
        percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY attempts) FILTER (WHERE booking IS NOT NULL) AS p
    FROM booking
    GROUP BY split
)
SELECT
    metric, dimension, round(value::numeric, 2) AS value, unit, n AS sample_size, 'auto_assign.attempt' AS source, split
FROM figure
CROSS JOIN LATERAL (
    VALUES
        ('job_attempts_avg', 'all', mean::double precision, 'attempts'),
        ('job_attempts_p50', 'all', p[1], 'attempts'),
        ('job_attempts_p90', 'all', p[2], 'attempts'),
        ('job_attempts_p95', 'all', p[3], 'attempts'),
        ('job_attempts_max', 'all', most::double precision, 'attempts'),
        ('job_attempts_sample_size', 'bookings', nullif(n, 0)::double precision, 'count')
) AS shown (metric, dimension, value, unit)
