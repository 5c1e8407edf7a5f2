#pragma once
#include <string>
#include <string_view>

/// Content codings (RFC 9110 section 8.4.1). Each returns a whole coded body and throws std::bad_alloc when
/// it cannot; the same input gives the same bytes with the same library. Thread-safe.
namespace cv {

/// Brotli (RFC 7932); `quality` from 0 to 11.
std::string compress_br(std::string_view text, int quality);

/// gzip (RFC 1952) without a time stamp; `level` from 1 to 12.
std::string compress_gzip(std::string_view text, int level);

/// The compressors' names and versions: another compressor may write other bytes.
std::string compressor_versions();

} // namespace cv
