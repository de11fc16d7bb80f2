"""Hostile GraphQL documents and variables."""

from collections.abc import Iterator
from typing import Any

Document = tuple[str, str, dict[str, Any]]
"""Its name, the text, its variables."""

DEEP = {
    "fields": ("{ ", "jobs { ", "id", " }", " }"),
    "inline fragments": ("{ ", "... { ", "__typename", " }", " }"),
    "list": ("{ job(id: ", "[", "1", "]", ") { id } }"),
    "object": ("{ job(id: ", "{a: ", "1", "}", ") { id } }"),
    "type": ("query ($a: ", "[", "ID", "]", ") { job(id: $a) { id } }"),
    "braces that are never closed": ("", "{", "", "", ""),
    "types of the schema": ("{ __schema { types { ", "ofType { ", "name", " }", " } } }"),
}
"""What is nested: what stands before it, what opens it, what is inside, what closes it, what comes behind it."""
MANY = {
    "aliases": ("{ ", "a%d: __typename ", "}"),
    "aliases of a read": ("{ ", "a%d: job(id: %d) { id } ", "}"),
    "times the same field": ("{ ", "__typename ", "}"),
    "directives on a field": ("{ __typename ", "@skip(if: false) ", "}"),
    "unknown directives": ("{ __typename ", "@a ", "}"),
    "directives on an operation": ("query ", "@a ", "{ __typename }"),
    "operations": ("", "query Q%d { __typename } ", ""),
    "fragments": ("{ __typename } ", "fragment F%d on Job { id } ", ""),
    "arguments": ("{ job(", "a%d: 1 ", ") { id } }"),
    "variables": ("query (", "$v%d: ID ", ") { __typename }"),
    "subscriptions in one": ("subscription { ", "a%d: jobChanged { id } ", "}"),
    "contradicting fields": ("{ jobs { ", "a: metrics(limit: %d) { seq } ", "} }"),
    "comments": ("", "#\n", "{ __typename }"),
    "commas": ("{", ",", "__typename }"),
}
"""What is repeated, with its number where that must differ: what stands before it, itself, what comes behind it."""
NUMBERS = ("1e999", "-1e999", "2147483648", "9223372036854775808", "0.1e-999", "9" * 400, "1" + "0" * 5_000)
TEXTS = ("\\ud800", "\\udfff\\ud800", "\\u{110000}", "\\u", "\\x", "\x00", "\x1b[2J", "\ufeff", "\u202e")
VALUES = (None, True, [[[1]]], {"a": 1}, 1.5, -1, 2**70, "", "٣", "0x1", "../1", "1; DROP TABLE job", "%n")
WRONG = (
    *("", " ", "{ ... }", "type Query { a: Int }", "{ __typename", "extend schema @a", "subscription", "🚂", "\x00"),
    *("{}", "query", "{a(", "fragment", "null", "$", '"', '"""'),
)
BY_ID = "query ($a: ID!) { job(id: $a) { id } }"
BY_STATUS = "query ($s: [JobStatus!]) { jobs(status: $s) { id } }"
BY_NAME = "query ($n: [String!]) { jobs { metrics { values(names: $n) { name } } } }"
LOG = "mutation ($m: [MetricInput!]!) { logMetrics(id: 1, metrics: $m) { __typename } }"
READS = f"query ($i: ID!) {{ {' '.join(f'a{n}: job(id: $i) {{ id }}' for n in range(100))} }}"
CREATE = "mutation ($i: CreateJobInput!) { createJob(input: $i) { __typename } }"
NAMED = """mutation ($n: String!) { createJob(input: {name: $n, modelName: $n, epochs: 1, learningRate: 0.1}) {
    __typename } }"""
PREVIEW = '{ previewJob(input: { name: "x", modelName: "x", epochs: 1, learningRate: %s }) { __typename } }'
LONG_VARIABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "an id of 40000 digits, 100 times": (READS, {"i": "9" * 40_000}),
    "100000 statuses that are none": (BY_STATUS, {"s": ["R"] * 100_000}),
    "80000 statuses": (BY_STATUS, {"s": ["RUNNING"] * 80_000}),
    "200000 names of values": (BY_NAME, {"n": ["a"] * 200_000}),
    "80000 points": (LOG, {"m": [{"step": 1}] * 80_000}),
    "100000 points that are none": (LOG, {"m": [{}] * 100_000}),
    "a point of 30000 values": (LOG, {"m": [{"step": 1, "values": [{"name": "a", "value": 1}] * 30_000}]}),
    "a job of 60000 settings": (CREATE, {"i": {f"a{n}": 0 for n in range(60_000)}}),
}


def documents() -> Iterator[Document]:
    """All of them."""
    for depth in (16, 1_000, 10_000):
        for what, (before, opening, inside, closing, behind) in DEEP.items():
            yield f"{depth} deep: {what}", before + opening * depth + inside + closing * depth + behind, {}
    for ring in (1, 100):
        spread = " ".join(f"fragment F{n} on Job {{ ...F{(n + 1) % ring} }}" for n in range(ring))
        yield f"a ring of {ring} fragments", f"{{ jobs {{ ...F0 }} }} {spread}", {}
    doubling = " ".join(f"fragment F{n} on Job {{ ...F{n + 1} ...F{n + 1} }}" for n in range(30))
    yield "fragments that double", f"{{ jobs {{ ...F0 }} }} {doubling} fragment F30 on Job {{ id }}", {}
    for many in (300, 10_000):
        for what, (before, each, behind) in MANY.items():
            text = "".join(each.replace("%d", str(n)) for n in range(many))
            yield f"{many} {what}", before + text + behind, {}
    for what, (query, variables) in LONG_VARIABLES.items():
        yield what, query, variables
    yield from _long()
    yield from _odd()


def _long() -> Iterator[Document]:
    for size in (1_000, 40_000):
        text = f"{{ __schema {{ types {{ fields {{ {'a' * size}: name }} }} }} }}"
        yield f"the schema under names of {size} letters", text, {}
    for size in (1_000, 900_000):
        yield f"a field of {size} letters", "{ " + "a" * size + " }", {}
        yield f"an id of {size} digits", f'{{ job(id: "{"1" * size}") {{ id }} }}', {}
        yield f"a variable's id of {size} letters", BY_ID, {"a": "é" * (size // 6)}
        yield f"a name of {size} letters", NAMED, {"n": "n" * size}
        yield f"a block string of {size} lines", '{ job(id: """' + "\n" * size + '""") { id } }', {}
        yield f"a string of {size} letters that never ends", '{ job(id: "' + "a" * size, {}


def _odd() -> Iterator[Document]:
    for number in NUMBERS:
        shown = f"the number {number[:8]} of {len(number)}"
        yield f"{shown} as an id", f"{{ job(id: {number}) {{ id }} }}", {}
        yield f"{shown} as a limit", f"{{ jobs(limit: {number}) {{ id }} }}", {}
        yield f"{shown} as a learning rate", PREVIEW % number, {}
    for text in TEXTS:
        yield f"the text {text!a} as an id", f'{{ job(id: "{text}") {{ id }} }}', {}
        yield f"the text {text!a} in the document", f"{{ job{text} }}", {}
    for value in VALUES:
        yield f"the variable {value!r} as an id", BY_ID, {"a": value}
        yield f"the variable {value!r} as a batch", LOG, {"m": value}
    for wrong in WRONG:
        yield f"the document {wrong!r}", wrong, {}
