#include "config/deploy_check.hpp"
#include "cv_query/edge_check.hpp"

#include <catch2/catch.hpp>

using namespace cv;

namespace {

constexpr auto secret = "Ahf3ieW0Zaeghai7Iequ4oochoaf1eiQu6aiphah5ooSh7aiwie2";

/// Settings with which nothing is found; `other` replaces some of them.
findings check(const name_values& other)
{
    name_values environment{{"SECRET_KEY", secret},
                            {"ALLOWED_HOSTS", "cv.example.org"},
                            {"BIND", "unix:/run/cv.sock"},
                            {"TLS_CERTIFICATE", "/cert.pem"},
                            {"TLS_CERTIFICATE_KEY", "/key.pem"},
                            {"SECURE_HSTS_PRELOAD", "true"}};
    for (const auto& [name, value] : other)
        environment[name] = value;
    findings found;
    check_settings(load_configuration({}, environment, ""), found);
    return found;
}

bool names(const findings& found, std::string_view id)
{
    return found.json("").find("\"id\":\"" + std::string(id) + "\"") != std::string::npos;
}

edge_answer good_answer()
{
    edge_answer answer;
    answer.status = 200;
    for (const auto& [name, value] :
         {std::pair{"Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload"},
          {"X-Content-Type-Options", "nosniff"},
          {"X-Frame-Options", "DENY"},
          {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
          {"Referrer-Policy", "no-referrer, same-origin"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Embedder-Policy", "require-corp"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Permissions-Policy", "camera=()"}})
        answer.fields.insert(name, value);
    return answer;
}

findings check(const edge_answer& answer)
{
    findings found;
    check_answer_headers(answer, "GET / (200)", found);
    return found;
}

} // namespace

TEST_CASE("good settings give no finding")
{
    CHECK(check(name_values()).text() == "nothing found\n");
    CHECK_FALSE(check(name_values()).failed());
}

TEST_CASE("bad and missing settings are findings, and a secret is in none")
{
    CHECK(names(check({{"SECRET_KEY", ""}}), "security.W009"));
    CHECK(names(check({{"ALLOWED_HOSTS", ""}}), "security.W020"));
    CHECK(names(check({{"WEB_CONCURRENCY", "none"}}), "cv.E001"));
    const auto found = check({{"SECRET_KEY", "hunter2"}});
    CHECK(names(found, "security.W009"));
    CHECK(found.json("").find("hunter2") == std::string::npos);
    CHECK(found.text().find("hunter2") == std::string::npos);
    CHECK(names(check({{"CV_ENV", "testing"}, {"SECRET_KEY", ""}}), "security.W009"));
}

TEST_CASE("what is silenced fails nothing and stays in the report with its reason")
{
    auto found = check({{"DEBUG", "true"}, {"LOG_LEVEL", "info"}});
    CHECK(found.failed());
    CHECK_FALSE(found.silence("security.W999", "no such id"));
    REQUIRE(found.silence("security.W018", "a \"lab\""));
    CHECK_FALSE(found.failed());
    CHECK(found.json("").find(R"("silenced":"a \"lab\"")") != std::string::npos);
    CHECK(found.text().find("security.W018  DEBUG is on (a \"lab\")") != std::string::npos);
}

TEST_CASE("a detail is told once, and made fit for a terminal")
{
    findings found;
    found.add("cv.E061", "GET /\x1b[31m");
    found.add("cv.E061", "GET /\x1b[31m");
    CHECK(found.json("https://x").find(R"("details":["GET /\\x1b[31m"])") != std::string::npos);
}

TEST_CASE("an answer with all headers gives no finding")
{
    CHECK(check(good_answer()).text() == "nothing found\n");
}

TEST_CASE("headers that are there and protect from nothing are found")
{
    const auto with = [](const char* name, const char* value) {
        auto answer = good_answer();
        answer.fields.set(name, value);
        return check(answer);
    };
    CHECK(names(with("Strict-Transport-Security", "max-age=0"), "security.W004"));
    CHECK(names(with("Strict-Transport-Security", "max-age=\"1\""), "security.W004"));
    CHECK(names(with("Strict-Transport-Security", "includeSubDomains"), "security.W004"));
    CHECK(names(with("X-Content-Type-Options", "sniff"), "security.W006"));
    CHECK(names(with("X-Frame-Options", "ALLOW-FROM https://x"), "security.W019"));
    CHECK(names(with("Content-Security-Policy", "script-src 'self'"), "security.E026"));
    CHECK(names(with("Content-Security-Policy", "default-src *"), "cv.W050"));
    CHECK(names(with("Content-Security-Policy", "default-src 'self'; script-src 'self' 'unsafe-eval'"),
                "cv.W050"));
    CHECK(names(with("Referrer-Policy", "no-referrer, anything"), "security.E023"));
    CHECK(names(with("Cross-Origin-Resource-Policy", "any"), "cv.W052"));
    CHECK(names(with("Server", "nginx"), "cv.W054"));
    CHECK(names(with("X-Powered-By", "PHP"), "cv.W054"));
    CHECK(names(with("Set-Cookie", "a=b; Secure; HttpOnly"), "cv.W056"));
    CHECK_FALSE(names(with("Set-Cookie", "a=b; secure; httponly; SameSite=Lax"), "cv.W056"));
    auto framed = good_answer();
    framed.fields.erase("X-Frame-Options");
    CHECK_FALSE(check(framed).failed()); // frame-ancestors says it as well
    framed.fields.set("Content-Security-Policy", "default-src 'none'");
    CHECK(names(check(framed), "security.W019"));
    auto twice = good_answer();
    twice.fields.insert("X-Frame-Options", "DENY");
    CHECK(names(check(twice), "cv.W055"));
}

TEST_CASE("errors are held to their form and to silence about the inside")
{
    const auto found = [](std::string body, const char* type, const char* cache) {
        edge_answer answer;
        answer.status = 404;
        answer.body = std::move(body);
        answer.fields.set("Content-Type", type);
        answer.fields.set("Cache-Control", cache);
        findings into;
        check_error(answer, "GET /api/ (404)", true, into);
        return into;
    };
    const std::string good = R"({"error":{"code":404,"message":"Not found","request_id":"1"}})";
    CHECK_FALSE(found(good, "application/json", "no-store").failed());
    CHECK(names(found(good, "text/html", "no-store"), "cv.W074"));
    CHECK(names(found("{}", "application/json", "no-store"), "cv.W074"));
    CHECK(names(found(good, "application/json", "public"), "cv.W057"));
    CHECK(names(found("<center>nginx</center>", "text/html", "no-store"), "cv.E073"));
}

TEST_CASE("a URL names an edge, or is refused")
{
    const auto plain = parse_edge_url("https://cv.example.org/").value();
    CHECK((plain.host == "cv.example.org" && plain.port == 443 &&
           plain.wish().server_name == "cv.example.org"));
    const auto six = parse_edge_url("https://[::1]:8443").value();
    CHECK((six.host == "::1" && six.authority == "[::1]:8443" && six.port == 8443 &&
           six.wish().server_name.empty()));
    for (const auto* bad : {"", "http://a", "https://", "https://a/b", "https://a:0", "https://a:70000",
                            "https://u@a", "https://a b", "ftp://a", "https://a\r\nX: y"})
        CHECK_FALSE(parse_edge_url(bad));
}
