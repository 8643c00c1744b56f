"""The words that the description of the API is written in: fields, records, calls. Plain OpenAPI 3.1 comes out.

Every field carries an example; the examples of records and answers are put together from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.api.query import LARGEST_ID, LONGEST_STEP_S, MAX_LIMIT

Schema = dict[str, Any]

ERRORS = {
    400: "The request cannot be understood: a field or parameter is unknown, missing or malformed",
    401: "Log in, or send a token: nobody is known by this request",
    403: "Not for you: the role or the token's scope does not reach so far, or the request comes from a foreign site",
    404: "There is no such thing",
    409: "A rule or the present state forbids it; the sentence is the rule's",
    413: "The body is larger than 64 kB",
    415: "The body must be sent as application/json",
    422: "The field does not take this value",
    429: "Too many attempts; `Retry-After` says when to come again",
    503: "The database does not answer, or (readyz) something is not alive; try again",
}
ALWAYS = (401, 403, 429, 503)
OF_WRITES = (400, 413, 415, 422)


# --- fields ----------------------------------------------------------------------------------------------------------


def text(meaning: str, example: str, **more: Any) -> Schema:
    """A text field."""
    return {"type": "string", "description": meaning, "examples": [example], **more}


def number(meaning: str, example: float, **more: Any) -> Schema:
    """A finite number; its unit is in its name or its meaning."""
    return {"type": "number", "description": meaning, "examples": [example], **more}


def whole(meaning: str, example: int, **more: Any) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": meaning, "examples": [example], **more}


def flag(meaning: str, example: bool) -> Schema:
    """True or false."""
    return {"type": "boolean", "description": meaning, "examples": [example]}


def moment(meaning: str, example: str = "2026-11-23T18:00:00Z") -> Schema:
    """A time, RFC 3339 in UTC."""
    return text(meaning, example, format="date-time")


def choice(meaning: str, values: Iterable[str], example: str) -> Schema:
    """One of a few words."""
    return text(meaning, example, enum=[str(value) for value in values])


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    wider = {**schema, "type": [schema["type"], "null"]}
    return wider | {"enum": [*schema["enum"], None]} if "enum" in schema else wider


def each(items: Schema, meaning: str = "", **more: Any) -> Schema:
    """A list."""
    return {"type": "array", "items": items, **({"description": meaning} if meaning else {}), **more}


def record(meaning: str, /, **fields: Schema) -> Schema:
    """An object of an answer: all these fields are always there; later versions may add more."""
    return {"type": "object", "description": meaning, "properties": fields, "required": list(fields)}


def body(meaning: str, /, *, required: Sequence[str] = (), least: int = 0, **fields: Schema) -> Schema:
    """An object of a request: no other fields are taken."""
    schema = {"type": "object", "description": meaning, "properties": fields, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    if least:
        schema["minProperties"] = least
    return schema


def ref(name: str) -> Schema:
    """A record by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


REASON = or_null(text("Why, for the history", "low water", maxLength=300))


# --- parameters ------------------------------------------------------------------------------------------------------


def query(name: str, schema: Schema, **more: Any) -> Schema:
    """A parameter of the query string; its meaning is the schema's."""
    return {"name": name, "in": "query", "description": schema["description"], "schema": schema, **more}


def path(name: str, schema: Schema) -> Schema:
    """A part of the address."""
    return {"name": name, "in": "path", "required": True, "description": schema["description"], "schema": schema}


def header(name: str, schema: Schema) -> Schema:
    """An optional header of the request."""
    return {"name": name, "in": "header", "description": schema["description"], "schema": schema}


def limit(default: int = 100) -> Schema:
    """How many rows an answer has at most."""
    return query("limit", whole("How many rows at most", default, minimum=1, maximum=MAX_LIMIT, default=default))


