-- The queue's index holds all that its filters look at but texts: what does not match is passed over, and what matches is
-- counted, without a look at the comments themselves.
-- Made beside whatever runs, each statement for itself; what an attempt that was cut short left is made anew.

SET lock_timeout = '10min';  -- it waits for those that read the table now, as a backup does; nobody waits for it
SET statement_timeout = '2h';

DROP INDEX CONCURRENTLY IF EXISTS comity.comment_queue;

CREATE INDEX CONCURRENTLY IF NOT EXISTS comment_queue ON comity.comment (site_id, created_at, id)
    INCLUDE (reason, thread_id, detected, spam, toxicity, severe_toxicity, obscene, threat, insult, identity_attack)
    WHERE state = 'flagged';

DROP INDEX CONCURRENTLY IF EXISTS comity.comment_flagged;
