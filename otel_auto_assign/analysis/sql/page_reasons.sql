-- What did attempts and planner calls come to under which flags, and how many of the calls did the cache answer?
--
-- A row for each reason and exposure. attempts: auto_assign.attempt rows, as reason_share_pct counts them; calls:
-- auto_assign.quote rows with a duration, as planner_cache_hit_pct counts them; hits: those from the cache.
-- exposed: both flags on, both off, or null: in between, not said, or only a default.
WITH found AS (
    SELECT
        event_type,
        coalesce(context ->> 'reasonCode', 'unknown') AS reason,
        coalesce(context ->> 'cache_hit', 'false') = 'true' AS hit,
        event_type = 'auto_assign.attempt' OR coalesce({planner_ms}, {ms}) IS NOT NULL AS counts,
        CASE
            WHEN context -> 'flags' ->> 'source' = 'default' THEN NULL
            WHEN context -> 'flags' -> 'retry_policy_v2' = 'true' AND context -> 'flags' -> 'planner_cache' = 'true' THEN true
            WHEN context -> 'flags' -> 'retry_policy_v2' = 'false' AND context -> 'flags' -> 'planner_cache' = 'false' THEN false
        END AS exposed
    FROM {table} AS event
    WHERE event_type IN ('auto_assign.attempt', 'auto_assign.quote') AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
)
SELECT
    reason, exposed,
    count(*) FILTER (WHERE event_type = 'auto_assign.attempt') AS attempts,
    count(*) FILTER (WHERE event_type = 'auto_assign.quote') AS calls,
    count(*) FILTER (WHERE event_type = 'auto_assign.quote' AND hit) AS hits
FROM found
WHERE counts
GROUP BY reason, exposed
ORDER BY reason, exposed
