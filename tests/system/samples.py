"""CVs of the tests' own: small ones, and ones with unusual but valid spellings."""


def cv(first="Mina", last="Test", more=""):
    """A minimal CV; `more` is further members, each with a comma before it."""
    return f'{{"basics": [{{"fname": "{first}", "lname": "{last}"}}]{more}}}'.encode("utf-8")


SMALL = {
    "mina.json": cv("Mina", more=', "education": [{"area": "A", "gpa": 3.50, "type_key": ["X"]}]'),
    "omid.json": cv("Omid"),
    "omid_de.json": cv("Omid", "Beispiel"),
}

NUMBERS = r"""{
  "basics": [ { "fname": "Num", "lname": "Bers" } ],
  "z_first": 0, "a_second": -0, "10": 10, "9": 9, "": "an empty key",
  "education": [
    { "gpa": 3.50, "type_key": [ "A" ] }, { "gpa": 1E5 }, { "gpa": 1e5 }, { "gpa": 1e+05 },
    { "gpa": -0.0 }, { "gpa": 0.10 }, { "gpa": 12345678901234567890123 }, { "gpa": 1e-400 },
    { "gpa": 1.7976931348623157e308 }, { "gpa": 4.9e-324 }, { "gpa": 100000000000000000000.0e-20 },
    { "gpa": 0E0 }, { "gpa": 0.30000000000000004441 }, { "gpa": true }, { "gpa": null }
  ]
}"""

STRINGS = r"""{
	"basics" : [
		{ "fname" : "Ren\u00e9" , "lname" : "Str\u0069ngs", "summary": "  two  spaces, no: \t tab \r\n \b \f " }
	] ,
	"esc\u0061ped" : "\u00E9 \u00e9 é \/ / \\ \" \ud83d\ude00 😀 \u0000 \u001f \u007f",
	"fa" : "می‌خواهم \u200c و\u0631",
	"white" : { } , "space" : [ ] , "deep" : [ [ ] , { } , [ [ { "a" : [ ] } ] ] ] ,
	"educ\u0061tion" : [ { "ar\u0065a" : "{[,:]}" , "t\u0079pe_key" : [ "A\u0041" , "\u0042" ] } ]
}
"""

TAGS = r"""{
  "type_key": ["root"],
  "basics": [{"fname": "Ta", "lname": "Gs", "type_key": ["A"]}],
  "profiles": [{"network": "untagged"}, {"network": "in A", "type_key": ["A"]}],
  "education": [
    {"area": "A and B", "type_key": ["A", "B"], "courses": [
      {"title": "only A", "type_key": ["A"]}, {"title": "only B", "type_key": ["B"]}]},
    {"area": "B holds A", "type_key": ["B"], "inner": {"x": 1, "type_key": ["A"]}},
    {"area": "no list", "type_key": "A"},
    {"area": "an object", "type_key": {"A": true}},
    {"area": "null", "type_key": null},
    {"area": "empty list", "type_key": []},
    {"area": "mixed list", "type_key": [1, null, "A", ["B"], 3.50]},
    {"area": "Full CV alone", "type_key": ["Full CV"]}
  ],
  "skills": {
    "Empty before": {}, "Empty list before": [],
    "Category": {"Sub A": [{"s": 1, "type_key": ["A"]}], "Sub B": [{"s": 2, "type_key": ["B"]}],
                 "Sub empty": []},
    "Only B": {"Sub": [{"s": 3, "type_key": ["B"]}], "note": "a scalar holds no group"},
    "Nested lists": [[[{"s": 4, "type_key": ["A"]}]], [{"s": 5, "type_key": ["B"]}]],
    "With scalars": ["kept", {"s": 6, "type_key": ["B"]}]
  },
  "workshop_and_certifications": [
    {"issuer": "I1", "certifications": [{"c": 1, "type_key": ["A"]}]},
    {"issuer": "I2", "certifications": [{"c": 2, "type_key": ["B"]}, {"c": 3}]},
    {"issuer": "I3", "certifications": []}
  ],
  "publications": [{"p": 1, "type_key": ["B"]}],
  "references": [],
  "certifications": [{"another": "top-level key", "type_key": ["A"]}],
  "award": {"title": "tagged", "type_key": ["B"]},
  "interests": [{"i": 1, "type_key": ["A"]}],
  "hobbies": ["chess", {"h": 1, "type_key": ["C++"]}],
  "languages": [{"language": "Persian", "certifications": []}]
}"""

SPELT_TAGS = r"""{
  "basics": [{"fname": "Spelt", "lname": "Tags"}],
  "projects": [
    {"title": "escaped plus", "type_key": ["C\u002b\u002b"]},
    {"title": "plain plus", "type_key": ["C++"]},
    {"title": "C with two spaces", "type_key": ["C  "]},
    {"title": "Persian", "type_key": ["برنامه‌نویسی"]},
    {"title": "Persian, escaped",
     "type_key": ["\u0628\u0631\u0646\u0627\u0645\u0647\u200c\u0646\u0648\u06cc\u0633\u06cc"]},
    {"title": "emoji", "type_key": ["\ud83d\ude00"]},
    {"title": "percent", "type_key": ["100%"]},
    {"title": "percent, encoded", "type_key": ["100%25"]},
    {"title": "ampersand", "type_key": ["R&D=x;y#z?/"]},
    {"title": "quotes", "type_key": ["\"q\"", "back\\slash"]},
    {"title": "composed", "type_key": ["é"]},
    {"title": "decomposed", "type_key": ["e\u0301"]},
    {"title": "lower", "type_key": ["full cv"]},
    {"title": "blank before", "type_key": [" A"]},
    {"title": "64 bytes", "type_key": ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}
  ],
  "skills": [{"skill": "a list here", "type_key": ["C++"]}]
}"""

