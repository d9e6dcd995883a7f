"""What a website may do with its threads."""

from uuid import UUID

from service.store import threads
from service.web import schemas
from service.web.auth import Right
from service.web.listing import thread_view
from service.web.routing import Answer, Call, Routes

routes = Routes("threads")


@routes.add("GET", "/v1/threads/{thread_id}", Right.READ, answers={200: schemas.ThreadView()}, problems=("not-found",))
def get_thread(call: Call, thread_id: UUID) -> Answer:
    """A thread of your site."""
    with call.services.database.connection() as connection:
        return Answer(thread_view(threads.get(connection, thread_id, call.caller.sites)))


@routes.add(
    "PATCH", "/v1/threads/{thread_id}", Right.MANAGE,
    body=schemas.ThreadChange(), answers={200: schemas.ThreadView()}, problems=("not-found",),
)  # fmt: skip
def change_thread(call: Call, thread_id: UUID) -> Answer:
    """Close, open or retitle a thread of your site."""
    with call.services.database.transaction() as connection:
        thread = threads.get(connection, thread_id, call.caller.sites)
        changed = threads.change(connection, thread, call.body.get("closed"), call.body.get("title"))
    return Answer(thread_view(changed))
