-- What did attempts, jobs and inline runs come to, and how often?
--
-- reason_share_pct      dimension = the reason code: its share of all auto_assign.attempt rows, success among them; a row
--                       without a code counts as unknown. No attempts, no codes, no figures.
-- job_*_count           rows of the event type. The sample is the jobs that started in the window (at least those
--                       counted: a job may have started before it), so that none out of many is a 0, none out of
--                       nothing empty.
-- job_*_rate_pct        all: succeeded and failed rows over started rows, today's definition. outcome=decided: over the
--                       summaries of jobs that came to a decision (not skipped, not cancelled). exhausted, cutoff, error
--                       and abandoned are failures; already_confirmed is neither: somebody else was faster.
-- inline_success_*      all: hasHold among quote_result rows, late ones included, today's definition, by which every
--                       quote can have succeeded although every run has timed out; late=excluded: among those that came
--                       before their run had ended; outcome=decided: succeeded among the terminals that are not late,
--                       one a run
-- inline_timeout_pct    timeout among timeout and succeeded events
-- inline_*_event_count  The sample is every run that ended (terminals that are not late).
--
-- Beside the figures, `rows` and `unreadable` by event type: all rows of the type (other tools' in one; quotes are counted
-- in durations.sql), and those whose result, reason code, hasHold or late cannot be read.
WITH found AS (
    SELECT
        event_type,
        CASE event_type
            WHEN 'auto_assign.attempt' THEN context ->> 'reasonCode'
            WHEN 'auto_assign.summary' THEN context ->> 'result'
            WHEN 'inline_auto_assign.quote_result'
                THEN concat(nullif(context -> 'hasHold', 'null'), ' ', nullif(context -> 'late', 'null'))
            ELSE CASE WHEN event_type LIKE 'inline%%' THEN concat(' ', nullif(context -> 'late', 'null')) END
        END AS said
        {columns}
    FROM {table} AS event
    WHERE event_type <> 'auto_assign.quote' AND {rows}
    OFFSET 0  -- a fence: beyond it the server does not expect as many combinations as rows, and need not sort them
),
tally AS MATERIALIZED (
    SELECT event_type, said, {split} AS split, count(*) AS n
    FROM found
    GROUP BY event_type, said {and_grouping}
),
kind AS MATERIALIZED (
    SELECT
        CASE WHEN event_type = ANY (%(events)s) THEN event_type ELSE 'other tools' END AS event_type,
        CASE WHEN event_type LIKE 'inline%%' THEN split_part(said, ' ', 1) ELSE said END AS said,
        CASE WHEN event_type LIKE 'inline%%' THEN nullif(split_part(said, ' ', 2), '') END AS late_said,
        split, n
    FROM tally
    UNION ALL
    SELECT '', NULL, NULL, '', 0  -- so that a window without rows has its figures, empty
),
counts AS (
    SELECT
        split,
        coalesce(sum(n) FILTER (WHERE event_type = 'auto_assign.started'), 0)::bigint AS started,
        coalesce(sum(n) FILTER (WHERE event_type = 'auto_assign.succeeded'), 0)::bigint AS succeeded,
        coalesce(sum(n) FILTER (WHERE event_type = 'auto_assign.failed'), 0)::bigint AS failed,
        coalesce(sum(n) FILTER (WHERE event_type = 'auto_assign.hard_stop'), 0)::bigint AS stopped,
        coalesce(sum(n) FILTER (WHERE event_type = 'auto_assign.summary' AND said = 'succeeded'), 0)::bigint AS won,
        coalesce(sum(n) FILTER (
            WHERE event_type = 'auto_assign.summary' AND said IN ('exhausted', 'cutoff', 'error', 'abandoned')
        ), 0)::bigint AS lost,
        coalesce(sum(n) FILTER (
            WHERE event_type = 'auto_assign.summary' AND said = 'already_confirmed'
        ), 0)::bigint AS outrun,
        coalesce(sum(n) FILTER (WHERE result), 0)::bigint AS results,
        coalesce(sum(n) FILTER (WHERE result AND said = 'true'), 0)::bigint AS holds,
        coalesce(sum(n) FILTER (WHERE result AND NOT late), 0)::bigint AS timely,
        coalesce(sum(n) FILTER (WHERE result AND NOT late AND said = 'true'), 0)::bigint AS timely_holds,
        coalesce(sum(n) FILTER (WHERE NOT late AND event_type = ANY (%(terminals)s)), 0)::bigint AS ended,
        coalesce(sum(n) FILTER (WHERE NOT late AND event_type = 'inline_auto_assign.succeeded'), 0)::bigint AS seated,
        coalesce(sum(n) FILTER (WHERE NOT late AND event_type = 'inline_auto_assign.timeout'), 0)::bigint AS timed_out
    FROM kind
    CROSS JOIN LATERAL (
        SELECT
            event_type = 'inline_auto_assign.quote_result' AS result,
            coalesce(late_said = 'true', false) AS late
    ) AS is_a
    GROUP BY split
)
SELECT
    'reason_share_pct' AS metric, coalesce(said, 'unknown') AS dimension,
    round(100.0 * sum(n) / sum(sum(n)) OVER (PARTITION BY split), 2) AS value, 'pct' AS unit,
    (sum(sum(n)) OVER (PARTITION BY split))::bigint AS sample_size, 'auto_assign.attempt' AS source, split
