#include "base/compress.hpp"

#include <brotli/encode.h>
#include <libdeflate.h>
#include <memory>
#include <new>

namespace cv {

std::string compress_br(std::string_view text, int quality)
{
    std::string out(BrotliEncoderMaxCompressedSize(text.size()), '\0');
    auto size = out.size();
    if (BrotliEncoderCompress(quality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, text.size(),
                              reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                              reinterpret_cast<std::uint8_t*>(out.data())) != BROTLI_TRUE)
        throw std::bad_alloc();
    out.resize(size);
    return out;
}

std::string compress_gzip(std::string_view text, int level)
{
    const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
        libdeflate_alloc_compressor(level), &libdeflate_free_compressor);
    if (!compressor)
        throw std::bad_alloc();
    std::string out(libdeflate_gzip_compress_bound(compressor.get(), text.size()), '\0');
    out.resize(libdeflate_gzip_compress(compressor.get(), text.data(), text.size(), out.data(), out.size()));
    return out;
}

std::string compressor_versions()
{
    return "brotli " + std::to_string(BrotliEncoderVersion()) + ", libdeflate " LIBDEFLATE_VERSION_STRING;
}

} // namespace cv
