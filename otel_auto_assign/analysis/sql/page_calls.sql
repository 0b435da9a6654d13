-- How are the durations of planner calls spread, and how do they and the flags go on through the window?
--
-- The calls of cache_hits=excluded in durations.sql: auto_assign.quote rows with a duration that the planner itself answered.
-- One row for the window (bucket null) and one for each bucket of `width` that has quote rows, from whose start it has its
-- name. curve: the duration that 0.5 %%, 1 %% ... 100 %% of the calls do not exceed, each that of a call; of the window alone.
-- policy, cache: of the quote rows that say their flags, how many have them on; a default is not said.
WITH call AS (
    SELECT
        date_bin(%(width)s, created_at, timestamptz '2001-01-01 00:00:00+00') AS bucket,
        CASE WHEN coalesce(context ->> 'cache_hit', 'false') <> 'true' THEN coalesce({planner_ms}, {ms}) END AS own,
        coalesce(context -> 'flags' ->> 'source' <> 'default', true) AS said,
        context -> 'flags' -> 'retry_policy_v2' AS policy,
        context -> 'flags' -> 'planner_cache' AS cache
    FROM {table} AS event
    WHERE event_type = 'auto_assign.quote' AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
)
SELECT
    bucket AS start,
    count(own) AS calls,
    (percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY own) FILTER (WHERE own IS NOT NULL)) AS p,
    CASE WHEN grouping(bucket) = 1
        THEN (percentile_disc(%(shares)s::double precision[]) WITHIN GROUP (ORDER BY own) FILTER (WHERE own IS NOT NULL))
    END AS curve,
    count(*) FILTER (WHERE said AND policy = 'true') AS policy_on,
    count(*) FILTER (WHERE said AND policy IN ('true', 'false')) AS policy_said,
    count(*) FILTER (WHERE said AND cache = 'true') AS cache_on,
    count(*) FILTER (WHERE said AND cache IN ('true', 'false')) AS cache_said
FROM call
GROUP BY GROUPING SETS ((), (bucket))
ORDER BY bucket NULLS FIRST
