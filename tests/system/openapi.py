"""docs/openapi.json as the tests read it, and values for each of its parameters."""
import json

from jsonschema import Draft202012Validator, RefResolver

from service import ROOT

FILE = ROOT / "docs/openapi.json"
SPEC = json.loads(FILE.read_text("utf-8"))
CV_SCHEMA = json.loads((ROOT / "docs/cv.schema.json").read_text("utf-8"))
METHODS = ("get", "head", "options")
# Values of each parameter: those that are taken, those that are not.
VALUES = {
    "person": (["ramin", "mahsa", "Z" * 50], ["a b", "a-b", "a.b", "Z" * 51, "é"]),
    "lang": (["en", "de", "fa"], ["", "fr", "EN", "en,de", " de"]),
    "focus": (["Programming", "Full CV", "No Such Purpose", "C++", "a" * 64, "é" * 32],
              ["", "a" * 65, "a\nb", "\x00", "\x7f", "\x85"]),
    "limit": (["1", "2", "1000"], ["", "0", "1001", "-1", "+1", "1.5", "1 ", "ten", "9" * 30]),
    "after": (["mahsa", "nobody", "_", "Z" * 50], ["", "a b", "a-b", "Z" * 51, "é"]),
}


def resolve(node):
    """The node itself, or what its $ref names."""
    while "$ref" in node:
        reference, node = node["$ref"], SPEC
        for key in reference.removeprefix("#/").split("/"):
            node = node[key.replace("~1", "/").replace("~0", "~")]
    return node


def validator(schema):
    """A validator for a schema of the file."""
    return Draft202012Validator(schema, resolver=RefResolver("", SPEC))


def nodes(node, path="#"):
    """Every object of the file with its place."""
    if isinstance(node, dict):
        yield path, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from nodes(child, f"{path}/{key}")


def operations():
    """Path, method and description of every operation."""
    for path, item in SPEC["paths"].items():
        for method in METHODS:
            yield path, method, item[method]


def parameters(path, method):
    """The parameters of an operation, those of its path included."""
    item = SPEC["paths"][path]
    return [resolve(entry) for entry in item.get("parameters", []) + item[method].get("parameters", [])]


# ---------------------------------------------------------------- the file by itself


def error_examples(response):
    """The bodies that a response gives as examples."""
    examples = response.get("content", {}).get("application/json", {}).get("examples", {})
    return [resolve(example)["value"] for example in examples.values()]


def described_errors(response):
    """Code and message of each error example of a response."""
    errors = [example["error"] for example in error_examples(response)]
    return {(error["code"], error["message"]) for error in errors}
