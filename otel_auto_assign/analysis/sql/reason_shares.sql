-- Why do attempts end as they do?
--
-- dimension = the reason code: its share of all auto_assign.attempt rows, success among them; a row without a code
-- counts as unknown. No attempts, no codes, no figures.
SELECT
    'reason_share_pct' AS metric,
    coalesce(context ->> 'reasonCode', 'unknown') AS dimension,
    round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS value,
    'pct' AS unit,
    (sum(count(*)) OVER ())::bigint AS sample_size,
    'auto_assign.attempt' AS source
FROM {table}
WHERE event_type = 'auto_assign.attempt' AND created_at >= %(start)s AND created_at < %(end)s
GROUP BY coalesce(context ->> 'reasonCode', 'unknown')
