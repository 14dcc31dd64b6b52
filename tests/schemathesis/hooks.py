"""Gives requests what only a running service knows: ids of things that exist
where a drawn id is well-formed. Malformed ones stay as they were drawn. A drawn
token in a body is left out: the header carries the valid one, and two different
ones are a fault of the caller's."""

import json
import os
import uuid

import schemathesis

KNOWN = json.loads(os.environ["INVITATION_LEDGER_TEST_KNOWN"])


def is_uuid(value):
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


@schemathesis.hook
def before_call(context, case, kwargs):
    path = case.path_parameters
    if isinstance(path, dict):
        for name in list(path):
            known = KNOWN["ids"].get(f"{case.operation.path}#{name}", KNOWN["ids"].get(name))
            if known is not None and (is_uuid(path[name]) or isinstance(path[name], int)):
                path[name] = known
    body = case.body
    if isinstance(body, dict):
        if isinstance(body.get("token"), str):
            del body["token"]
        for members in (body, *(member for member in body.values() if isinstance(member, dict))):
            null_is_absent(members, OPTIONAL)


OPTIONAL = (
    *("token", "tenant", "id", "page", "number", "size"),
    *("sort", "by", "order", "search", "term", "attributes", "filters"),
)


def null_is_absent(members, names):
    """Null there is as good as absent in the contract, and so no wrong type to
    be refused: one that is refused takes its place."""
    for name in names:
        if name in members and members[name] is None:
            members[name] = [0]
