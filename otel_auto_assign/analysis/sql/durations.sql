-- How long do planner calls, quotes of inline runs and successful jobs take, and how many calls did the cache answer?
--
-- planner_*  all: every auto_assign.quote row with a duration (planner_duration_ms, else durationMs), in any flow, cache
--            hits included, as today (cache_hit absent counts as false); cache_hits=excluded: the calls that the planner
--            itself answered
-- inline_*   all: every inline_auto_assign.quote_result row with a duration, as today; late=excluded: those that came
--            before their run had ended, so that what went on behind a time-out is left out
-- job_*      all: every auto_assign.succeeded row with a duration
--
-- Beside the figures, `rows` and `unreadable` by event type: all rows of the type, and those whose duration is missing
-- or no number, or whose cache_hit or late is no boolean.
WITH found AS (
    SELECT
        CASE event_type WHEN 'auto_assign.quote' THEN 1 WHEN 'auto_assign.succeeded' THEN 2 ELSE 3 END AS kind,
        CASE event_type WHEN 'auto_assign.quote' THEN coalesce({planner_ms}, {ms}) ELSE {ms} END AS ms,
        -- 1: from the cache, or late; 2: nobody knows
        CASE
            coalesce(
                CASE event_type
                    WHEN 'auto_assign.quote' THEN context -> 'cache_hit'
                    WHEN 'inline_auto_assign.quote_result' THEN context -> 'late'
                END::text,
                'null'
            )
            WHEN 'false' THEN 0 WHEN 'true' THEN 1 WHEN 'null' THEN 0 ELSE 2
        END AS apart
        {columns}
    FROM {table} AS event
    WHERE
        event_type IN ('auto_assign.quote', 'inline_auto_assign.quote_result', 'auto_assign.succeeded')
        AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once, and by the processes that read the table
),
sorted AS (
    SELECT
        CASE WHEN kind = 1 THEN ms END AS call,
        CASE WHEN kind = 1 AND apart <> 1 THEN ms END AS own,
        CASE WHEN kind = 2 THEN ms END AS job,
        CASE WHEN kind = 3 THEN ms END AS result,
        CASE WHEN kind = 3 AND apart <> 1 THEN ms END AS timely,
        kind,
        ms IS NULL OR apart = 2 AS odd
        {names}
    FROM found
    OFFSET 0
),
figure AS (
    SELECT
        {split} AS split,
        -- sum/count, for avg() keeps a variance as well
        count(call) AS calls, sum(call) / nullif(count(call), 0) AS call_mean, max(call) AS call_max,
        percentile_cont(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY call) AS call_p,
        count(own) AS owns, sum(own) / nullif(count(own), 0) AS own_mean, max(own) AS own_max,
        percentile_cont(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY own) FILTER (WHERE own IS NOT NULL) AS own_p,
        count(result) AS results, sum(result) / nullif(count(result), 0) AS result_mean,
        percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY result) FILTER (WHERE kind = 3) AS result_p,
        count(timely) AS timelies, sum(timely) / nullif(count(timely), 0) AS timely_mean,
        percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY timely) FILTER (WHERE kind = 3) AS timely_p,
        count(job) AS jobs, sum(job) / nullif(count(job), 0) AS job_mean, max(job) AS job_max,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY job) FILTER (WHERE kind = 2) AS job_p,
        count(*) FILTER (WHERE kind = 1) AS call_rows,
        count(*) FILTER (WHERE odd AND kind = 1) AS call_odd,
        count(*) FILTER (WHERE odd AND kind = 2) AS job_odd,
        count(*) FILTER (WHERE odd AND kind = 3) AS result_odd
    FROM sorted
    GROUP BY {grouping}
)
SELECT metric, dimension, round(value::numeric, 2) AS value, unit, n AS sample_size, source, split
FROM figure
CROSS JOIN LATERAL (
    VALUES
        ('planner_duration_p50_ms', 'all', call_p[1], 'ms', calls, 'auto_assign.quote'),
        ('planner_duration_p90_ms', 'all', call_p[2], 'ms', calls, 'auto_assign.quote'),
        ('planner_duration_p95_ms', 'all', call_p[3], 'ms', calls, 'auto_assign.quote'),
        ('planner_duration_p99_ms', 'all', call_p[4], 'ms', calls, 'auto_assign.quote'),
        ('planner_duration_avg_ms', 'all', call_mean, 'ms', calls, 'auto_assign.quote'),
        ('planner_duration_max_ms', 'all', call_max, 'ms', calls, 'auto_assign.quote'),
        ('planner_duration_p50_ms', 'cache_hits=excluded', own_p[1], 'ms', owns, 'auto_assign.quote'),
        ('planner_duration_p90_ms', 'cache_hits=excluded', own_p[2], 'ms', owns, 'auto_assign.quote'),
        ('planner_duration_p95_ms', 'cache_hits=excluded', own_p[3], 'ms', owns, 'auto_assign.quote'),
        ('planner_duration_p99_ms', 'cache_hits=excluded', own_p[4], 'ms', owns, 'auto_assign.quote'),
        ('planner_duration_avg_ms', 'cache_hits=excluded', own_mean, 'ms', owns, 'auto_assign.quote'),
        ('planner_duration_max_ms', 'cache_hits=excluded', own_max, 'ms', owns, 'auto_assign.quote'),
        ('planner_cache_hit_pct', 'all', 100.0 * (calls - owns) / nullif(calls, 0), 'pct', calls, 'auto_assign.quote'),
        ('inline_duration_p50_ms', 'all', result_p[1], 'ms', results, 'inline_auto_assign.quote_result'),
        ('inline_duration_p90_ms', 'all', result_p[2], 'ms', results, 'inline_auto_assign.quote_result'),
        ('inline_duration_p95_ms', 'all', result_p[3], 'ms', results, 'inline_auto_assign.quote_result'),
        ('inline_duration_avg_ms', 'all', result_mean, 'ms', results, 'inline_auto_assign.quote_result'),
        ('inline_duration_p50_ms', 'late=excluded', timely_p[1], 'ms', timelies, 'inline_auto_assign.quote_result'),
        ('inline_duration_p90_ms', 'late=excluded', timely_p[2], 'ms', timelies, 'inline_auto_assign.quote_result'),
        ('inline_duration_p95_ms', 'late=excluded', timely_p[3], 'ms', timelies, 'inline_auto_assign.quote_result'),
        ('inline_duration_avg_ms', 'late=excluded', timely_mean, 'ms', timelies, 'inline_auto_assign.quote_result'),
        ('job_success_duration_p50_ms', 'all', job_p[1], 'ms', jobs, 'auto_assign.succeeded'),
        ('job_success_duration_p95_ms', 'all', job_p[2], 'ms', jobs, 'auto_assign.succeeded'),
        ('job_success_duration_avg_ms', 'all', job_mean, 'ms', jobs, 'auto_assign.succeeded'),
        ('job_success_duration_max_ms', 'all', job_max, 'ms', jobs, 'auto_assign.succeeded'),
        ('rows', 'all', call_rows, 'count', call_rows, 'auto_assign.quote'),
        ('unreadable', 'all', call_odd, 'count', call_rows, 'auto_assign.quote'),
        ('unreadable', 'all', result_odd, 'count', result_odd, 'inline_auto_assign.quote_result'),
        ('unreadable', 'all', job_odd, 'count', job_odd, 'auto_assign.succeeded')
) AS shown (metric, dimension, value, unit, n, source)
