#include "base/digest.hpp"

#include "base/text.hpp"

#include <memory>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdexcept>
#include <sys/random.h>

namespace cv {

sha256_digest sha256(std::initializer_list<std::string_view> parts)
{
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    sha256_digest digest{};
    bool good = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
    for (const auto part : parts)
        good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
    if (!good || EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1)
        throw std::runtime_error("OpenSSL does not provide SHA-256");
    return digest;
}

sha256_digest hmac_sha256(std::string_view key, std::string_view message)
{
    sha256_digest digest{};
    unsigned size = 0;
    if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
              reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(), &size))
        throw std::runtime_error("OpenSSL does not provide HMAC with SHA-256");
    return digest;
}

bool equal_in_constant_time(std::string_view a, std::string_view b)
{
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_hex(const sha256_digest& digest)
{
    std::string text;
    append_hex(text, digest);
    return text;
}

void random_bytes(void* data, std::size_t size)
{
    // Requests of up to 256 bytes are never cut short (getrandom(2)).
    if (size > 256 || ::getrandom(data, size, 0) != static_cast<ssize_t>(size))
        throw std::runtime_error("the kernel gives no random bytes");
}

} // namespace cv
