#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace cv {

/// A SHA-256 value (FIPS 180-4).
using sha256_digest = std::array<std::uint8_t, 32>;

/// SHA-256 of the parts, one after the other. Throws std::runtime_error when OpenSSL cannot provide it.
sha256_digest sha256(std::initializer_list<std::string_view> parts);

/// HMAC-SHA-256 of `message` (RFC 2104). Throws likewise.
sha256_digest hmac_sha256(std::string_view key, std::string_view message);

/// Whether both are the same, in a time that does not tell how much of them is.
bool equal_in_constant_time(std::string_view a, std::string_view b);

/// The digest in lower-case hexadecimal, as `sha256sum` prints it.
std::string to_hex(const sha256_digest& digest);

/// Fills `size` bytes at `data` from the kernel's random source. Throws std::runtime_error when it fails.
void random_bytes(void* data, std::size_t size);

} // namespace cv
