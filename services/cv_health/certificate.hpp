#pragma once
#include <chrono>
#include <optional>
#include <string>

struct x509_st; // OpenSSL's X509

namespace cv {

using certificate_time = std::chrono::system_clock::time_point;

/// When the certificate ends; nothing when it does not say so properly.
std::optional<certificate_time> end_of(const x509_st* certificate);

/// When the first certificate in a PEM file ends. Nothing, and `fault` says why, when it cannot be read.
std::optional<certificate_time> end_of_file(const std::string& path, std::string& fault);

} // namespace cv
