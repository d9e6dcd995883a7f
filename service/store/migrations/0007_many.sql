-- Submissions that are there at the same time are stored by one statement and one commit.

SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '30s';

-- The way in for several at once.
CREATE OR REPLACE FUNCTION contacts.keep_many(
    p_comments uuid[], p_sites uuid[], p_key_ids text[], p_sealed bytea[], p_authors bytea[], p_domains bytea[],
    p_classes text[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO contacts.contact (comment_id, site_id, key_id, sealed, author_index, domain_index, domain_class)
    SELECT * FROM unnest(p_comments, p_sites, p_key_ids, p_sealed, p_authors, p_domains, p_classes);
END $$;

-- Several comments, each with a key of its request: those that are stored now. What is left out is untouched, and has
-- to be submitted alone: its thread is new, closed or gains something; the comment it answers cannot be answered; its
-- key was taken before, by another request or by one further up.
--
-- Nobody waits long here, since others would wait with them: who holds a key or a thread for longer than 50 ms makes
-- this fail as a whole. Keys are taken in order, so that two of these do not wait for each other. The plan goes by
-- indexes from the start: it is kept, and made when the tables may still be small.
CREATE OR REPLACE FUNCTION comity.submit_many(p_rows json)
RETURNS SETOF uuid LANGUAGE plpgsql SET search_path = pg_catalog, comity
SET lock_timeout = '50ms' SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
    WITH plain AS MATERIALIZED (
        SELECT i.*, p.thread_id, above.root_id, above.depth
        FROM json_to_recordset(p_rows) AS i (
            n integer, route text, key text, fingerprint bytea, id uuid, site uuid, thread_key text, thread_url text,
            thread_title text, parent uuid, name text, body text, website text, digest bytea, prefix cidr,
            user_agent text, referrer text, language text, submitted_at timestamptz, verified boolean, notify boolean,
            key_id text, sealed bytea, author bytea, domain bytea, class text
        )
        CROSS JOIN LATERAL (
            SELECT t.id AS thread_id FROM comity.thread t
            WHERE t.site_id = i.site AND t.key = i.thread_key AND t.closed_at IS NULL
              AND (i.thread_url IS NULL OR t.url IS NOT NULL) AND (i.thread_title IS NULL OR t.title IS NOT NULL)
            UNION ALL
            SELECT t.id FROM comity.thread t
            WHERE i.thread_key IS NULL AND t.site_id = i.site AND t.url = i.thread_url AND t.closed_at IS NULL
              AND (i.thread_title IS NULL OR t.title IS NOT NULL)
            LIMIT 1
        ) AS p
        LEFT JOIN LATERAL (
            SELECT a.site_id, a.thread_id, a.state, a.root_id, a.depth FROM comity.comment a
            WHERE a.id = i.parent LIMIT 1
        ) AS above ON true
        WHERE i.key IS NOT NULL AND (i.parent IS NULL OR (
            above.site_id = i.site AND above.thread_id = p.thread_id AND above.state = 'published' AND above.depth < 63
        ))
    ), keyed AS (
        INSERT INTO comity.idempotency (site_id, route, key, fingerprint, outcomes)
        SELECT i.site, i.route, i.key, i.fingerprint, ARRAY[i.id::text] FROM plain i
        ORDER BY i.site, i.route, i.key, i.n
        ON CONFLICT DO NOTHING
        RETURNING outcomes[1]::uuid AS id
    ), taken AS MATERIALIZED (
        SELECT i.* FROM plain i JOIN keyed USING (id) ORDER BY i.n
    ), stored AS (
        INSERT INTO comity.comment (
            id, site_id, thread_id, parent_id, root_id, depth, name, body, website, digest, author_prefix, user_agent,
            referrer, language, submitted_at, author_verified, notify
        )
        SELECT i.id, i.site, i.thread_id, i.parent, coalesce(i.root_id, i.id), coalesce(i.depth + 1, 0),
               i.name, i.body, i.website, i.digest, i.prefix, i.user_agent, i.referrer, i.language, i.submitted_at,
               i.verified, i.notify
        FROM taken i
    ), kept AS MATERIALIZED (
        SELECT array_agg(i.id) AS ids, contacts.keep_many(
            array_agg(i.id), array_agg(i.site), array_agg(i.key_id), array_agg(i.sealed), array_agg(i.author),
            array_agg(i.domain), array_agg(i.class)
        ) FROM taken i
    )
    SELECT unnest(k.ids) FROM kept k;
END $$;

REVOKE ALL ON FUNCTION contacts.keep_many, comity.submit_many FROM public;
GRANT EXECUTE ON FUNCTION contacts.keep_many, comity.submit_many TO comity_web;
