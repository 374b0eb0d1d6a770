"""Calls of HTTP APIs as bytes: from well-formed ones, by what an API publishes, to what is hardly HTTP. Seeded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "get")
HUGE = "(a number of 5,000 digits)"
HALF = "\ud800"
"""Half a surrogate pair: JSON can say it, UTF-8 cannot."""
NUMBERS = (0, -1, 1, 2, 65536, 2**31, 2**63, 2**64, 10**400, 1e308, -1e308, 5e-324, 0.1, float("nan"), float("inf"))
TEXTS = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        HALF,
        "a" * 9000,
        "\u202e\u2028",
        "é",
        "../../etc/passwd",
        "%00",
        "\r\nX-Injected: 1",
        "'\"<>&",
    ),
    *(
        "0ms",
        "-1s",
        "nan%",
        "1e400s",
        "5s",
        "100ms",
        "9" * 5000 + "s",
        "1/s",
        "127.0.0.1:1",
        "[::1]:80",
        "1",
        "true",
        "null",
    ),
)
TYPES = (
    *(
        "text/plain",
        "",
        "application/json; charset=utf-16",
        "application/x-www-form-urlencoded",
        "application/problem+json",
    ),
    *(
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "APPLICATION/JSON",
        "application/json;;;=",
        "*/*",
        "a" * 500,
    ),
)
FIELDS = (
    *(b"Origin: http://evil.example", b"Origin: null", b"Origin: http://[::1", b"Origin: \xff\xfe"),
    *(
        b"Host: evil.example",
        b"Host: \xff\xfe",
        b"Host: [::1",
        b"Content-Encoding: gzip",
        b"Content-Encoding: br, gzip",
    ),
    *(
        b"Expect: 100-continue",
        b"Expect: nothing",
        b"X-Deadline: nan",
        b"X-Deadline: 1e999",
        b"X-Deadline: 1",
        b"X-Deadline: \xff",
    ),
    *(
        b"Last-Event-ID: \xff\xfe",
        b"Last-Event-ID: 99999999999999999999",
        b"Last-Event-ID: x",
        b"Cookie: " + b"a=b; " * 500,
    ),
    *(b"Range: bytes=0-", b"If-None-Match: *", b"X-Empty:", b"X-Bytes: \xff\xfe\xfd", b"Accept: " + b"*/*," * 300),
    *(
        b"Authorization: Bearer \xff\xfe",
        b"Authorization: ",
        b"Authorization: Basic \xc3\xa9",
        b"Transfer-Encoding: gzip",
    ),
    *(
        b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==",
        b"No-Colon",
    ),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method and path of an API."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    """Schema of each parameter."""
    body: Any = None
    """Schema of the body; None where none is published."""
    examples: Sequence[Any] = ()
    """Bodies that get through, where no schema tells."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent."""

    operation: Operation
    method: str
    segments: list[bytes]
    whole: bool
    """Whether a server that reads all of it has got a whole request."""


