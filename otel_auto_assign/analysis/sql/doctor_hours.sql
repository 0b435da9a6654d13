-- How many rows came in each hour: in how many hours more than is known to be safe, and how many at most?
WITH hour AS (
    SELECT date_trunc('hour', created_at) AS at, count(*) AS rows
    FROM {table} AS event
    WHERE event_type = ANY (%(events)s) AND {rows}
    GROUP BY date_trunc('hour', created_at)
)
SELECT
    count(*) AS hours, count(*) FILTER (WHERE rows > %(safe)s) AS above, coalesce(max(rows), 0) AS most,
    (array_agg(at ORDER BY rows DESC))[1] AS at
FROM hour
