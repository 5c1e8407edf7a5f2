#include "base/file.hpp"
#include "config/deploy_check.hpp"

#include <cerrno>
#include <ctime>
#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <optional>
#include <sys/stat.h>
#include <sys/statvfs.h>

namespace cv {
namespace {

using bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using x509 = std::unique_ptr<X509, decltype(&X509_free)>;
using private_key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

std::optional<struct stat> look_at(const std::string& path)
{
    struct stat found = {};
    return ::stat(path.c_str(), &found) == 0 ? std::optional(found) : std::nullopt;
}

std::string with_mode(const std::string& path, const struct stat& found)
{
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(found.st_mode & 07777U));
    return path + ": mode " + mode;
}

bool is_mounted_read_only(const std::string& path)
{
    struct statvfs system = {};
    return ::statvfs(path.c_str(), &system) == 0 && (system.f_flag & ST_RDONLY) != 0;
}

/// The data must be somebody else's than the state, which the service's user owns.
void check_data_folder(const settings& values, findings& into)
{
    const auto state = look_at(values.state_dir);
    for (const auto* part : {"", "/cvs", "/pdfs", "/pics"}) {
        const auto path = values.data_dir + part;
        const auto found = look_at(path);
        if (!found || is_mounted_read_only(path))
            continue;
        const auto& data = *found;
        const bool own =
            state && state->st_uid != 0 && data.st_uid == state->st_uid && (data.st_mode & S_IWUSR);
        const bool group =
            state && state->st_gid != 0 && data.st_gid == state->st_gid && (data.st_mode & S_IWGRP);
        if (own || group || (data.st_mode & S_IWOTH))
            into.add("cv.W022", with_mode(path, data) + (own ? ", owned by the user of CV_STATE_DIR" : ""));
    }
}

void check_pair(const settings& values, findings& into)
{
    const auto& file = values.tls_certificate;
    const auto& key_file = values.tls_certificate_key;
    const bio text(BIO_new_file(file.c_str(), "r"), &BIO_free);
    const auto fault = text ? std::string("holds no certificate in PEM form") : errno_message(errno);
    const x509 certificate(text ? PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr) : nullptr,
                           &X509_free);
    if (!certificate)
        into.add("cv.E030", "TLS_CERTIFICATE=" + file + ": " + fault);
    else
        check_certificate(certificate.get(), file, into);
    if (key_file.empty() || key_file == "off")
        return;
    if (const auto found = look_at(key_file); found && (found->st_mode & (S_IRWXG | S_IRWXO)))
        into.add("cv.E021", with_mode(key_file, *found));
    const bio key_text(BIO_new_file(key_file.c_str(), "r"), &BIO_free);
    const auto key_fault = key_text ? std::string("holds no private key in PEM form without a passphrase")
                                    : errno_message(errno);
    // An empty passphrase, so that nobody is asked for one.
    char none[] = "";
    const private_key key(
        key_text ? PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, none) : nullptr, &EVP_PKEY_free);
    if (!key)
        into.add("cv.E030", "TLS_CERTIFICATE_KEY=" + key_file + ": " + key_fault);
    else if (certificate && X509_check_private_key(certificate.get(), key.get()) != 1)
        into.add("cv.E034", file + " and " + key_file);
}

} // namespace

void check_certificate(const x509_st* certificate, const std::string& where, findings& into)
{
    std::tm parts{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) {
        into.add("cv.E030", where + ": says no proper end");
        return;
    }
    constexpr std::time_t day = 86400;
    const auto left = ::timegm(&parts) - std::time(nullptr);
    if (left < 0)
        into.add("cv.E031", where + ": ended " + std::to_string(-left / day) + " days ago");
    else if (left < 7 * day)
        into.add("cv.E032", where + ": ends in " + std::to_string(left / day) + " days");
    else if (left < 30 * day)
        into.add("cv.W033", where + ": ends in " + std::to_string(left / day) + " days");
    // Security bits (NIST SP 800-57): 112 is RSA of 2048 bits and SHA-224.
    constexpr int least = 112;
    const auto* key = X509_get0_pubkey(certificate);
    if (key && EVP_PKEY_get_security_bits(key) < least)
        into.add("cv.W035", where + ": a key of " + std::to_string(EVP_PKEY_get_bits(key)) + " bits");
    int bits = 0;
    if (X509_get_signature_info(const_cast<X509*>(certificate), nullptr, nullptr, &bits, nullptr) == 1 &&
        bits < least)
        into.add("cv.W035", where + ": its signature's digest is weak");
}

void check_deployed_files(const configuration& config, findings& into)
{
    const auto& values = config.values;
    for (const auto& setting : config.all)
        if (setting.row->secret && !setting.file.empty())
            if (const auto found = look_at(setting.file); found && (found->st_mode & S_IRWXO))
                into.add("cv.W020", with_mode(setting.file, *found));
    for (const auto* folder : {&values.state_dir, &values.run_dir})
        if (const auto found = look_at(*folder); found && (found->st_mode & S_IWOTH))
            into.add("cv.E023", with_mode(*folder, *found));
    check_data_folder(values, into);
    if (!values.tls_certificate.empty() && values.tls_certificate != "off")
        check_pair(values, into);
}

} // namespace cv
