"""docs/cv.schema.json and docs/cv-format.md against the sample and against `cv-query check`."""
import copy
import json
import re

import pytest
from jsonschema import Draft202012Validator

from service import ROOT, SAMPLE, run_program

SCHEMA = json.loads((ROOT / "docs/cv.schema.json").read_text("utf-8"))
FORMAT = (ROOT / "docs/cv-format.md").read_text("utf-8")
VALIDATOR = Draft202012Validator(SCHEMA)
ARRAYS = ["profiles", "education", "experiences", "projects", "publications", "languages",
          "workshop_and_certifications", "references"]
NAMES = {"fname": "Mina", "lname": "Example"}
NOT_ARRAYS = [{}, "text", 1, True, None]
NEEDS = "a CV needs basics[0].fname and basics[0].lname"


def with_basics(value, **more):
    """A CV with these basics."""
    return {"basics": value, **more}


def named(**changes):
    """A CV whose first entry differs so; a value of Ellipsis takes the member away."""
    entry = {key: value for key, value in {**NAMES, **changes}.items() if value is not ...}
    return with_basics([entry])


def good(**more):
    """The smallest CV with further members."""
    return with_basics([NAMES], **more)


# Document, and what the program says of it.
BROKEN = {
    "an array": ([good()], "a CV is a JSON object; the text must begin with {"),
    "a string": ("CV", "a CV is a JSON object; the text must begin with {"),
    "null": (None, "a CV is a JSON object; the text must begin with {"),
    "no member": ({}, f"basics is missing; {NEEDS}"),
    "no basics": ({"education": []}, f"basics is missing; {NEEDS}"),
    "basics in other case": ({"Basics": [NAMES]}, f"basics is missing; {NEEDS}"),
    "basics empty": (with_basics([]), f"basics must not be empty; {NEEDS}"),
    "basics[0] a string": (with_basics(["Mina"]), "basics[0] must be an object"),
    "basics[0] null": (with_basics([None]), "basics[0] must be an object"),
    "basics[0] an array": (with_basics([[NAMES]]), "basics[0] must be an object"),
    "names in the second entry": (with_basics([{}, NAMES]), "fname and lname are both needed here"),
    "no fname": (named(fname=...), "fname and lname are both needed here"),
    "no lname": (named(lname=...), "fname and lname are both needed here"),
    "fname empty": (named(fname=""), "must be a string that is not empty"),
    "lname empty": (named(lname=""), "must be a string that is not empty"),
    "fname null": (named(fname=None), "must be a string that is not empty"),
    "lname a number": (named(lname=1), "must be a string that is not empty"),
    "lname a list": (named(lname=["Example"]), "must be a string that is not empty"),
    **{f"basics {json.dumps(value)}": (with_basics(value), None) for value in NOT_ARRAYS},
    **{f"{name} {json.dumps(value)}": (good(**{name: value}), "must be an array")
       for name in ARRAYS for value in NOT_ARRAYS},
    **{f"skills {json.dumps(value)}": (good(skills=value), "must be an object or an array")
       for value in ("text", 1, True, None)},
}

GOOD = {
    "smallest": good(),
    "all sections empty": good(skills={}, **{name: [] for name in ARRAYS}),
    "skills as a list": good(skills=[]),
    "skills as a list of skills": good(skills=[{"long_name": "C++", "type_key": ["Full CV"]}]),
    "entries of any kind": good(**{name: ["text", 1, None, [], {}] for name in ARRAYS}),
    "skills of any kind": good(skills={"a": 1, "b": None, "c": ["text"], "d": {"e": [[], 1]}}),
    "fields of any kind": good(education=[{"institution": 1, "gpa": "good", "startDate": None}]),
    "certifications of any kind": good(workshop_and_certifications=[{"certifications": "none"}]),
    "second entry of any kind": with_basics([NAMES, "text", {}, None]),
    "names with blanks": named(fname=" ", lname="de la Cruz"),
    "names in other scripts": named(fname="مینا", lname="Größe"),
    "further names": named(mname="M.", label="no list"),
    "other top-level keys": good(hobbies=["chess"], certifications="another key", Skills=None),
    "type_key": good(projects=[{"type_key": ["Full CV"]}, {"type_key": []}]),
    "type_key that is no list": good(projects=[{"type_key": "Full CV"}, {"type_key": [1, None]}]),
    "tagged basics": named(type_key=["Full CV"]),
}


