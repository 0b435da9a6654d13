-- Which jobs started in the window, under which flags, and what became of them?
--
-- A row for each job (job_id) with a started row from `first` up to `last`; its other rows are looked for up to `end`.
-- began_ms  Unix milliseconds of its start, in UTC; day: the day of it in the time zone `zone`, 1 being 0001-01-01
-- ms        how long it took (totalDurationMs, else summary less start); null while nothing says that it ended
-- told_ms   its last row's time, for telling the dead from the running
-- attempts  auto_assign.attempt rows, as §7 counts them
-- policy, cache, flag_source   the flags on its started row; mixed: other rows say otherwise
-- nameless  of the row whose run is empty: jobs that started in the window and say no job_id; of others 0
-- A job that `reconcile` gave up (abandoned) never ended: its duration is null, too.
WITH found AS (
    SELECT
        coalesce(context ->> 'job_id', '') AS run, created_at, event_type, {booking} AS booking, {restaurant} AS restaurant,
        CASE event_type WHEN 'auto_assign.summary' THEN context ->> 'result' END AS result,
        CASE event_type WHEN 'auto_assign.summary' THEN {total_ms} END AS total_ms,
        context -> 'flags' AS flags
    FROM {table} AS event
    WHERE
        source = 'auto_assign' AND event_type = ANY (%(events)s) AND event_type <> 'auto_assign.quote'
        AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
),
job AS (
    SELECT
        run, max(booking) AS booking, max(restaurant) AS restaurant, max(created_at) AS told_at,
        min(created_at) FILTER (WHERE event_type = 'auto_assign.started') AS began,
        max(created_at) FILTER (WHERE event_type = 'auto_assign.summary' AND result <> 'abandoned') AS ended,
        -- the real one before an abandoned twin
        coalesce(
            max(result) FILTER (WHERE result = ANY (%(results)s) AND result <> 'abandoned'),
            max(result) FILTER (WHERE result = 'abandoned')
        ) AS outcome,
        max(total_ms) FILTER (WHERE result <> 'abandoned' AND total_ms >= 0) AS total_ms,
        count(*) FILTER (WHERE event_type = 'auto_assign.attempt') AS attempts,
        (array_agg(flags) FILTER (WHERE event_type = 'auto_assign.started'))[1] AS flags,
        min(flags::text) IS DISTINCT FROM max(flags::text) AS mixed,
        count(*) FILTER (WHERE run = '' AND event_type = 'auto_assign.started' AND created_at < %(last)s) AS nameless
    FROM found
    GROUP BY run
)
SELECT
    run, booking, restaurant,
    (extract(epoch FROM began) * 1000)::double precision AS began_ms,
    (began AT TIME ZONE %(zone)s)::date - date '0001-01-01' + 1 AS day,
    CASE
        WHEN outcome IS DISTINCT FROM 'abandoned' AND ended IS NOT NULL
            THEN coalesce(total_ms, greatest(0, (extract(epoch FROM ended - began) * 1000)::double precision))
    END AS ms,
    (extract(epoch FROM told_at) * 1000)::double precision AS told_ms,
    coalesce(outcome, '') AS outcome,
    attempts,
    NULL::double precision AS limit_ms,
    CASE flags -> 'retry_policy_v2' WHEN 'true' THEN true WHEN 'false' THEN false END AS policy,
    CASE flags -> 'planner_cache' WHEN 'true' THEN true WHEN 'false' THEN false END AS cache,
    coalesce(flags ->> 'source' = 'default', false) AS by_default,
    mixed, nameless
FROM job
WHERE nameless > 0 OR (run <> '' AND began >= %(first)s AND began < %(last)s)
