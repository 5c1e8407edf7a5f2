#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace cv::http {

enum class coding
{
    identity,
    gzip,
    br
};

/// The value of Content-Encoding.
std::string_view name(coding value);

/// How much a client wants each coding: 0 (not at all) to 1000, from Accept-Encoding (RFC 9110
/// section 12.5.3).
class coding_weights
{
public:
    /// Takes one field's value in; a request may carry several.
    void add(std::string_view accept_encoding);

    /// What to send: the heaviest, `br` before `gzip` before identity at equal weight. With `coded` false
    /// only identity is there to be sent. Nothing when the client refuses all there is.
    std::optional<coding> choose(bool coded = true) const;

    bool accepts_identity() const { return identity() > 0; }

private:
    int identity() const;
    int weight(int own) const { return own >= 0 ? own : any_ > 0 ? any_ : 0; }

    // Below 0: not named.
    int br_ = -1;
    int gzip_ = -1;
    int identity_ = -1;
    int any_ = -1;
};

} // namespace cv::http