def check_text(tmp_path, text):
    """What `cv-query check` says of a file with this text."""
    (tmp_path / "mina.json").write_text(text, "utf-8")
    return run_program(tmp_path, "check", "mina.json")


def check(tmp_path, document):
    """What `cv-query check` says of the document."""
    return check_text(tmp_path, json.dumps(document, ensure_ascii=False))


def test_the_schema_is_valid():
    """It is a JSON Schema of 2020-12, and every $ref in it resolves."""
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(SCHEMA)))
    assert references == {f"#/$defs/{name}" for name in SCHEMA["$defs"]}


@pytest.mark.parametrize("path", sorted((SAMPLE / "cvs").glob("*.json")), ids=lambda path: path.name)
def test_the_sample_fits(tmp_path, path):
    """Every CV of the data folder is valid by the schema, and the program finds nothing."""
    VALIDATOR.validate(json.loads(path.read_bytes()))
    result = run_program(tmp_path, "check", path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.rstrip("\n").endswith("ok")


@pytest.mark.parametrize("path", sorted((SAMPLE / "cvs").glob("*.json")), ids=lambda path: path.name)
def test_fields_of_the_sample_are_described(path):
    """The schema names every field that the sample uses, and no section that it lacks."""
    document = json.loads(path.read_bytes())
    assert set(document) <= set(SCHEMA["properties"])
    unknown = set()

    def walk(value, schema):
        while "$ref" in schema and "properties" not in schema:
            schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        if isinstance(value, dict):
            known = dict(schema.get("properties", {}))
            if "$ref" in schema:
                known.update(SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]["properties"])
            for key, child in value.items():
                if known and key not in known:
                    unknown.add(key)
                walk(child, known.get(key, schema.get("additionalProperties", {})))
        elif isinstance(value, list):
            first = schema.get("prefixItems", [])
            for index, child in enumerate(value):
                walk(child, first[index] if index < len(first) else schema.get("items", {}))

    walk(document, SCHEMA)
    assert unknown == set()


@pytest.mark.parametrize("name", BROKEN)
def test_broken_documents_are_refused(tmp_path, name):
    """By the schema and by the program, with the message that docs/cv-format.md gives."""
    document, message = BROKEN[name]
    assert not VALIDATOR.is_valid(document)
    result = check(tmp_path, document)
    assert result.returncode == 1, result.stdout + result.stderr
    said = result.stdout + result.stderr
    assert re.search(r"mina\.json:1:[0-9]+: ", said), said
    if message:
        assert message in said
        assert f"`{message}`" in FORMAT


@pytest.mark.parametrize("name", GOOD)
def test_good_documents_are_taken(tmp_path, name):
    """By the schema and by the program."""
    VALIDATOR.validate(GOOD[name])
    result = check(tmp_path, GOOD[name])
    assert (result.returncode, result.stdout.strip()) == (0, "mina.json: ok")


@pytest.mark.parametrize("field", ["fname", "lname"])
def test_sample_without_a_name(tmp_path, field):
    """A real CV that loses one name is refused by both."""
    document = json.loads((SAMPLE / "cvs/mahsa.json").read_bytes())
    broken = copy.deepcopy(document)
    del broken["basics"][0][field]
    assert VALIDATOR.is_valid(document) and not VALIDATOR.is_valid(broken)
    assert check(tmp_path, broken).returncode == 1


