#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace cv {

/// A 128-bit key for `siphash`.
using siphash_key = std::array<std::uint64_t, 2>;

/// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short texts that does not allocate, unlike
/// OpenSSL's MACs, so that the request path may use it. Thread-safe.
inline std::uint64_t siphash(const siphash_key& key, std::string_view text)
{
    std::uint64_t v0 = 0x736f6d6570736575U ^ key[0];
    std::uint64_t v1 = 0x646f72616e646f6dU ^ key[1];
    std::uint64_t v2 = 0x6c7967656e657261U ^ key[0];
    std::uint64_t v3 = 0x7465646279746573U ^ key[1];
    const auto rounds = [&](int count) {
        while (count-- > 0) {
            v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
            v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
            v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
            v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
        }
    };
    const auto absorb = [&](std::uint64_t word) {
        v3 ^= word;
        rounds(2);
        v0 ^= word;
    };
    static_assert(std::endian::native == std::endian::little);
    std::uint64_t last = static_cast<std::uint64_t>(text.size()) << 56;
    for (; text.size() >= 8; text.remove_prefix(8)) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data(), 8);
        absorb(word);
    }
    std::uint64_t rest = 0;
    if (!text.empty())
        std::memcpy(&rest, text.data(), text.size());
    absorb(last | rest);
    v2 ^= 0xff;
    rounds(4);
    return v0 ^ v1 ^ v2 ^ v3;
}

} // namespace cv
