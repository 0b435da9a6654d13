-- How many bookings took one attempt, how many two, and so on?
--
-- Bookings and attempts as attempts.sql counts them; those with `most` attempts or more are one row.
WITH found AS (
    SELECT {booking} AS booking
    FROM {table} AS event
    WHERE event_type = 'auto_assign.attempt' AND {rows}
    OFFSET 0  -- a fence, as in attempts.sql
),
booking AS (
    SELECT least(count(*), %(most)s) AS attempts
    FROM found
    WHERE booking IS NOT NULL
    GROUP BY booking
)
SELECT attempts::integer, count(*) AS bookings
FROM booking
GROUP BY attempts
ORDER BY attempts
