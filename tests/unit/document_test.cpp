#include "cv_query/record.hpp"

#include <catch2/catch.hpp>

using namespace cv;

namespace {

const std::string names = R"("basics":[{"fname":"A","lname":"B"}])";

/// What a focus leaves of a CV that holds these members besides its names.
std::string focused(const std::string& members, std::string_view focus)
{
    compiled_document document;
    const auto error = compile_document("{" + names + "," + members + "}", document);
    REQUIRE_FALSE(error);
    const auto record = encode_record(document, std::string(32, '0'), {});
    std::string out;
    document_view(record).focus(focus, out);
    REQUIRE(out.starts_with("{" + names + ","));
    return out.substr(names.size() + 2, out.size() - names.size() - 3);
}

} // namespace

TEST_CASE("the file's own spelling is kept")
{
    compiled_document document;
    REQUIRE_FALSE(compile_document("{ " + names + " ,\n \"x\" : [ 3.50, 1E5, \"\\u00e9\" ] }\n", document));
    CHECK(document.text == "{" + names + R"(,"x":[3.50,1E5,"\u00e9"]})");
}

TEST_CASE("a focus takes tagged items and the groups they leave empty")
{
    CHECK(focused(R"("projects":[{"type_key":["a"]},{"n":1},{"type_key":["b"]}])", "b") ==
          R"("projects":[{"n":1},{"type_key":["b"]}])");
    CHECK(focused(R"("projects":[{"type_key":["a"]}],"skills":{"C":{"s":[{"type_key":["a"]}],"t":[]}})",
                  "b") == R"("projects":[],"skills":{"C":{"t":[]}})");
    CHECK(focused(R"("skills":{"C":{"s":[{"type_key":["a"]}]}})", "b") == R"("skills":{})");
    CHECK(focused(R"("x":[{"type_key":["a"]}],"y":1)", "b") == R"("y":1)");
    CHECK(focused(R"("projects":[{"type_key":["b"],"parts":[{"type_key":["a"]}]}])", "b") ==
          R"("projects":[{"type_key":["b"],"parts":[]}])");
    CHECK(focused(R"("projects":[{"type_key":["\u0062"]},{"type_key":"b"}])", "b") ==
          R"("projects":[{"type_key":["\u0062"]},{"type_key":"b"}])");
}

TEST_CASE("a fault is told with its place")
{
    compiled_document document;
    const auto error = compile_document("{" + names + ",\n\"education\":[{\"gpa\":1e999}]}", document);
    REQUIRE(error);
    CHECK(to_string(*error, "a.json") == "a.json:2:21: at /education/0/gpa: number is not finite");
    for (const std::string bad :
         {"", "[]", "{}", "{\"a\":1,\"\\u0061\":2}", "{\"a\":tru}", "{\"a\":01}", "{\"a\":1,}"})
        CHECK(compile_document(bad, document));
}
