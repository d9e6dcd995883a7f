-- Sessions of moderators that were signed out, so that a copy of their cookie opens nothing any more.

SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '30s';

CREATE TABLE comity.ended_session (
    nonce bytea PRIMARY KEY,                -- by which a session is told from all others
    until timestamptz NOT NULL              -- when it would have ended by itself, and some time more
);

-- Rights: the web ends sessions and asks for them; relays forget those that say nothing any more, and read none.
GRANT SELECT, INSERT ON comity.ended_session TO comity_web;
GRANT SELECT (until), DELETE ON comity.ended_session TO comity_relay;
