-- Indexes that answer for the comments themselves. Made beside whatever runs, each statement for itself; what an attempt
-- that was cut short left is made anew. The release before this one goes on without the two that are dropped: its pages
-- of a long thread are sorted.

SET lock_timeout = '10min';  -- it waits for those that read the table now, as a backup does; nobody waits for it
SET statement_timeout = '2h';

-- The queue: all that its filters look at but texts. What does not match is passed over, and what matches is counted,
-- without a look at the comments.
DROP INDEX CONCURRENTLY IF EXISTS comity.comment_queue;

CREATE INDEX CONCURRENTLY IF NOT EXISTS comment_queue ON comity.comment (site_id, created_at, id)
    INCLUDE (reason, thread_id, detected, spam, toxicity, severe_toxicity, obscene, threat, insult, identity_attack)
    WHERE state = 'flagged';

DROP INDEX CONCURRENTLY IF EXISTS comity.comment_flagged;

-- Pages of published comments: a thread's comments lie all over the table, each on a page of its own; here they lie side
-- by side. An index takes no text of any length, so that a long comment, or one whose edit waits for its verdict, is in
-- the other index and read from the table. Every published comment is in one of the two.
DROP INDEX CONCURRENTLY IF EXISTS comity.comment_short;

CREATE INDEX CONCURRENTLY IF NOT EXISTS comment_short ON comity.comment (thread_id, created_at, id)
    INCLUDE (parent_id, root_id, name, body, website, published_at, edited)
    WHERE state = 'published' AND shown_body IS NULL
        AND octet_length(name) + octet_length(body) + octet_length(coalesce(website, '')) <= 600;

DROP INDEX CONCURRENTLY IF EXISTS comity.comment_long;

CREATE INDEX CONCURRENTLY IF NOT EXISTS comment_long ON comity.comment (thread_id, created_at, id)
    WHERE state = 'published' AND NOT (
        shown_body IS NULL
        AND octet_length(name) + octet_length(body) + octet_length(coalesce(website, '')) <= 600
    );

DROP INDEX CONCURRENTLY IF EXISTS comity.comment_public;
