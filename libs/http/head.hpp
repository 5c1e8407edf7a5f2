#pragma once
#include "health/counters.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

/// The strict reading of a request head. Beast's parser accepts much that a careful server must not (see
/// docs/decisions/0004), so every head passes here first, byte for byte as it came. Pure and thread-safe.
namespace cv::http {

inline constexpr std::size_t largest_head = 16 * 1024; ///< bytes, with the empty line that ends it
inline constexpr std::size_t longest_target = 4094;    ///< bytes
inline constexpr std::size_t most_fields = 100;

/// Looks for the end of a head in bytes that arrive piece by piece, and refuses at once what no head may
/// hold: control bytes, a CR or LF alone, too much of anything.
class head_scanner
{
public:
    enum class progress
    {
        incomplete,
        complete,
        refused
    };

    /// `received`: all bytes since the head's start; those of earlier calls are not looked at again.
    progress scan(std::string_view received);

    /// Of a complete head: where it begins (one empty line before it is tolerated, RFC 9112 section 2.2) and
    /// ends.
    std::size_t begin() const { return begin_; }
    std::size_t end() const { return position_; }
    /// Of a refused one.
    head_refusal why() const { return why_; }

private:
    progress refuse(head_refusal why);

    std::size_t position_ = 0;
    std::size_t begin_ = 0;
    std::size_t line_ = 0;  ///< where the current line begins
    std::size_t lines_ = 0; ///< complete lines
    head_refusal why_ = head_refusal::malformed;
};

/// What the request line and the fields that frame a message say. Views into the head.
struct head
{
    std::string_view method;
    std::string_view target;    ///< as sent
    std::string_view path;      ///< from its first `/`; `*` for `OPTIONS *`
    std::string_view query;     ///< behind `?`, undecoded
    std::string_view host;      ///< of the absolute form, else of Host; with its port
    std::string_view host_name; ///< the same without port
    bool has_query = false;
    bool http11 = true;
    bool keep_alive = true;      ///< as the client wishes it
    bool announces_body = false; ///< Transfer-Encoding, or a Content-Length other than 0
};

/// Holds a complete head (from its first byte through its empty line) against RFC 9110 and 9112 and the
/// limits above; the reason when it must be refused.
std::optional<head_refusal> read_head(std::string_view text, head& out);

/// What the bytes of a refused head seem to say, for the logs alone: nothing may be decided by it. Parts that
/// are not there are empty, and each is cut to a length fit for a log.
struct claimed_head
{
    std::string_view method;
    std::string_view target;
    std::string_view host;
};
claimed_head read_claims(std::string_view text);

} // namespace cv::http