BEFORE = query(
    "before",
    whole("Go on before the row with this id; `Link` has it ready made", 4711, minimum=1, maximum=LARGEST_ID),
)
SINCE = query("since", moment("From this time on; without a zone it is UTC", "2026-11-23T00:00:00Z"))
UNTIL = query("until", moment("Before this time", "2026-11-24T00:00:00Z"))
STEP = query("step", whole("Means of steps of so many seconds", 3600, minimum=1, maximum=LONGEST_STEP_S))
HISTORY = (limit(), SINCE, UNTIL, STEP)
MAC = path("mac", text("MAC address of the miner, any case", "02:00:00:00:00:01"))
IF_NONE_MATCH = header("If-None-Match", text("The `ETag` of the list you have: 304 while it is still so", 'W/"5f1d"'))
KEY = header(
    "Idempotency-Key",
    text(
        "Your own name for this order, e.g. a UUID: the same order sent again within 24 h is answered as the first "
        "time and given once; another order with the same key is 422",
        "4f9a1d2e-0b7c-4c55-9a57-2b1f0a7f1c11",
        pattern="^[!-~]{1,200}$",
        minLength=1,
        maxLength=200,
    ),
)


# --- calls -----------------------------------------------------------------------------------------------------------


def call(
    id_: str,
    summary: str,
    answer: Schema,
    *,
    tag: str,
    about: str = "",
    parameters: Sequence[Schema] = (),
    takes: Schema | None = None,
    given: Mapping[str, Any] | None = None,
    status: int = 200,
    errors: Sequence[int] = (),
    links: Mapping[str, Any] | None = None,
) -> Schema:
    """One call. `takes`: the schema of its body, examples in `given`. `errors`: beside those that every call has."""
    writes = OF_WRITES if takes is not None else ()
    answers: Schema = {str(status): _answer("As asked", answer, links)}
    answers |= {str(code): error(code) for code in sorted({*ALWAYS, *writes, *errors})}
    operation = {
        "operationId": id_,
        "tags": [tag],
        "summary": summary,
        **({"description": about} if about else {}),
        **({"parameters": list(parameters)} if parameters else {}),
        "responses": answers,
    }
    if takes is not None:
        examples = {name: {"value": value} for name, value in (given or {"empty": {}}).items()}
        content = {"application/json": {"schema": takes, "examples": examples}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def listed(id_: str, summary: str, items: Schema, *, paged: bool = True, **more: Any) -> Schema:
    """A call that answers a list, newest first: it can be read part by part (`paged`), and by `ETag`."""
    parameters = (*more.pop("parameters", ()), IF_NONE_MATCH)
    operation = call(id_, summary, each(items), parameters=parameters, **more)
    headers = {"ETag": {"description": "What this list is known by", "schema": {"type": "string"}}}
    if paged:
        next_ = 'The address of the next part as `<...>; rel="next"`; absent at the end'
        headers["Link"] = {"description": next_, "schema": {"type": "string"}}
    operation["responses"]["200"]["headers"] = headers
    operation["responses"]["304"] = {"description": "You have it already", "headers": {"ETag": headers["ETag"]}}
    return operation


def order(id_: str, summary: str, takes: Schema, *, answer: Schema | None = None, **more: Any) -> Schema:
    """A call that leaves an order: 202 and where to look."""
    parameters = (*more.pop("parameters", ()), KEY)
    look = {"getCommand": {"operationId": "getCommand", "parameters": {"command_id": "$response.body#/id"}}}
    kept = answer or ref("Accepted")
    made = call(id_, summary, kept, takes=takes, parameters=parameters, status=202, links=look, **more)
    where = {"description": "Where to look what became of it", "schema": {"type": "string"}}
    made["responses"]["202"]["headers"] = {"Location": where}
    return made


def error(status: int) -> Schema:
    """The answer of one kind of error."""
    return {"description": ERRORS[status], "content": {"application/json": {"schema": ref("Error")}}}


def _answer(meaning: str, schema: Schema, links: Mapping[str, Any] | None) -> Schema:
    return {
        "description": meaning,
        "content": {"application/json": {"schema": schema}},
        **({"links": dict(links)} if links else {}),
    }


# --- examples --------------------------------------------------------------------------------------------------------


def example(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    """Return the example of a schema, put together from those of its fields."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas)
    if schema["type"] == "array":
        return [example(schema["items"], schemas)]
    return {name: example(field, schemas) for name, field in schema.get("properties", {}).items()}
