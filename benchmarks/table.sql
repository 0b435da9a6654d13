-- The table of the data contract's §1 with its parents, indexes and foreign keys, and the bookings that the rows are of.
CREATE TABLE restaurants (id uuid PRIMARY KEY);
CREATE TABLE bookings (id uuid PRIMARY KEY);
CREATE TABLE observability_events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    source text NOT NULL,
    event_type text NOT NULL,
    severity text NOT NULL DEFAULT 'info' CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    context jsonb,
    restaurant_id uuid REFERENCES restaurants (id) ON DELETE SET NULL,
    booking_id uuid REFERENCES bookings (id) ON DELETE SET NULL
);
CREATE INDEX ON observability_events (created_at DESC);
CREATE INDEX ON observability_events (source);
CREATE INDEX ON observability_events (booking_id);
INSERT INTO restaurants VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO bookings SELECT ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid FROM generate_series(0, 999) AS n;
