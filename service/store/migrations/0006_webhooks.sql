-- Webhooks: endpoints of a site, what each is to be told, and how every attempt to tell it went.

SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '30s';

-- Where a site wants to be told what happens. One that is removed stays until its deliveries are gone.
CREATE TABLE comity.endpoint (
    id uuid PRIMARY KEY,
    site_id uuid NOT NULL REFERENCES comity.site,
    url text NOT NULL,
    description text NOT NULL,
    events text[] NOT NULL,                 -- names of events, and comment.* for all of comments
    scores boolean NOT NULL,                -- whether it is told the classifier's scores
    created_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text CHECK (disabled_reason IN ('asked', 'gone', 'failing')),
    disabled_at timestamptz,
    removed_at timestamptz,
    -- how it fares: nothing is sent before paused_until
    failures bigint NOT NULL DEFAULT 0,    -- in a row
    failing_since timestamptz,              -- nothing but failures since then
    paused_until timestamptz NOT NULL DEFAULT 'epoch',
    CHECK (enabled = (disabled_reason IS NULL) AND enabled = (disabled_at IS NULL))
);
CREATE UNIQUE INDEX endpoint_url ON comity.endpoint (site_id, url) WHERE removed_at IS NULL;

-- What its deliveries are signed with, sealed with a key that is in no database. ends_at: set when another took its place.
CREATE TABLE comity.endpoint_secret (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES comity.endpoint ON DELETE CASCADE,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz
);
CREATE INDEX endpoint_secret_endpoint ON comity.endpoint_secret (endpoint_id, created_at);

-- One event for one endpoint. It says itself what happened, so that it outlives the outbox. No foreign key to the
-- endpoint: each would lock the endpoint's row with every decision.
CREATE TABLE comity.delivery (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,                 -- of the outbox; the same for all endpoints
    event text NOT NULL,
    comment_id uuid,                        -- with seq: which decision is told; neither for endpoint.test
    seq bigint,
    scores boolean NOT NULL,                -- as the endpoint asked when it happened: a retry has the same bytes
    at timestamptz NOT NULL DEFAULT now(),  -- when it happened
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead', 'dropped')),
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts bigint NOT NULL DEFAULT 0,    -- since it was last asked for; counted before each is made
    lease uuid,                             -- of whoever is sending it
    lease_until timestamptz,
    done_at timestamptz,
    UNIQUE (event_id, endpoint_id),
    CHECK ((comment_id IS NULL) = (seq IS NULL)),
    CHECK ((state = 'pending') = (done_at IS NULL) AND (lease IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 85);
CREATE INDEX delivery_due ON comity.delivery (endpoint_id, due_at, id) WHERE state = 'pending';
CREATE INDEX delivery_leased ON comity.delivery (endpoint_id) WHERE lease IS NOT NULL;
CREATE INDEX delivery_comment ON comity.delivery (comment_id) WHERE state = 'pending';
CREATE INDEX delivery_listed ON comity.delivery (endpoint_id, at, id);
CREATE INDEX delivery_done ON comity.delivery (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX delivery_dead ON comity.delivery (endpoint_id) WHERE state = 'dead';

-- Every attempt whose end was seen. status: of the answer; without one, error says why. answer: its first bytes.
CREATE TABLE comity.attempt (
    id uuid PRIMARY KEY,
    delivery_id uuid NOT NULL REFERENCES comity.delivery ON DELETE CASCADE,
    number bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    status bigint,
    took real NOT NULL,                     -- seconds
    error text,
    answer bytea NOT NULL
);
CREATE INDEX attempt_delivery ON comity.attempt (delivery_id, at, id);

-- Rights: whoever decides adds deliveries; relays send them; the web shows them. Workers see no secret.
GRANT SELECT ON comity.endpoint, comity.delivery TO comity_web, comity_worker, comity_relay;
GRANT SELECT ON comity.endpoint_secret, comity.attempt TO comity_web, comity_relay;
GRANT INSERT ON comity.delivery TO comity_web, comity_worker, comity_relay;
GRANT INSERT, UPDATE ON comity.endpoint, comity.endpoint_secret TO comity_web;
GRANT UPDATE ON comity.delivery TO comity_web, comity_relay;
GRANT DELETE ON comity.endpoint_secret TO comity_web, comity_relay;
GRANT UPDATE, DELETE ON comity.endpoint TO comity_relay;
GRANT DELETE ON comity.delivery TO comity_relay;
GRANT INSERT ON comity.attempt TO comity_relay;
