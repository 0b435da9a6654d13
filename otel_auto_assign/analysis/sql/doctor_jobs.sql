-- Which jobs that began in the window contradict themselves?
--
-- A row for each check: how many jobs could be judged, how many are not as they should be, and the ids (job_id) of at most twenty.
-- A job is all rows of the job flow with its job_id; it begins with its first row. It is judged as a whole, so rows are
-- read from some time before the window to some time after it (parameters start and end; first and last are the
-- window's). A job whose last row is younger than `silent` may still run. Late rows stand outside the counts, but for
-- planner calls: a call that came late is a call all the same.
WITH found AS (
    SELECT
        context ->> 'job_id' AS job, created_at, event_type,
        coalesce(context ->> 'late' = 'true', false) AS late,
        context ->> 'result' AS result,
        CASE event_type
            WHEN 'auto_assign.summary' THEN {attempts_used}
            WHEN 'auto_assign.attempt' THEN {planner_calls}
            WHEN 'auto_assign.attempt_error' THEN {planner_calls}
        END AS told,
        CASE event_type WHEN 'auto_assign.summary' THEN {total_ms} END AS total_ms,
        coalesce(context ->> 'cache_hit' = 'true', false) AS cache_hit,
        jsonb_hash_extended(context -> 'flags', 0) AS flags  -- quicker to compare than its text
    FROM {table} AS event
    WHERE
        source = 'auto_assign' AND event_type = ANY (%(events)s) AND context ->> 'job_id' <> ''
        AND coalesce(context ->> 'flow', 'job') <> 'direct' AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
),
job AS (
    SELECT
        job, min(created_at) AS begun, max(created_at) AS ended,
        min(created_at) FILTER (WHERE event_type = 'auto_assign.started') AS started_at,
        max(created_at) FILTER (WHERE event_type = 'auto_assign.summary') AS summed_at,
        count(*) FILTER (WHERE event_type = 'auto_assign.started') AS started,
        count(*) FILTER (WHERE event_type = 'auto_assign.summary') AS summaries,
        count(*) FILTER (WHERE event_type = 'auto_assign.summary' AND result = 'abandoned') AS abandoned,
        max(result) FILTER (WHERE event_type = 'auto_assign.summary') AS result,
        max(told) FILTER (WHERE event_type = 'auto_assign.summary') AS used,
        max(total_ms) AS total_ms,
        count(*) FILTER (WHERE NOT late AND event_type IN ('auto_assign.attempt', 'auto_assign.attempt_error')) AS attempts,
        count(told) FILTER (WHERE event_type IN ('auto_assign.attempt', 'auto_assign.attempt_error')) AS counting,
        sum(told) FILTER (WHERE event_type IN ('auto_assign.attempt', 'auto_assign.attempt_error')) AS calls,
        count(*) FILTER (WHERE event_type = 'auto_assign.quote') AS quotes,
        count(*) FILTER (WHERE NOT late AND event_type = 'auto_assign.quote' AND cache_hit) AS hits,
        count(*) FILTER (WHERE NOT late AND event_type = 'auto_assign.planner_cache_hit') AS hit_rows,
        count(*) FILTER (WHERE event_type = 'auto_assign.succeeded') AS succeeded,
        count(*) FILTER (WHERE event_type = 'auto_assign.failed') AS failed,
        count(*) FILTER (WHERE event_type = 'auto_assign.cutoff_skipped') AS cut_off,
        count(*) FILTER (WHERE event_type = 'auto_assign.exited_already_confirmed') AS outrun,
        min(flags) IS DISTINCT FROM max(flags) AS mixed
    FROM found
    GROUP BY job
    HAVING min(created_at) >= %(first)s AND min(created_at) < %(last)s
),
judged AS (
    SELECT job, name, wrong
    FROM job
    CROSS JOIN LATERAL (
        VALUES
            ('no_summary', summaries = 0, summaries > 0 OR ended < %(silent)s),
            ('twins', abandoned > 0 AND (summaries > 1 OR started > 1), true),
            ('many_summaries', summaries > 1 AND abandoned = 0, true),
            ('no_start', started = 0, true),
            ('attempts', used <> attempts, summaries = 1 AND used IS NOT NULL),
            ('planner_calls', calls > quotes, counting = attempts AND attempts > 0),
            ('cache_hits', hits <> hit_rows, hits + hit_rows > 0),
            (
                'results',
                (succeeded, failed, cut_off, outrun) IS DISTINCT FROM (
                    (result = 'succeeded')::integer, (result = 'exhausted')::integer,
                    (result = 'cutoff')::integer, (result = 'already_confirmed')::integer
                ),
                summaries = 1 AND result IS NOT NULL
            ),
            ('mixed_flags', mixed, true),
            ('long_jobs', total_ms > %(limit_ms)s, total_ms IS NOT NULL),
            (
                'job_clock',
                summed_at < started_at
                OR abs(extract(epoch FROM summed_at - started_at) * 1000 - total_ms) > %(drift_ms)s,
                started = 1 AND summaries = 1 AND abandoned = 0
            )
    ) AS checked (name, wrong, known)
    WHERE known
)
SELECT
    name AS check, examined, violations,
    ARRAY(SELECT one FROM unnest(wrong_ones) AS one ORDER BY one LIMIT 20) AS examples
FROM (
    -- not sorted here, where the right ones would be sorted, too
    SELECT
        name, count(*) AS examined, count(*) FILTER (WHERE wrong) AS violations,
        array_agg(job) FILTER (WHERE wrong) AS wrong_ones
    FROM judged
    GROUP BY name
) AS counted
