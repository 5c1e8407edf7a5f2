"""docs/openapi.json by itself: complete, valid, and of one mind with docs/cv.schema.json."""
import re

import pytest
from jsonschema import Draft202012Validator

from openapi import (
    CV_SCHEMA, FILE, METHODS, SPEC, VALUES, described_errors, error_examples, nodes, operations, parameters, resolve,
    validator)


def test_head_of_the_file():
    """Version, licence and server are as the project says; the text is plain ASCII with two blanks."""
    assert SPEC["openapi"] == "3.1.0"
    assert SPEC["info"]["version"] == "1.0.0"
    assert SPEC["info"]["license"]["identifier"] == "MIT"
    assert SPEC["servers"] == [{"url": "/"}]
    text = FILE.read_text("ascii")
    assert text.endswith("}\n") and not re.search(r"[ \t]\n|\t", text)
    assert all((len(line) - len(line.lstrip(" "))) % 2 == 0 for line in text.splitlines())


def test_references_resolve():
    """Every $ref names a place in the file."""
    references = [(path, node) for path, node in nodes(SPEC) if isinstance(node.get("$ref"), str)]
    assert references
    for path, node in references:
        assert node["$ref"].startswith("#/components/"), path
        resolve(node)


def test_no_component_is_idle():
    """Every component is named by some $ref; what no operation can answer is not kept."""
    used = {node["$ref"] for _, node in nodes(SPEC) if isinstance(node.get("$ref"), str)}
    there = {f"#/components/{kind}/{name}" for kind, all_ in SPEC["components"].items() for name in all_}
    assert there - used == {"#/components/responses/NotFound"}, "NotFound is for all other paths"


def test_operations_are_complete():
    """Each path has get, head and options, with distinct ids, responses and declared parameters."""
    ids = []
    for path, method, operation in operations():
        ids.append(operation["operationId"])
        declared = [(entry["in"], entry["name"]) for entry in parameters(path, method)]
        assert len(declared) == len(set(declared)), (path, method)
        in_path = {name for place, name in declared if place == "path"}
        assert in_path == set(re.findall(r"{([^}]+)}", path)), path
        assert "default" in operation["responses"] and len(operation["responses"]) > 2
        for status, response in operation["responses"].items():
            assert re.fullmatch("[1-5][0-9][0-9]|default", status)
            assert resolve(response)["description"], (path, method, status)
    assert len(ids) == len(set(ids)) == 3 * len(SPEC["paths"])
    for path, item in SPEC["paths"].items():
        assert set(item) == {"parameters", *METHODS, "x-other-methods"}, path


def test_parameters_are_described():
    """Name, place, schema and description; path parameters are required."""
    for name, entry in SPEC["components"]["parameters"].items():
        assert {"name", "in", "description", "schema"} <= set(entry), name
        assert entry["in"] in ("path", "query", "header")
        assert entry.get("required", False) == (entry["in"] == "path"), name
        if "example" in entry:
            validator(entry["schema"]).validate(entry["example"])


def test_schemas_are_schemas():
    """Every schema is a valid JSON Schema of 2020-12, and its own examples fit it."""
    schemas = dict(SPEC["components"]["schemas"])
    schemas.update(
        {path: node["schema"] for path, node in nodes(SPEC) if isinstance(node.get("schema"), dict)})
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        for example in resolve(schema).get("examples", []):
            assert list(validator(schema).iter_errors(example)) == [], name


def test_error_examples():
    """Every error example has the error form and the status of the answers that name it."""
    for name, response in SPEC["components"]["responses"].items():
        for example in error_examples(response):
            assert list(validator({"$ref": "#/components/schemas/Error"}).iter_errors(example)) == [], name
    for path, method, operation in operations():
        for status, response in operation["responses"].items():
            codes = {code for code, _ in described_errors(resolve(response))}
            assert status == "default" or codes <= {int(status)}, (path, method, status)


def test_sections_are_those_of_the_cv_schema():
    """The served CV and section have the sections of docs/cv.schema.json, of the same kinds."""
    schemas = SPEC["components"]["schemas"]
    kinds = {name: section["type"] for name, section in CV_SCHEMA["properties"].items()}
    for name in ("Cv", "CvSection"):
        assert {key: resolve(entry)["type"] for key, entry in schemas[name]["properties"].items()} == kinds
    assert schemas["Cv"]["required"] == CV_SCHEMA["required"]
    assert set(schemas["SectionName"]["enum"]) == set(kinds) | {"certifications"}


@pytest.mark.parametrize("name", VALUES)
def test_parameter_schemas_say_what_is_taken(name):
    """The schema of a parameter takes the values that the walk expects to be taken, and no other."""
    entry = next(entry for entry in SPEC["components"]["parameters"].values() if entry["name"] == name)
    taken, refused = VALUES[name]
    if resolve(entry["schema"])["type"] == "integer":
        taken, refused = ([int(value) if value.isdigit() else value for value in part]
                          for part in VALUES[name])
    assert [value for value in taken if not validator(entry["schema"]).is_valid(value)] == []
    assert [value for value in refused if validator(entry["schema"]).is_valid(value)] == []


# ---------------------------------------------------------------- the walk
