-- Bans, imported lists, sketches of texts for near repeats, and what a verdict may know of an author.

SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '30s';

-- Policies say who wrote them and why ------------------------------------------------------------------------------

ALTER TABLE comity.policy ADD COLUMN note text;

-- Imported lists ---------------------------------------------------------------------------------------------------

CREATE TABLE comity.list (
    site_id uuid NOT NULL REFERENCES comity.site,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('words', 'domains')),
    entries bigint NOT NULL,
    version bigint NOT NULL DEFAULT 1,     -- raised by every import
    content bytea NOT NULL,                 -- tries, as service.domain.matching reads them
    created_by text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site_id, name)
);
ALTER TABLE comity.list ALTER COLUMN content SET STORAGE EXTERNAL;  -- read whole, and dense already

-- Near repeats -----------------------------------------------------------------------------------------------------

-- Of the comment of this id. No foreign key: one more lock for each comment, and a sketch without its comment says nothing.
CREATE TABLE comity.sketch (
    comment_id uuid PRIMARY KEY,
    made bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sketch_created ON comity.sketch USING brin (created_at);

-- Texts that share a band are candidates.
CREATE TABLE comity.band (
    band bigint NOT NULL,
    comment_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (band, comment_id)
);
CREATE INDEX band_created ON comity.band USING brin (created_at);

-- Bans -------------------------------------------------------------------------------------------------------------

CREATE TABLE contacts.ban (
    id uuid PRIMARY KEY,
    site_id uuid NOT NULL,
    what text NOT NULL CHECK (what IN ('author', 'domain', 'network')),
    value bytea,                            -- the author's or the domain's index
    prefix cidr,
    label text NOT NULL,                    -- how moderators know it again; never an address
    reason text NOT NULL,
    created_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    until timestamptz,
    lifted_by text,
    lifted_at timestamptz,
    CHECK ((what = 'network') = (prefix IS NOT NULL) AND (what = 'network') = (value IS NULL))
);
CREATE INDEX ban_value ON contacts.ban (site_id, value) WHERE lifted_at IS NULL AND value IS NOT NULL;
CREATE INDEX ban_prefix ON contacts.ban USING gist (prefix inet_ops) WHERE lifted_at IS NULL AND prefix IS NOT NULL;
CREATE INDEX ban_site ON contacts.ban (site_id, created_at);

-- Ban the author, the domain or the network of a comment; false when the comment is not of this site, or has none.
CREATE FUNCTION contacts.ban_of_comment(
    p_id uuid, p_site uuid, p_what text, p_comment uuid, p_label text, p_reason text, p_by text, p_until timestamptz
) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH made AS (
        INSERT INTO contacts.ban (id, site_id, what, value, prefix, label, reason, created_by, until)
        SELECT p_id, p_site, p_what,
               CASE p_what WHEN 'author' THEN k.author_index WHEN 'domain' THEN k.domain_index END,
               CASE p_what WHEN 'network' THEN c.author_prefix END,
               coalesce(p_label, text(c.author_prefix)), p_reason, p_by, p_until
        FROM contacts.contact k JOIN comity.comment c ON c.id = k.comment_id
        WHERE k.comment_id = p_comment AND k.site_id = p_site
          AND (p_what <> 'network' OR c.author_prefix IS NOT NULL)
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM made);
$$;

CREATE FUNCTION contacts.ban_value(
    p_id uuid, p_site uuid, p_what text, p_value bytea, p_prefix cidr, p_label text, p_reason text, p_by text,
    p_until timestamptz
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO contacts.ban (id, site_id, what, value, prefix, label, reason, created_by, until)
    VALUES (p_id, p_site, p_what, p_value, p_prefix, p_label, p_reason, p_by, p_until);
$$;

CREATE FUNCTION contacts.bans(p_site uuid)
RETURNS TABLE (id uuid, what text, label text, reason text, created_by text, created_at timestamptz,
               until timestamptz, ended boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT b.id, b.what, b.label, b.reason, b.created_by, b.created_at, b.until,
           b.lifted_at IS NOT NULL OR (b.until IS NOT NULL AND b.until <= now())
    FROM contacts.ban b WHERE b.site_id = p_site ORDER BY b.created_at DESC, b.id LIMIT 10000;
$$;

CREATE FUNCTION contacts.lift_ban(p_site uuid, p_id uuid, p_by text)
RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH lifted AS (
        UPDATE contacts.ban SET lifted_at = coalesce(lifted_at, now()), lifted_by = coalesce(lifted_by, p_by)
        WHERE site_id = p_site AND id = p_id RETURNING 1
    )
    SELECT EXISTS (SELECT FROM lifted);
$$;

-- What a verdict may know of the authors of comments: no index, no address. p_first: whether anybody wants to know who
-- comments for the first time. A comment's moment is when it came in, so that the past can be judged again.
CREATE FUNCTION contacts.facts(p_comments uuid[], p_first boolean)
RETURNS TABLE (comment_id uuid, domain_class text, first boolean, ban_id uuid, ban_what text, ban_reason text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT c.id, k.domain_class,
           p_first AND NOT EXISTS (
               SELECT FROM contacts.contact o JOIN comity.comment p ON p.id = o.comment_id
               WHERE o.site_id = k.site_id AND o.author_index = k.author_index AND p.published_at < c.created_at
           ),
           b.id, b.what, b.reason
    FROM unnest(p_comments) AS u (id)
    JOIN comity.comment c ON c.id = u.id
    JOIN contacts.contact k ON k.comment_id = c.id
    LEFT JOIN LATERAL (
        SELECT found.* FROM (
            SELECT v.* FROM contacts.ban v
            WHERE v.site_id = k.site_id AND v.value IN (k.author_index, k.domain_index) AND v.lifted_at IS NULL
            UNION ALL
            SELECT n.* FROM contacts.ban n
            WHERE n.site_id = k.site_id AND n.prefix >>= c.author_prefix AND n.lifted_at IS NULL
        ) AS found
        WHERE found.until IS NULL OR found.until > now()
        ORDER BY found.created_at, found.id LIMIT 1
    ) AS b ON true;
$$;

-- Presence ---------------------------------------------------------------------------------------------------------

-- Which relays came round when: how an operator learns that one is missing before both are.
CREATE TABLE comity.presence (
    process text PRIMARY KEY,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Rights -----------------------------------------------------------------------------------------------------------

REVOKE ALL ON FUNCTION contacts.ban_of_comment, contacts.ban_value, contacts.bans, contacts.lift_ban, contacts.facts
    FROM public;
GRANT EXECUTE ON FUNCTION contacts.ban_of_comment, contacts.ban_value, contacts.bans, contacts.lift_ban,
    contacts.facts TO comity_web;
GRANT USAGE ON SCHEMA contacts TO comity_worker;
GRANT EXECUTE ON FUNCTION contacts.facts TO comity_worker, comity_relay;
GRANT SELECT ON comity.list, comity.sketch, comity.band TO comity_web, comity_worker, comity_relay;
GRANT INSERT, UPDATE, DELETE ON comity.list TO comity_web;
GRANT INSERT, UPDATE ON comity.sketch TO comity_worker, comity_relay;
GRANT INSERT ON comity.band TO comity_worker, comity_relay;
GRANT DELETE ON comity.sketch, comity.band TO comity_relay;
GRANT SELECT ON comity.presence TO comity_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON comity.presence TO comity_relay;