FROM kind
WHERE event_type = 'auto_assign.attempt'
GROUP BY split, coalesce(said, 'unknown')
UNION ALL
SELECT
    metric, 'all' AS dimension, CASE WHEN greatest(n, of_all) > 0 THEN n::numeric END AS value, 'count' AS unit,
    greatest(n, of_all) AS sample_size, source, split
FROM counts
CROSS JOIN LATERAL (
    VALUES
        ('job_started_count', started, started, 'auto_assign.started'),
        ('job_succeeded_count', succeeded, started, 'auto_assign.succeeded'),
        ('job_failed_count', failed, started, 'auto_assign.failed'),
        ('job_hard_stop_count', stopped, started, 'auto_assign.hard_stop'),
        ('inline_success_event_count', seated, ended, 'inline_auto_assign.succeeded'),
        ('inline_timeout_event_count', timed_out, ended, 'inline_auto_assign.timeout')
) AS shown (metric, n, of_all, source)
UNION ALL
SELECT metric, dimension, round(100.0 * n / nullif(of_all, 0), 2), 'pct', of_all, source, split
FROM counts
CROSS JOIN LATERAL (
    VALUES
        ('job_success_rate_pct', 'all', succeeded, started, 'auto_assign.succeeded/auto_assign.started'),
        ('job_failure_rate_pct', 'all', failed, started, 'auto_assign.failed/auto_assign.started'),
        ('job_success_rate_pct', 'outcome=decided', won, won + lost + outrun, 'auto_assign.summary'),
        ('job_failure_rate_pct', 'outcome=decided', lost, won + lost + outrun, 'auto_assign.summary'),
        ('inline_success_rate_pct', 'all', holds, results, 'inline_auto_assign.quote_result'),
        ('inline_success_rate_pct', 'late=excluded', timely_holds, timely, 'inline_auto_assign.quote_result'),
        ('inline_success_rate_pct', 'outcome=decided', seated, ended, 'inline_auto_assign.succeeded/inline terminals'),
        (
            'inline_timeout_pct', 'all', timed_out, timed_out + seated,
            'inline_auto_assign.timeout/inline_auto_assign.timeout+inline_auto_assign.succeeded'
        )
) AS shown (metric, dimension, n, of_all, source)
UNION ALL
SELECT metric, 'all', sum(kind.n), 'count', sum(kind.n)::bigint, event_type, split
FROM kind
CROSS JOIN LATERAL (
    VALUES
        ('rows', true),
        (
            'unreadable',
            coalesce(late_said NOT IN ('true', 'false'), false)
            OR CASE event_type
                WHEN 'auto_assign.attempt' THEN said IS NULL
                WHEN 'auto_assign.summary' THEN coalesce(said, '') <> ALL (%(results)s)
                WHEN 'inline_auto_assign.quote_result' THEN coalesce(said, '') NOT IN ('true', 'false')
                ELSE false
            END
        )
) AS counted (metric, counts)
WHERE counts AND event_type <> '' AND split = ''
GROUP BY metric, event_type, split
