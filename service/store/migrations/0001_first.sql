-- The first schema. `comity` holds what the service works with, `contacts` what must not leave the house.
-- Roles (comity_web, comity_worker, comity_relay) exist already: service/store/roles.py makes them.
-- Check constraints stand only on columns of ours, never on what a person typed: PostgreSQL quotes the failing row.

CREATE SCHEMA comity;
CREATE SCHEMA contacts;
REVOKE ALL ON SCHEMA contacts FROM public;

-- Sites, their policies and who may do what ------------------------------------------------------------------------

CREATE TABLE comity.site (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    title text NOT NULL,
    origins text[] NOT NULL DEFAULT '{}',
    limits jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE comity.policy (
    site_id uuid NOT NULL REFERENCES comity.site,
    version integer NOT NULL,
    document jsonb NOT NULL,
    created_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site_id, version)
);

CREATE TABLE comity.token (
    id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('secret_key', 'moderator', 'admin')),
    digest bytea NOT NULL,
    name text NOT NULL,
    site_id uuid REFERENCES comity.site,
    scopes text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    CHECK ((kind = 'secret_key') = (site_id IS NOT NULL))
);
CREATE INDEX token_site ON comity.token (site_id) WHERE site_id IS NOT NULL;

-- A moderator's right in a site; site_id NULL: in every site.
CREATE TABLE comity.token_right (
    token_id text NOT NULL REFERENCES comity.token ON DELETE CASCADE,
    site_id uuid REFERENCES comity.site,
    may text NOT NULL CHECK (may IN ('viewer', 'moderator', 'lead')),
    UNIQUE NULLS NOT DISTINCT (token_id, site_id)
);

-- Threads and comments ---------------------------------------------------------------------------------------------

