-- Which planner calls were made from the window's start on, for whom, and how long did each take?
--
-- A row for each auto_assign.quote row up to `end`. A call starts as long before its row's time as it took; where its
-- duration cannot be read, ms is null and it starts at its row's time. run: job_id or attemptId, empty for a call outside
-- any flow. hard: it failed for a hard reason. The flags are the row's own, for calls without a run.
SELECT
    id::text AS id,
    coalesce(context ->> CASE WHEN source = 'bookings.inline_auto_assign' THEN 'attemptId' ELSE 'job_id' END, '') AS run,
    source = 'bookings.inline_auto_assign' AS inline,
    coalesce(context ->> 'flow' = 'direct', false) AS direct,
    booking, restaurant,
    (extract(epoch FROM created_at) * 1000)::double precision - greatest(0, coalesce(ms, 0)) AS began_ms,
    (created_at AT TIME ZONE %(zone)s)::date - date '0001-01-01' + 1 AS day,
    CASE WHEN ms >= 0 THEN ms END AS ms,
    coalesce(context -> 'cache_hit' = 'true', false) AS cache_hit,
    coalesce(context ->> 'reasonCode' LIKE 'hard.%%', false) AS hard,
    CASE context -> 'flags' -> 'retry_policy_v2' WHEN 'true' THEN true WHEN 'false' THEN false END AS policy,
    CASE context -> 'flags' -> 'planner_cache' WHEN 'true' THEN true WHEN 'false' THEN false END AS cache,
    coalesce(context -> 'flags' ->> 'source' = 'default', false) AS by_default
FROM (
    SELECT event.*, {booking} AS booking, {restaurant} AS restaurant, coalesce({planner_ms}, {ms}) AS ms
    FROM {table} AS event
    WHERE event_type = 'auto_assign.quote' AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
) AS event