SKILLS_TAGGED = r"""{"basics": [{"fname": "Sk", "lname": "Ills"}],
  "skills": {"type_key": ["A"], "Group": [{"s": 1, "type_key": ["A"]}, {"s": 2, "type_key": ["B"]}]}}"""

ODD = {
    "numbers.json": NUMBERS.encode(),
    "strings.json": STRINGS.replace("\n", "\r\n").encode(),
    "tags.json": TAGS.encode(),
    "spelt.json": SPELT_TAGS.encode(),
    "tagged_skills.json": SKILLS_TAGGED.encode(),
    "english_en.json": cv("Longer", "Name"),
    "both.json": cv("Both", "Short", ', "source": "both.json"'),
    "both_en.json": cv("Both", "Long", ', "source": "both_en.json"'),
    "farsi_fa.json": cv("فارسی", "تنها"),
    "team_it.json": cv("No", "Language"),
    "team_it_de.json": cv("Keine", "Sprache"),
    "Upper.json": cv("Upper", "Case"),
    "_.json": cv("Under", "Score"),
    "007.json": cv("Dig", "Its"),
    "a" * 50 + ".json": cv("Fifty", "Letters"),
}

# What the filter must leave, written out by hand: id, members of the CV, focus, members left.
FOCUS_RULES = [
    ("tagged item goes", '"projects":[{"t":1,"type_key":["A"]},{"t":2,"type_key":["B"]}]', "A",
     '"projects":[{"t":1,"type_key":["A"]}]'),
    ("section stays as list", '"projects":[{"t":1,"type_key":["A"]}]', "B", '"projects":[]'),
    ("section stays as object", '"skills":{"C":{"S":[{"t":1,"type_key":["A"]}]}}', "B",
     '"skills":{}'),
    ("tagged section stays", '"skills":{"type_key":["A"],"C":[1]}', "B", '"skills":{}'),
    ("untagged stays", '"experiences":[{"role":"R"},{"role":"S","type_key":["A"]}]', "B",
     '"experiences":[{"role":"R"}]'),
    ("full CV keeps all", '"projects":[{"t":1,"type_key":["A"]},{"t":2}]', "Full CV",
     '"projects":[{"t":1,"type_key":["A"]},{"t":2}]'),
    ("sub-category, then category", '"skills":{"C":{"S":[{"t":1,"type_key":["A"]}]},"D":[1]}', "B",
     '"skills":{"D":[1]}'),
    ("category with one left", '"skills":{"C":{"S":[{"t":1,"type_key":["A"]}],"T":[]}}', "B",
     '"skills":{"C":{"T":[]}}'),
    ("empty before stays", '"skills":{"C":{},"D":[]}', "B", '"skills":{"C":{},"D":[]}'),
    ("issuer goes",
     '"workshop_and_certifications":[{"issuer":"I","certifications":[{"t":1,"type_key":["A"]}]},'
     '{"issuer":"J","certifications":[{"t":2}]}]', "B",
     '"workshop_and_certifications":[{"issuer":"J","certifications":[{"t":2}]}]'),
    ("issuer that was empty stays",
     '"workshop_and_certifications":[{"issuer":"I","certifications":[]}]', "B",
     '"workshop_and_certifications":[{"issuer":"I","certifications":[]}]'),
    ("what a kept item holds is filtered",
     '"projects":[{"type_key":["A"],"parts":[{"t":1,"type_key":["A"]},{"t":2,"type_key":["B"]}]}]',
     "A", '"projects":[{"type_key":["A"],"parts":[{"t":1,"type_key":["A"]}]}]'),
    ("kept item stays without its parts",
     '"projects":[{"type_key":["A"],"part":{"t":1,"type_key":["B"]}}]', "A",
     '"projects":[{"type_key":["A"]}]'),
    ("type_key that is no list", '"projects":[{"type_key":"A"},{"type_key":null}]', "B",
     '"projects":[{"type_key":"A"},{"type_key":null}]'),
    ("empty type_key list", '"projects":[{"type_key":[]}]', "A", '"projects":[]'),
    ("escaped tag", r'"projects":[{"type_key":["\u0041"]}]', "A",
     r'"projects":[{"type_key":["\u0041"]}]'),
    ("escaped type_key", r'"projects":[{"type\u005fkey":["A"]}]', "B", '"projects":[]'),
    ("other key goes when emptied", '"hobbies":[{"type_key":["A"]}],"motto":"m"', "B", '"motto":"m"'),
    ("other tagged object goes", '"award":{"type_key":["A"]},"motto":"m"', "B", '"motto":"m"'),
    ("root is never taken", '"type_key":["A"],"motto":"m"', "B", '"type_key":["A"],"motto":"m"'),
    ("scalars of a list hold it", '"hobbies":["chess",{"type_key":["A"]}]', "B",
     '"hobbies":["chess"]'),
    ("case matters", '"projects":[{"type_key":["a"]}]', "A", '"projects":[]'),
    ("type_key alone in a group", '"hobbies":[[{"type_key":["A"]}],[[]]]', "B", '"hobbies":[[[]]]'),
]
