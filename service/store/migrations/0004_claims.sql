-- A claim is one row for a batch: the rows of its comments, and all their indexes, are written once, with the verdict.
-- The release before this one goes on claiming row by row. It does not see these claims, nor does it have to: of two that
-- judge one comment, the second changes nothing.

SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '30s';

-- Which comments are being judged. Once `until` has passed, whoever held them is dead or frozen.
CREATE TABLE comity.claim (
    lease uuid PRIMARY KEY,
    process text NOT NULL,
    comments uuid[] NOT NULL,
    until timestamptz NOT NULL
);
ALTER TABLE comity.claim ALTER COLUMN comments SET STORAGE EXTERNAL;  -- random bits, which nothing compresses

-- Claim comments that are due, oldest first, and return them. p_which: 'new' ones that nobody tried yet, one 'tried'
-- before, or one 'marked' by its lease as given back, which is found behind any number of new ones. p_bytes: a batch
-- takes no further comment once its bodies are that long.
--
-- Claims that ran out are ended first: each of their comments was tried once more, and is due again.
--
-- One claims at a time, for some milliseconds: what another one holds is seen only once that is committed. Nobody waits
-- for the disk: a claim that a crash of the database undoes was only a claim.
CREATE FUNCTION comity.claim_due(
    p_process text, p_lease uuid, p_which text, p_limit integer, p_bytes integer, p_lasts interval
) RETURNS SETOF comity.comment LANGUAGE plpgsql SET search_path = pg_catalog, comity AS $$
DECLARE
    taken uuid[];
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(4, 1);

    WITH dead AS (
        DELETE FROM comity.claim WHERE lease IN (
            SELECT e.lease FROM comity.claim e WHERE e.until < clock_timestamp() FOR UPDATE SKIP LOCKED
        ) RETURNING comments
    ), undecided AS MATERIALIZED (
        SELECT c.id FROM comity.comment c
        WHERE c.id = ANY(ARRAY(SELECT unnest(d.comments) FROM dead d)) AND c.due_at IS NOT NULL
        ORDER BY c.id FOR NO KEY UPDATE SKIP LOCKED  -- what is locked is being decided right now
    )
    UPDATE comity.comment c SET attempts = c.attempts + 1, lease = '00000000-0000-0000-0000-000000000000', due_at = now()
    FROM undecided u WHERE c.id = u.id;

    IF p_which = 'new' THEN
        SELECT array_agg(f.id) INTO taken FROM (
            SELECT p.id, sum(p.size) OVER (ORDER BY p.due_at, p.id) - p.size AS before FROM (
                SELECT c.id, c.due_at, octet_length(c.body) AS size FROM comity.comment c
                WHERE c.due_at <= now() AND c.attempts = 0
                  AND c.id NOT IN (SELECT unnest(h.comments) FROM comity.claim h)
                ORDER BY c.due_at LIMIT p_limit
            ) AS p
        ) AS f WHERE f.before < p_bytes;
    ELSIF p_which = 'tried' THEN
        taken := ARRAY(
            SELECT c.id FROM comity.comment c
            WHERE c.due_at <= now() AND c.attempts > 0
              AND c.id NOT IN (SELECT unnest(h.comments) FROM comity.claim h)
            ORDER BY c.due_at LIMIT 1
        );
    ELSE
        taken := ARRAY(
            SELECT c.id FROM comity.comment c
            WHERE c.id = ANY(ARRAY(SELECT m.id FROM comity.comment m WHERE m.lease IS NOT NULL))
              AND c.due_at <= now() AND c.attempts > 0
              AND c.id NOT IN (SELECT unnest(h.comments) FROM comity.claim h)
            ORDER BY c.due_at LIMIT 1
        );
    END IF;
    IF coalesce(cardinality(taken), 0) = 0 THEN
        RETURN;
    END IF;

    INSERT INTO comity.claim (lease, process, comments, until)
    VALUES (p_lease, p_process, taken, clock_timestamp() + p_lasts);
    INSERT INTO comity.pulse AS p (process, claimed_at) VALUES (p_process, now())
    ON CONFLICT (process) DO UPDATE SET claimed_at = now();
    RETURN QUERY SELECT c.* FROM comity.comment c WHERE c.id = ANY(taken);
END $$;

REVOKE ALL ON FUNCTION comity.claim_due FROM public;
GRANT EXECUTE ON FUNCTION comity.claim_due TO comity_worker, comity_relay;
GRANT SELECT ON comity.claim TO comity_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON comity.claim TO comity_worker, comity_relay;
