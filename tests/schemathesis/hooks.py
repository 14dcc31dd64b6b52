"""Gives requests what only a running service knows: ids of things that exist
where a drawn id is well-formed. Malformed ones stay as they were drawn. A drawn
token in a body is left out: the header carries the valid one, and two different
ones are a fault of the caller's."""

import json
import os
import re
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
    one_end(case.query)
    body = case.body
    if isinstance(body, dict):
        name_what_is_there(case.operation.path, body)
        if isinstance(body.get("token"), str):
            del body["token"]
        for members in (body, *(member for member in body.values() if isinstance(member, dict))):
            null_is_absent(members, OPTIONAL)


def name_what_is_there(path, body):
    """What a drawn value cannot know: which things there are, and which members
    go together."""
    if path.startswith("/api/v1/"):
        if isinstance(body.get("tenant"), str) and re.fullmatch("[a-z0-9-]{1,32}", body["tenant"]):
            body["tenant"] = "default"
        if is_number(body.get("id")):
            body["id"] = KNOWN["ids"][f"{path}#id"]
    if is_uuid(body.get("user_id")):
        del body["user_id"]
    if path == "/api/ledger/backup" and is_folder(body.get("folder")):
        # Into a folder of the run's own, whatever was drawn.
        body["folder"] = f"{KNOWN['copies']}/{uuid.uuid4()}"
    if path == "/api/ledger/invitations":
        of_its_kind(body)


# Members of an invitation by its kind.
OF_KIND = {
    "organization": {"organization": "organization", "role": None, "message": None},
    "integration": {"integration": "/api/v1/integrations/read#id"},
    "platform": {"message": None},
}


def of_its_kind(body):
    """Well-formed members that do not go with the kind are left out, and what
    the kind needs is named."""
    mine = OF_KIND.get(body.get("kind")) if isinstance(body.get("kind"), str) else None
    well_formed = {
        "organization": is_uuid,
        "integration": is_number,
        "role": lambda value: value in ("admin", "member"),
        "message": lambda value: isinstance(value, str) and len(value) <= 2000,
    }
    for name, fits in well_formed.items() if mine is not None else ():
        value = body.get(name)
        if value is not None and not fits(value):
            continue
        if name not in mine:
            body.pop(name, None)
        elif mine[name] is not None:
            body[name] = KNOWN["ids"][mine[name]]


def is_number(value):
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_POSITION


def is_folder(value):
    return isinstance(value, str) and value.startswith("/") and len(value) <= MAX_FOLDER


def one_end(query):
    """A part of the log is read from one end, and no schema says "not both":
    where both are well-formed, one is left out."""
    if isinstance(query, dict) and all(is_position(query.get(name)) for name in ("after", "before")):
        del query["before"]


def is_position(value):
    return str(value).isdecimal() and int(value) <= MAX_POSITION and not isinstance(value, bool)


MAX_FOLDER = 4096
MAX_POSITION = 2**53 - 1
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
