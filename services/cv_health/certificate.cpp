#include "cv_health/certificate.hpp"

#include "base/file.hpp"

#include <cerrno>
#include <ctime>
#include <memory>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace cv {

std::optional<certificate_time> end_of(const X509* certificate)
{
    std::tm parts{};
    if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1)
        return std::nullopt;
    return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::optional<certificate_time> end_of_file(const std::string& path, std::string& fault)
{
    const std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(path.c_str(), "r"), &BIO_free);
    if (!file) {
        fault = path + ": " + errno_message(errno);
        return std::nullopt;
    }
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr), &X509_free);
    const auto end = end_of(certificate.get());
    if (!end)
        fault = path + ": holds no certificate in PEM form";
    return end;
}

} // namespace cv
