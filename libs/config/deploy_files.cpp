#include "base/address.hpp"
#include "base/file.hpp"
#include "config/deploy_check.hpp"

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <optional>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>

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

/// Whom the service runs as: the owner of its state, or, before there is any, whoever checks.
struct service_user
{
    uid_t user;
    gid_t group;

    bool may_write(const struct stat& data) const
    {
        return (user != 0 && data.st_uid == user && (data.st_mode & S_IWUSR)) ||
               (group != 0 && data.st_gid == group && (data.st_mode & S_IWGRP)) || (data.st_mode & S_IWOTH);
    }
};

/// The data must be somebody else's than the state, folders and files.
void check_data_folder(const settings& values, findings& into)
{
    const auto state = look_at(values.state_dir);
    const service_user service{state ? state->st_uid : ::geteuid(), state ? state->st_gid : ::getegid()};
    for (const auto* part : {"", "/cvs", "/pdfs", "/pics"}) {
        const auto path = values.data_dir + part;
        const auto found = look_at(path);
        if (!found || is_mounted_read_only(path))
            continue;
        const auto about = [&service](const std::string& place, const struct stat& data) {
            return with_mode(place, data) +
                   (data.st_uid == service.user ? ", owned by the service's user" : "");
        };
        if (service.may_write(*found))
            into.add("cv.W022", about(path, *found));
        std::size_t count = 0;
        std::string first;
        std::error_code unreadable;
        for (const auto& entry : std::filesystem::directory_iterator(path, unreadable))
            if (const auto file = look_at(entry.path()); // of a folder its own turn tells
                file && S_ISREG(file->st_mode) && service.may_write(*file) && count++ == 0)
                first = about(entry.path(), *file);
        if (count > 0)
            into.add("cv.W022", first + (count > 1 ? ", and " + std::to_string(count - 1) + " more" : ""));
    }
}

/// Whether the certificate is for any of the hosts, as far as those are names.
void check_names(const x509_st* certificate, const std::string& where, const settings& values, findings& into)
{
    std::string names;
    for (std::string_view host : values.allowed_hosts) {
        if (host == "*" || host.starts_with('[') || parse_ip(host))
            continue;
        if (names_host(certificate, host) ||
            (host.starts_with('.') && names_host(certificate, host.substr(1))))
            return;
        names += (names.empty() ? "" : ", ") + std::string(host);
    }
    if (!names.empty())
        into.add("cv.E036", where + ": the certificate names none of ALLOWED_HOSTS (" + names + ")");
}

void check_pair(const settings& values, findings& into)
{
    const auto& file = values.tls_certificate;
    const auto& key_file = values.tls_certificate_key;
    const bio text(BIO_new_file(file.c_str(), "r"), &BIO_free);
    const auto fault = text ? std::string("holds no certificate in PEM form") : errno_message(errno);
    const x509 certificate(text ? PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr) : nullptr,
                           &X509_free);
    if (!certificate) {
        into.add("cv.E030", "TLS_CERTIFICATE=" + file + ": " + fault);
    } else {
        check_certificate(certificate.get(), file, into);
        check_names(certificate.get(), file, values, into);
    }
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
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        into.add("cv.E031", where + ": is not valid yet");
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

bool names_host(const x509_st* certificate, std::string_view host)
{
    constexpr unsigned rules = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    auto* shown = const_cast<X509*>(certificate); // which OpenSSL only looks at
    return X509_check_host(shown, host.data(), host.size(), rules, nullptr) == 1;
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
