-- the rows of a job speak of one booking and restaurant, under one set of flags
-- (contract §3). A violation: a job and how many of each.
SELECT
    context ->> 'job_id' AS job,
    count(DISTINCT coalesce(booking_id::text, context ->> 'booking_ref')) AS bookings,
    count(DISTINCT coalesce(restaurant_id::text, context ->> 'restaurant_ref')) AS restaurants,
    count(DISTINCT context -> 'flags') AS flags
FROM observability_events
WHERE source = 'auto_assign' AND context ->> 'job_id' IS NOT NULL
GROUP BY job
HAVING
    count(DISTINCT coalesce(booking_id::text, context ->> 'booking_ref')) <> 1
    OR count(DISTINCT coalesce(restaurant_id::text, context ->> 'restaurant_ref')) > 1
    OR count(DISTINCT context -> 'flags') <> 1
