#pragma once
#include "base/file.hpp"

#include <array>
#include <boost/beast/http/status.hpp>
#include <boost/json.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace cv::http {

using boost::beast::http::status;

/// An answer as a handler makes it: status, fields and a body that is text of its own, views into memory that
/// somebody keeps, or a part of a file. One object serves one request after the other, so that its strings
/// keep their room and the steady state does not allocate. Not thread-safe.
class response
{
public:
    static constexpr std::size_t most_pieces = 3;

    /// Empties it for the next request.
    void reset();

    /// Adds a field. Throws std::invalid_argument for a value with control bytes: a value that came from
    /// outside must never end the line it stands in.
    void set(std::string_view name, std::string_view value);

    /// The body in pieces that `keeper` keeps in place until the answer is sent.
    void set_body(std::shared_ptr<const void> keeper, std::string_view a, std::string_view b = {},
                  std::string_view c = {});
    /// A part of a file; the file must not shrink while it is sent.
    void set_file(unique_fd file, std::uint64_t offset, std::uint64_t size);
    /// An error in the form of the API contract. `detail` is left out when it is null.
    void set_error(status code, std::string_view message, boost::json::value detail = nullptr);

    std::uint64_t body_size() const;
    /// What is sent of the body from memory; empty pieces for a file.
    std::array<std::string_view, most_pieces> pieces() const;

    status code = status::ok;
    std::string fields;  ///< lines of `Name: value`, each with its CRLF
    std::string text;    ///< the body, unless set_body or set_file says otherwise
    std::string message; ///< of an error
    boost::json::value detail;
    bool is_error = false;
    bool close = false; ///< end the connection behind it

    unique_fd file;
    std::uint64_t file_offset = 0;
    std::uint64_t file_size = 0;

    std::string head;          ///< as sent; the server writes it, and a small body behind it
    std::size_t head_size = 0; ///< of the head alone

private:
    bool from_views_ = false;
    std::array<std::string_view, most_pieces> views_;
    std::shared_ptr<const void> keeper_;
};

/// The standard phrase of a status ("Not Found"), as RFC 9110 has it.
std::string_view phrase(status code);

} // namespace cv::http
