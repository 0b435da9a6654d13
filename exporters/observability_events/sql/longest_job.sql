-- How long did the longest job take that came to its end by itself, in milliseconds? Null without any.
--
-- since  rows before it are not looked at; null: all are.
SELECT max(
    CASE jsonb_typeof({context}->'totalDurationMs')
        WHEN 'number' THEN least(({context}->>'totalDurationMs')::numeric, 1e12) -- thirty years, and fits an interval
    END
)::float8
FROM {table}
WHERE
    source = 'auto_assign' AND event_type = 'auto_assign.summary' AND {context}->>'result' <> 'abandoned'
    AND (%(since)s::timestamptz IS NULL OR {created_at} >= %(since)s)
