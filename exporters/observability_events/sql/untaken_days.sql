-- For which of the coming days, today's included, does no partition take a summary of ours? One row a day.
--
-- {{taken}}: the conditions of the partitions, as the catalogue gives them.
SELECT day, created_at
FROM (
    SELECT
        day,
        now() + day * interval '1 day' AS created_at,
        gen_random_uuid() AS id,
        {source} AS source,
        {event_type} AS event_type,
        {severity} AS severity,
        '{{}}'::jsonb AS context,
        NULL::uuid AS restaurant_id,
        NULL::uuid AS booking_id
    FROM generate_series(0, {days}) AS day
) AS ours
WHERE ({taken}) IS NOT TRUE
ORDER BY day