@pytest.mark.parametrize("text, message", [
    ('{"basics":[{"fname":"a","lname":"b"},]}', "a value should come here, not ']'"),
    ('{"basics":[{"fname":"a","lname":"b",}]}', "a name in double quotes should come here, not '}'"),
    ('{"basics":[{"fname":"a","lname":"b"} {}]}', ", or ] should come here, not '{'"),
    ('{"basics":[{"fname":"a","lname":"b"}]} {}', "nothing may follow the value, but '{' does"),
    ('{"basics":[{"fname":"a","lname":"b","x":01}]}', "a number must not begin with 0"),
    ('{"basics":[{"fname":"a","lname":"b","x":1.}]}', "a number needs a digit after the point"),
    ('{"basics":[{"fname":"a","lname":"b","x":1e}]}', "a number needs a digit in the exponent"),
    ('{"basics":[{"fname":"a","lname":"b","x":1e999}]}', "number is not finite"),
    ('{"basics":[{"fname":"a","lname":"b', "this string does not end"),
    ('{"basics":[{"fname":"a","lname":"b\n"}]}',
     "control characters must be escaped in a string, not byte 0x0a"),
    ('{"basics":[{"fname":"a","lname":"\\x41"}]}', "an unknown escape"),
    ('{"basics":[{"fname":"a","lname":"\\ud83d"}]}', "a lone surrogate escape"),
    ('{"basics":[{"fname":"a","lname":"\\u0000\0"}]}', "a NUL byte"),
    ('{"basics":[{"fname":"a","lname":"b"}],"x":1,"\\u0078":2}', "this name occurs twice in its object"),
    ('{"basics":[{"fname":"a","lname":"b"}],"x":' + "[" * 32 + "]" * 32 + "}", "nested deeper than 32"),
    ('\ufeff{"basics":[{"fname":"a","lname":"b"}]}',
     "begins with a byte order mark; save it as UTF-8 without one"),
    ("", "the file is empty"),
])
def test_messages_of_the_format_page(tmp_path, text, message):
    """What the page says the program says, for faults that no schema can see."""
    assert f"`{message}`" in FORMAT
    result = check_text(tmp_path, text)
    assert result.returncode == 1
    assert message in result.stdout + result.stderr


def test_faults_of_the_file(tmp_path):
    """Names, links and folders that the page says are refused."""
    (tmp_path / "a-b.json").write_text(json.dumps(good()))
    (tmp_path / "folder.json").mkdir()
    latin = json.dumps(named(lname="Größe"), ensure_ascii=False).encode("latin-1")
    (tmp_path / "latin.json").write_bytes(latin)
    for name, message in (
            ("a-b.json", "the name of a CV file is PERSON.json or PERSON_de.json, _en or _fa, "
                         "with PERSON of 1 to 50 letters, digits and _ that does not end so itself"),
            ("folder.json", "not a regular file"), ("latin.json", "not UTF-8")):
        result = run_program(tmp_path, "check", name)
        assert result.returncode == 1
        assert message in result.stdout + result.stderr
        assert f"`{message}`" in FORMAT


def test_examples_of_the_format_page(tmp_path):
    """Every CV on the page is good by the schema and by the program."""
    examples = re.findall(r"^```json\n(.*?)^```$", FORMAT, re.DOTALL | re.MULTILINE)
    assert len(examples) == 2
    for text in examples:
        VALIDATOR.validate(json.loads(text))
        result = check_text(tmp_path, text)
        assert (result.returncode, result.stdout.strip()) == (0, "mina.json: ok")


def test_the_format_page_names_every_section():
    """The table of sections is the schema's."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (array|object or array)(?:, required)? \|", FORMAT, re.MULTILINE)
    kinds = {"array": "array", "object or array": ["object", "array"]}
    assert {name: kinds[kind] for name, kind in rows} == {
        name: section["type"] for name, section in SCHEMA["properties"].items()}
