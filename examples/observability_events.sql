-- The host's table, as the data contract has it; its foreign keys are made where the application's own tables are.
CREATE TABLE observability_events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    source text NOT NULL,
    event_type text NOT NULL,
    severity text NOT NULL DEFAULT 'info' CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    context jsonb,
    restaurant_id uuid,
    booking_id uuid
);
CREATE INDEX ON observability_events (created_at DESC);
CREATE INDEX ON observability_events (source);
CREATE INDEX ON observability_events (booking_id);