CREATE TABLE comity.thread (
    id uuid PRIMARY KEY,
    site_id uuid NOT NULL REFERENCES comity.site,
    key text,
    url text,
    title text,
    closed_at timestamptz,
    published integer NOT NULL DEFAULT 0,   -- published comments
    version bigint NOT NULL DEFAULT 1,      -- raised by every change a reader can see
    changed_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (key IS NOT NULL OR url IS NOT NULL)
);
CREATE UNIQUE INDEX thread_key ON comity.thread (site_id, key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX thread_url ON comity.thread (site_id, url) WHERE url IS NOT NULL;

CREATE TABLE comity.comment (
    id uuid PRIMARY KEY,
    site_id uuid NOT NULL REFERENCES comity.site,
    thread_id uuid NOT NULL REFERENCES comity.thread,
    parent_id uuid REFERENCES comity.comment,
    root_id uuid NOT NULL,                  -- the first comment of its tree, itself for a first one
    depth smallint NOT NULL DEFAULT 0,
    -- what the author sent
    name text NOT NULL,
    body text NOT NULL,
    website text,
    digest bytea NOT NULL,                  -- equal for equal text
    author_prefix cidr,
    user_agent text,
    referrer text,
    language text,
    submitted_at timestamptz,
    author_verified boolean NOT NULL DEFAULT false,
    notify boolean NOT NULL DEFAULT false,
    -- what readers see while an edit waits for its verdict
    shown_name text,
    shown_body text,
    shown_website text,
    edited boolean NOT NULL DEFAULT false,  -- readers once saw another text
    -- where it stands
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'published', 'flagged', 'rejected', 'withdrawn', 'erased')),
    reason text,
    version integer NOT NULL DEFAULT 1,         -- raised by every change
    content_version integer NOT NULL DEFAULT 1, -- raised by every change of name, body or website
    decisions integer NOT NULL DEFAULT 0,       -- how many decisions there are
    -- what the classifier said of this content
    model text,
    detected text,
    spam real, toxicity real, severe_toxicity real, obscene real, threat real, insult real, identity_attack real,
    -- its place in the queue: due_at is set as long as a verdict is due
    due_at timestamptz DEFAULT now(),
    attempts smallint NOT NULL DEFAULT 0,
    lease uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- later for each comment of a batch
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    published_content integer,              -- the content version last published
    CHECK (state <> 'pending' OR due_at IS NOT NULL)
) WITH (fillfactor = 85);
CREATE INDEX comment_due ON comity.comment (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX comment_lease ON comity.comment (lease) WHERE lease IS NOT NULL;
CREATE INDEX comment_public ON comity.comment (thread_id, created_at, id) WHERE state = 'published';
CREATE INDEX comment_root ON comity.comment (root_id);
CREATE INDEX comment_parent ON comity.comment (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX comment_thread ON comity.comment (thread_id, digest);
CREATE INDEX comment_flagged ON comity.comment (site_id, created_at, id) WHERE state = 'flagged';
CREATE INDEX comment_flagged_reason ON comity.comment (site_id, reason, created_at, id) WHERE state = 'flagged';
CREATE INDEX comment_changed ON comity.comment (site_id, updated_at, id);
CREATE INDEX comment_digest ON comity.comment (site_id, digest, created_at);

-- How many published comments stand in a tree: its first comment stays, as a tombstone, as long as this is not 0.
CREATE TABLE comity.tree (
    root_id uuid PRIMARY KEY,
    thread_id uuid NOT NULL REFERENCES comity.thread,
    created_at timestamptz NOT NULL,
    published integer NOT NULL DEFAULT 0
);
CREATE INDEX tree_thread ON comity.tree (thread_id, created_at, root_id) WHERE published > 0;

-- Every verdict and review, and every change by the author, in the order they happened. Append-only by grants.
CREATE TABLE comity.decision (
    comment_id uuid NOT NULL REFERENCES comity.comment,
    seq integer NOT NULL,
    site_id uuid NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    action text NOT NULL,
    actor text NOT NULL,
    token_id text,                  -- which moderator's token or site's key
    rule text,
    reason text,
    note text,
    saw jsonb NOT NULL DEFAULT '{}',
    scores jsonb,
    model text,
    policy_version integer,
    content_version integer NOT NULL,
    version integer NOT NULL,       -- of the comment, after this decision
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (comment_id, seq)
);
CREATE UNIQUE INDEX decision_once ON comity.decision (comment_id, content_version) WHERE actor = 'policy';
CREATE INDEX decision_site ON comity.decision (site_id, at);

-- What is to be told to the world, written with the decision it tells of.
CREATE TABLE comity.outbox (
    id uuid PRIMARY KEY,
    site_id uuid NOT NULL,
    comment_id uuid NOT NULL,
    seq integer NOT NULL,
    event text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (comment_id, seq)
);
CREATE INDEX outbox_at ON comity.outbox (at);

-- Comments by site, state and reason. Changes are added as rows, so that nobody waits for anybody; a job sums them up.
CREATE TABLE comity.counter (
    site_id uuid NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,           -- '' for none
    n bigint NOT NULL,
    PRIMARY KEY (site_id, state, reason)
);
CREATE TABLE comity.counter_change (
    site_id uuid NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    n integer NOT NULL
);
CREATE INDEX counter_change_site ON comity.counter_change (site_id, state);

-- Requests that were answered, by the key their sender chose; neither body nor answer is kept.
CREATE TABLE comity.idempotency (
    site_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    outcomes text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site_id, route, key)
);
CREATE INDEX idempotency_created ON comity.idempotency (created_at);

-- Work that needs a clock; whoever holds the lease does it.
CREATE TABLE comity.job (
    name text PRIMARY KEY,
    every interval NOT NULL,
    next_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz,
    done_at timestamptz
);
INSERT INTO comity.job (name, every) VALUES ('sum_counters', '2 seconds'), ('retention', '1 hour');

-- Who claimed work when: how the relays notice that nobody does.
CREATE TABLE comity.pulse (
    process text PRIMARY KEY,
    claimed_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Contacts ---------------------------------------------------------------------------------------------------------

CREATE TABLE contacts.contact (
    comment_id uuid PRIMARY KEY,
    site_id uuid NOT NULL,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    author_index bytea NOT NULL,
    domain_index bytea NOT NULL,
    domain_class text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX contact_author ON contacts.contact (site_id, author_index, created_at);

-- Hits of rate limits by window. Unlogged: a crash forgets them, and a limit may forget.
CREATE UNLOGGED TABLE contacts.hit (
    key bytea NOT NULL,
    window_start timestamptz NOT NULL,
    n integer NOT NULL,
    PRIMARY KEY (key, window_start)
) WITH (fillfactor = 70);
CREATE INDEX hit_window ON contacts.hit (window_start);

-- What the keys in use have to match: keyed digests, from which nothing can be learned.
CREATE TABLE contacts.fingerprint (
    name text PRIMARY KEY,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Whether a key is the one this database began with; the first one asked about is remembered.
CREATE FUNCTION contacts.matches(p_name text, p_value bytea)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO contacts.fingerprint (name, value) VALUES (p_name, p_value) ON CONFLICT DO NOTHING;
    RETURN (SELECT f.value = p_value FROM contacts.fingerprint f WHERE f.name = p_name);
END $$;

-- The only way in.
CREATE FUNCTION contacts.keep(
    p_comment uuid, p_site uuid, p_key_id text, p_sealed bytea, p_author bytea, p_domain bytea, p_class text
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO contacts.contact (comment_id, site_id, key_id, sealed, author_index, domain_index, domain_class)
    VALUES (p_comment, p_site, p_key_id, p_sealed, p_author, p_domain, p_class);
$$;

-- Equality, and nothing else: did this author post this text in this thread since then?
CREATE FUNCTION contacts.posted(p_site uuid, p_thread uuid, p_author bytea, p_digest bytea, p_since timestamptz)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT EXISTS (
        SELECT FROM comity.comment c
        JOIN contacts.contact k ON k.comment_id = c.id
        WHERE c.thread_id = p_thread AND c.digest = p_digest AND c.created_at >= p_since
          AND c.state NOT IN ('withdrawn', 'erased')
          AND k.site_id = p_site AND k.author_index = p_author
    );
$$;

-- How the author of a comment fared on its site: comments by state, without saying who it is.
CREATE FUNCTION contacts.record(p_comment uuid, p_site uuid)
RETURNS TABLE (state text, n bigint, first_at timestamptz, domain_class text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT c.state, count(*), min(c.created_at), max(mine.domain_class)
    FROM contacts.contact mine
    JOIN contacts.contact k ON k.site_id = mine.site_id AND k.author_index = mine.author_index
    JOIN comity.comment c ON c.id = k.comment_id
    WHERE mine.comment_id = p_comment AND mine.site_id = p_site
    GROUP BY c.state;
$$;

-- Adds hits and answers each window's sum. Keys come sorted, so that two callers cannot wait for each other in a ring.
CREATE FUNCTION contacts.add_hits(p_keys bytea[], p_starts timestamptz[], p_hits integer[])
RETURNS TABLE (key bytea, window_start timestamptz, n integer)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO contacts.hit AS h (key, window_start, n)
    SELECT u.key, u.window_start, u.n FROM unnest(p_keys, p_starts, p_hits) AS u (key, window_start, n)
    ORDER BY u.key, u.window_start
    ON CONFLICT (key, window_start) DO UPDATE SET n = h.n + excluded.n
    RETURNING h.key, h.window_start, h.n;
$$;

CREATE FUNCTION contacts.forget_hits(p_before timestamptz)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM contacts.hit WHERE window_start < p_before;
$$;

-- Accepting --------------------------------------------------------------------------------------------------------

-- Takes a request's key: 'new', 'replayed' with the first outcomes, or 'reused' for another body under the same key.
-- A second request with the key waits here until the first has ended (at most lock_timeout).
CREATE FUNCTION comity.take_key(p_site uuid, p_route text, p_key text, p_fingerprint bytea)
RETURNS TABLE (answer text, outcomes text[]) LANGUAGE plpgsql SET search_path = pg_catalog, comity AS $$
DECLARE
    earlier comity.idempotency;
BEGIN
    LOOP
        INSERT INTO comity.idempotency (site_id, route, key, fingerprint)
        VALUES (p_site, p_route, p_key, p_fingerprint) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN QUERY SELECT 'new', NULL::text[];
            RETURN;
        END IF;
        SELECT * INTO earlier FROM comity.idempotency i
        WHERE i.site_id = p_site AND i.route = p_route AND i.key = p_key;
        IF NOT FOUND THEN
            CONTINUE;  -- it was freed in between
        END IF;
        IF earlier.created_at < now() - interval '24 hours' THEN
            DELETE FROM comity.idempotency i
            WHERE i.site_id = p_site AND i.route = p_route AND i.key = p_key AND i.created_at = earlier.created_at;
            CONTINUE;
        END IF;
        RETURN QUERY SELECT CASE WHEN earlier.fingerprint = p_fingerprint THEN 'replayed' ELSE 'reused' END,
                            earlier.outcomes;
        RETURN;
    END LOOP;
END $$;

CREATE FUNCTION comity.settle_key(p_site uuid, p_route text, p_key text, p_outcomes text[])
RETURNS void LANGUAGE sql SET search_path = pg_catalog AS $$
    UPDATE comity.idempotency SET outcomes = p_outcomes WHERE site_id = p_site AND route = p_route AND key = p_key;
$$;

CREATE FUNCTION comity.free_key(p_site uuid, p_route text, p_key text)
RETURNS void LANGUAGE sql SET search_path = pg_catalog AS $$
    DELETE FROM comity.idempotency WHERE site_id = p_site AND route = p_route AND key = p_key;
$$;

-- The thread of a place, made when it is new. The key decides; a thread known by URL alone gains the key with the first
-- comment that is taken, and is locked until then.
CREATE FUNCTION comity.place(p_new uuid, p_site uuid, p_key text, p_url text, p_title text)
RETURNS TABLE (thread_id uuid, closed boolean) LANGUAGE plpgsql SET search_path = pg_catalog, comity AS $$
BEGIN
    FOR attempt IN 1..3 LOOP
        IF p_key IS NOT NULL THEN
            RETURN QUERY SELECT t.id, t.closed_at IS NOT NULL FROM comity.thread t
            WHERE t.site_id = p_site AND t.key = p_key;
            IF FOUND THEN RETURN; END IF;
            RETURN QUERY SELECT t.id, t.closed_at IS NOT NULL FROM comity.thread t
            WHERE t.site_id = p_site AND t.url = p_url AND t.key IS NULL FOR UPDATE;
            IF FOUND THEN RETURN; END IF;
            -- a URL that another key holds already stays there
            INSERT INTO comity.thread (id, site_id, key, url, title)
            SELECT p_new, p_site, p_key,
                   CASE WHEN EXISTS (SELECT FROM comity.thread o WHERE o.site_id = p_site AND o.url = p_url)
                        THEN NULL ELSE p_url END, p_title
            ON CONFLICT DO NOTHING;
        ELSE
            RETURN QUERY SELECT t.id, t.closed_at IS NOT NULL FROM comity.thread t
            WHERE t.site_id = p_site AND t.url = p_url;
            IF FOUND THEN RETURN; END IF;
            INSERT INTO comity.thread (id, site_id, url, title) VALUES (p_new, p_site, p_url, p_title)
            ON CONFLICT DO NOTHING;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'no thread after three attempts' USING ERRCODE = 'serialization_failure';
END $$;

-- One comment, whole or not at all. outcome: 'accepted', 'replayed' (comment_id is the first one's), 'key_reused',
-- 'thread_closed', 'parent_unknown', 'parent_elsewhere', 'parent_not_published', 'too_deep', 'duplicate'.
CREATE FUNCTION comity.submit(
    p_route text, p_key text, p_fingerprint bytea,
    p_id uuid, p_site uuid, p_new_thread uuid, p_thread_key text, p_thread_url text, p_thread_title text,
    p_parent uuid, p_name text, p_body text, p_website text, p_digest bytea, p_prefix text, p_user_agent text,
    p_referrer text, p_language text, p_submitted_at timestamptz, p_verified boolean, p_notify boolean,
    p_key_id text, p_sealed bytea, p_author bytea, p_domain bytea, p_class text, p_duplicate_window interval
) RETURNS TABLE (outcome text, comment_id uuid) LANGUAGE plpgsql SET search_path = pg_catalog, comity AS $$
DECLARE
    taken record;
    at_thread record;
    above comity.comment;
    refused text;
BEGIN
    IF p_key IS NOT NULL THEN
        SELECT * INTO taken FROM comity.take_key(p_site, p_route, p_key, p_fingerprint);
        IF taken.answer = 'replayed' THEN
            RETURN QUERY SELECT 'replayed', taken.outcomes[1]::uuid;
            RETURN;
        ELSIF taken.answer = 'reused' THEN
            RETURN QUERY SELECT 'key_reused', NULL::uuid;
            RETURN;
        END IF;
    END IF;

    SELECT * INTO at_thread FROM comity.place(p_new_thread, p_site, p_thread_key, p_thread_url, p_thread_title);
    IF p_parent IS NOT NULL THEN
        SELECT * INTO above FROM comity.comment c WHERE c.id = p_parent FOR KEY SHARE;
    END IF;
    refused := CASE
        WHEN at_thread.closed THEN 'thread_closed'
        WHEN p_parent IS NULL THEN NULL
        WHEN above.site_id IS DISTINCT FROM p_site THEN 'parent_unknown'
        WHEN above.thread_id <> at_thread.thread_id THEN 'parent_elsewhere'
        WHEN above.state <> 'published' THEN 'parent_not_published'
        WHEN above.depth >= 63 THEN 'too_deep'
    END;
    IF refused IS NULL AND p_key IS NULL
       AND contacts.posted(p_site, at_thread.thread_id, p_author, p_digest, now() - p_duplicate_window) THEN
        refused := 'duplicate';
    END IF;
    IF refused IS NOT NULL THEN
        IF p_key IS NOT NULL THEN
            PERFORM comity.free_key(p_site, p_route, p_key);
        END IF;
        -- a thread is not made for a comment that is not taken
        DELETE FROM comity.thread WHERE id = p_new_thread AND id = at_thread.thread_id;
        RETURN QUERY SELECT refused, NULL::uuid;
        RETURN;
    END IF;

    IF p_thread_key IS NOT NULL AND EXISTS (
        SELECT FROM comity.thread t WHERE t.id = at_thread.thread_id AND t.key IS NULL
    ) THEN
        BEGIN
            UPDATE comity.thread t SET key = p_thread_key, version = version + 1, changed_at = now()
            WHERE t.id = at_thread.thread_id;
        EXCEPTION WHEN unique_violation THEN
            RAISE EXCEPTION 'the key went to another thread' USING ERRCODE = 'serialization_failure';
        END;
    END IF;
    INSERT INTO comity.comment (
        id, site_id, thread_id, parent_id, root_id, depth, name, body, website, digest, author_prefix, user_agent,
        referrer, language, submitted_at, author_verified, notify
    ) VALUES (
        p_id, p_site, at_thread.thread_id, p_parent, coalesce(above.root_id, p_id), coalesce(above.depth + 1, 0),
        p_name, p_body, p_website, p_digest, p_prefix::cidr, p_user_agent, p_referrer, p_language, p_submitted_at,
        p_verified, p_notify
    );
    PERFORM contacts.keep(p_id, p_site, p_key_id, p_sealed, p_author, p_domain, p_class);
    IF p_key IS NOT NULL THEN
        PERFORM comity.settle_key(p_site, p_route, p_key, ARRAY[p_id::text]);
    END IF;
    RETURN QUERY SELECT 'accepted', p_id;
END $$;

-- Rights: each process kind reaches what it needs -------------------------------------------------------------------

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA contacts FROM public;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA comity FROM public;
GRANT USAGE ON SCHEMA comity, contacts TO comity_web;
GRANT USAGE ON SCHEMA comity TO comity_worker;
GRANT USAGE ON SCHEMA comity, contacts TO comity_relay;

GRANT SELECT ON ALL TABLES IN SCHEMA comity TO comity_web, comity_worker, comity_relay;

GRANT INSERT, UPDATE ON comity.site, comity.thread, comity.comment, comity.tree, comity.token TO comity_web;
GRANT INSERT ON comity.policy, comity.decision, comity.outbox, comity.counter_change TO comity_web;
GRANT INSERT, DELETE ON comity.token_right TO comity_web;
GRANT INSERT, UPDATE, DELETE ON comity.idempotency TO comity_web;
GRANT DELETE ON comity.thread TO comity_web;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA comity TO comity_web;
GRANT EXECUTE ON FUNCTION contacts.keep, contacts.posted, contacts.record, contacts.add_hits,
    contacts.matches TO comity_web;

GRANT UPDATE ON comity.thread, comity.comment TO comity_worker, comity_relay;
GRANT INSERT, UPDATE ON comity.tree, comity.pulse TO comity_worker, comity_relay;
GRANT INSERT ON comity.decision, comity.outbox, comity.counter_change TO comity_worker, comity_relay;
GRANT UPDATE ON comity.job TO comity_relay;
GRANT INSERT, UPDATE ON comity.counter TO comity_relay;
GRANT DELETE ON comity.counter_change, comity.idempotency, comity.outbox, comity.pulse TO comity_relay;
GRANT EXECUTE ON FUNCTION contacts.forget_hits TO comity_relay;

REVOKE SELECT ON comity.token, comity.token_right, comity.idempotency FROM comity_worker, comity_relay;
GRANT SELECT (created_at) ON comity.idempotency TO comity_relay;
