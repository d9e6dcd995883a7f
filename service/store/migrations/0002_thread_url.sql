-- A thread that began with its key alone gains its URL from the first comment that brings both, as one that began with
-- its URL gains its key; one without a title gains it from the first comment that brings one. Equal comments without a
-- key of their own wait for each other, so that one of them is taken.
-- Same parameters as before: the release before this one may go on calling it.

SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '30s';

-- One comment, whole or not at all. outcome: 'accepted', 'replayed' (comment_id is the first one's), 'key_reused',
-- 'thread_closed', 'parent_unknown', 'parent_elsewhere', 'parent_not_published', 'too_deep', 'duplicate'.
CREATE OR REPLACE FUNCTION comity.submit(
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
    IF refused IS NULL AND p_key IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(
            concat_ws(' ', p_site, at_thread.thread_id, encode(p_author, 'hex'), encode(p_digest, 'hex')), 0));
        IF contacts.posted(p_site, at_thread.thread_id, p_author, p_digest, now() - p_duplicate_window) THEN
            refused := 'duplicate';
        END IF;
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
    IF p_thread_key IS NOT NULL AND p_thread_url IS NOT NULL THEN
        BEGIN
            UPDATE comity.thread t SET url = p_thread_url, version = version + 1, changed_at = now()
            WHERE t.id = at_thread.thread_id AND t.url IS NULL
              AND NOT EXISTS (SELECT FROM comity.thread o WHERE o.site_id = p_site AND o.url = p_thread_url);
        EXCEPTION WHEN unique_violation THEN
            NULL;  -- another thread was given this URL in this moment, and keeps it
        END;
    END IF;
    IF p_thread_title IS NOT NULL THEN
        UPDATE comity.thread t SET title = p_thread_title, version = version + 1, changed_at = now()
        WHERE t.id = at_thread.thread_id AND t.title IS NULL;
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