class Caller:
    """Makes calls of some operations. `schemas` are what `$ref`s name; `words` are texts that mean something there."""

    def __init__(
        self, rng: Random, operations: Sequence[Operation], schemas: Mapping[str, Any], words: Sequence[str], token: str
    ) -> None:
        self._rng = rng
        self._operations = operations
        self._schemas = schemas
        self._words = words
        self._token = token

    def call(self) -> Call:
        """The next one."""
        rng = self._rng
        operation = rng.choice(self._operations)
        method = operation.method if rng.random() < 0.85 else rng.choice(METHODS)
        body = self._body(operation) if rng.random() < (0.9 if operation.body or operation.examples else 0.15) else b""
        framing, sent, whole = self._framed(body)
        head = [f"{method} ".encode() + self._target(operation) + b" HTTP/1.1", b"Host: 127.0.0.1:8080"]
        if rng.random() < 0.93:
            head.append(b"Authorization: Bearer " + self._token.encode())
        if body or rng.random() < 0.1:
            kind = "application/json" if rng.random() < 0.88 else rng.choice(TYPES)
            head.append(b"Content-Type: " + kind.encode())
        if rng.random() < 0.15:
            head += rng.sample(FIELDS, rng.choice((1, 1, 2, 3)))
        data = b"\r\n".join([*head, *framing]) + b"\r\n\r\n" + sent
        cuts = sorted(rng.randrange(len(data)) for _ in range(rng.choice((0, 0, 0, 1, 3))))
        segments = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]
        return Call(operation, method, segments, whole)

    # --- target ---

    def _target(self, operation: Operation) -> bytes:
        rng = self._rng
        path = "/".join(self._segment(part) for part in operation.path.split("/"))
        query = self._query(operation.query)
        if rng.random() < 0.04:
            odd = (
                b"//",
                b"*",
                b"/%",
                b"/%zz",
                b"/\xff\xfe",
                b"/" + b"a" * 7000,
                b"http://evil.example/",
                b"/..;/",
                b"x",
                b"/%2e%2e/",
            )
            return rng.choice(odd)
        return (path + query).encode()

    def _segment(self, part: str) -> str:
        if not part.startswith("{"):
            return part
        odd = ("%00", "%ff%fe", "%ed%a0%80", "%2F", "..", "", "a" * 3000, "%0d%0aX:1", "f1", "m1", "1", "%F0%9F%92%A9")
        known = self._rng.random() < 0.5 and self._words
        return quote(self._rng.choice(self._words), safe="") if known else self._rng.choice(odd)

    def _query(self, parameters: Mapping[str, Any]) -> str:
        rng, pairs = self._rng, []
        for name, schema in parameters.items():
            if rng.random() < 0.5:
                continue
            value = self._value(schema) if rng.random() < 0.6 else rng.choice((*TEXTS, *map(str, NUMBERS)))
            pairs.append(f"{name}={quote(str(value), safe='', errors='surrogatepass')[:3000]}")
        if rng.random() < 0.05:
            pairs.append(rng.choice(("=", "&&&", "%", "%ff=%fe", "a=1&a=2", "a" * 2000, "[]", "since=%00")))
        return f"?{'&'.join(pairs)}" if pairs else ""

    # --- body ---

    def _body(self, operation: Operation) -> bytes:
        rng, dice = self._rng, self._rng.random()
        if dice < 0.03:
            return rng.choice((b"[", b'{"a":', b"[{", b'["')) * rng.choice((17, 900, 30_000))
        if dice < 0.04:
            return b'"' + b"a" * 3_000_000 + b'"'
        if dice < 0.09:
            return rng.randbytes(rng.choice((1, 20, 2000)))
        value = self._fitting(operation) if dice < 0.9 else self._anything(3)
        if dice > 0.45:
            value = self._spoiled(value)
        data = self._written(value)
        if rng.random() < 0.08:
            return data[: rng.randrange(len(data) + 1)]
        if rng.random() < 0.04:
            place = rng.randrange(len(data) + 1)
            return (
                data[:place]
                + rng.choice((b"\xff\xfe", b"\xed\xa0\x80", b"\0", b"\xef\xbb\xbf", b",", b"}"))
                + data[place:]
            )
        return data

    def _fitting(self, operation: Operation) -> Any:
        if operation.examples:
            return json.loads(json.dumps(self._rng.choice(operation.examples)))
        return self._value(operation.body) if operation.body else self._anything(2)

    def _written(self, value: Any) -> bytes:
        ascii_only = self._rng.random() < 0.6
        text = json.dumps(value, ensure_ascii=ascii_only).replace(f'"{HUGE}"', "9" * 5000)
        return text.encode("utf-16" if self._rng.random() < 0.01 else "utf-8", "surrogatepass")

    def _anything(self, depth: int) -> Any:
        rng = self._rng
        kinds: list[Callable[[], Any]] = [
            lambda: rng.choice(NUMBERS),
            lambda: rng.choice((*TEXTS, *self._words)),
            lambda: rng.choice((None, True, False, HUGE)),
        ]
        if depth:
            kinds += [
                lambda: [self._anything(depth - 1) for _ in range(rng.randrange(4))],
                lambda: {str(self._anything(0))[:50]: self._anything(depth - 1) for _ in range(rng.randrange(4))},
            ]
        return rng.choice(kinds)()

    def _spoiled(self, value: Any) -> Any:
        """With one of its parts replaced, left out, or joined by another one."""
        rng = self._rng
        if isinstance(value, dict) and value and rng.random() < 0.9:
            name = rng.choice(list(value))
            dice = rng.random()
            if dice < 0.1:
                return {each: value[each] for each in value if each != name}
            if dice < 0.2:
                return value | {rng.choice(("unknown", HALF, "", "__class__", "self")): self._anything(1)}
            return value | {name: self._spoiled(value[name])}
        if isinstance(value, list) and value and rng.random() < 0.7:
            place = rng.randrange(len(value))
            return [*value[:place], self._spoiled(value[place]), *value[place + 1 :]] * rng.choice((1, 1, 1, 40))
        return self._anything(2)

    def _value(self, schema: Any) -> Any:
        """Something that the schema allows, as far as it says."""
        rng = self._rng
        if "$ref" in schema:
            return self._value(self._schemas[schema["$ref"].rpartition("/")[2]])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self._value(rng.choice(schema[several]))
        if "const" in schema or "enum" in schema:
            return rng.choice(schema.get("enum", [schema.get("const")]))
        if schema.get("examples") and rng.random() < 0.7:
            return rng.choice(schema["examples"])
        return self._of_type(schema)

    def _of_type(self, schema: Any) -> Any:
        rng = self._rng
        match schema.get("type"):
            case "object":
                required = schema.get("required", ())
                fields = schema.get("properties", {})
                return {
                    name: self._value(each) for name, each in fields.items() if name in required or rng.random() < 0.5
                }
            case "array":
                least, most = schema.get("minItems", 0), schema.get("maxItems", 3)
                return [self._value(schema.get("items", {})) for _ in range(rng.randint(least, min(most, least + 2)))]
            case "integer" | "number":
                low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
                high = schema.get("maximum", schema.get("exclusiveMaximum", 100))
                return rng.choice((low, high, rng.randint(int(low), max(int(low), int(high)))))
            case "boolean":
                return rng.random() < 0.5
            case "null":
                return None
            case "string":
                return rng.choice((*self._words, *self._words, *TEXTS, "100ms", "1s"))
        return self._anything(1)

    # --- framing ---

    def _framed(self, body: bytes) -> tuple[list[bytes], bytes, bool]:
        """The header fields, the bytes, and whether it is a whole request."""
        dice = self._rng.random()
        length = b"Content-Length: %d" % len(body)
        if dice < 0.8:
            return ([length] if body or dice < 0.4 else []), body, True
        if dice < 0.92:
            size = max(1, len(body) // 3)
            parts = [body[at : at + size] for at in range(0, len(body), size)]
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
            return [b"Transfer-Encoding: chunked"], chunks + b"0\r\n\r\n", True
        odd: list[tuple[list[bytes], bytes, bool]] = [
            ([b"Content-Length: %d" % (len(body) + 10)], body, False),
            ([b"Transfer-Encoding: chunked"], b"%x\r\n" % (len(body) + 1) + body, False),
            ([b"Transfer-Encoding: chunked"], b"zz\r\n" + body, False),
            ([length, b"Transfer-Encoding: chunked"], b"0\r\n\r\n", True),
            ([b"Content-Length: -1"], body, False),
            ([b"Content-Length: 99999999999999999999"], body, False),
            ([length, b"Content-Length: 7"], body, False),
        ]
        return self._rng.choice(odd)


def of_document(document: Mapping[str, Any]) -> tuple[list[Operation], Mapping[str, Any]]:
    """The operations of an OpenAPI document, and the schemas that they refer to."""
    found = []
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            query = {
                each["name"]: each.get("schema", {}) for each in told.get("parameters", ()) if each["in"] == "query"
            }
            content = told.get("requestBody", {}).get("content", {})
            body = content.get("application/json", {}).get("schema")
            found.append(Operation(method.upper(), path, query, body))
    return found, document.get("components", {}).get("schemas", {})
