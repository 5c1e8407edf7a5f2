#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace cv {

/// Where and why a text is not JSON that we take.
struct json_error
{
    std::size_t offset = 0;
    std::string reason;
};

/// Reads the tokens of a JSON text (RFC 8259) and hands out the source's own spelling. Stricter than most
/// readers: numbers must be finite as IEEE doubles and escaped surrogates must come in pairs, because clients
/// choke on what others let pass. Throws json_error. The source must be UTF-8 and outlive the reader.
class json_reader
{
public:
    explicit json_reader(std::string_view source) : source_(source) {}

    std::size_t offset() const { return offset_; }

    /// The next byte after any white space; '\0' at the end (a NUL byte in the text is an error).
    char peek();

    /// Takes `c`, which must come next; `what` names it in the error.
    void expect(char c, std::string_view what);

    /// A string with its quotes as spelt; `decoded` is replaced by what it means.
    std::string_view read_string(std::string& decoded);

    std::string_view read_number();
    std::string_view read_literal(); ///< true, false or null

    /// Nothing but white space may follow.
    void expect_end();

    [[noreturn]] void fail(std::string reason) const { throw json_error{offset_, std::move(reason)}; }

private:
    unsigned read_hex4();
    void read_escape(std::string& decoded);
    void skip_digits(std::string_view where);

    std::string_view source_;
    std::size_t offset_ = 0;
};

} // namespace cv
