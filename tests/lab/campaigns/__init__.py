"""All campaigns, in the order they run."""

from tests.lab.campaign import Campaign
from tests.lab.campaigns import full_disk, kills, overload, races, recovery, rolling, servers, unsafe, webhooks

CAMPAIGNS = (
    Campaign("workers-killed", "0 lost, 0 twice, 0 states without a decision", kills.workers_killed),
    Campaign("web-killed", "0 lost, one comment a key", kills.web_killed),
    Campaign("worker-paused", "a late verdict changes nothing", kills.worker_paused),
    Campaign("poisoned", "to a human, the others pass", kills.poisoned),
    Campaign("failpoints", "0 lost, 0 twice", kills.failpoints),
    Campaign("broker-restarts", "0 lost, 100 % accepted", servers.broker_restarts),
    Campaign("database-stops", "0 acknowledged lost, 0 answers 500", servers.database_stops),
    Campaign("commits-cut", "each key exactly once", servers.commits_cut),
    Campaign("deciders", "0 twice", races.deciders),
    Campaign("moderators", "exactly one success each", races.moderators),
    Campaign("recovery", "every comment decided within 10 s", recovery.recovery),
    Campaign("without-broker", "100 % accepted, moderation goes on", servers.without_broker),
    Campaign("overload", "accepted = decided, the rest 429 or 503", overload.overload),
    Campaign("webhooks", "all delivered, repeats only at kills", webhooks.webhooks),
    Campaign("full-disk", "0 acknowledged lost, it heals by itself", full_disk.full_disk),
    Campaign("rolling", "0 lost, 503 under 0.1 %", rolling.rolling),
    Campaign("unsafe", "each refused by name", unsafe.unsafe),
)
BY_NAME = {one.name: one for one in CAMPAIGNS}
#: Those that `make test` runs; the tests beside this one hurt in the other ways (tests/faults, tests/operator).
SHORT = (
    "workers-killed", "failpoints", "database-stops", "commits-cut", "deciders", "moderators",
)  # fmt: skip
