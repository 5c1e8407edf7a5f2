#include "config/deploy_check.hpp"
#include "cv_query/edge_check.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace cv {
namespace {

/// All but forward secrecy with authenticated encryption, which is Mozilla's intermediate list.
constexpr auto weak_ciphers =
    "ALL:COMPLEMENTOFALL:!ECDHE+AESGCM:!ECDHE+CHACHA20:!DHE+AESGCM:!DHE+CHACHA20:!AESCCM:"
    "!ARIAGCM:@SECLEVEL=0";
constexpr auto any_ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";
constexpr auto dh_ciphers = "DHE:@SECLEVEL=0";
constexpr auto unknown_name = "unknown-host.invalid";

/// The connection, when the edge accepts such a handshake.
std::optional<edge_connection> shake_hands(const edge& target, const tls_wish& wish,
                                           std::string* fault = nullptr)
{
    try {
        edge_connection connection(target.addresses);
        connection.start_tls(wish);
        return connection;
    } catch (const edge_error& error) {
        if (fault)
            *fault = error.reason;
        return std::nullopt;
    }
}

void check_identity(const edge& target, const edge_connection& connection, findings& into)
{
    const auto* shown = connection.certificate();
    if (!shown) {
        into.add("cv.E037", "no certificate is shown");
        return;
    }
    check_certificate(shown, target.authority, into);
    const bool fits = target.is_address
                          ? X509_check_ip_asc(const_cast<X509*>(shown), target.host.c_str(), 0) == 1
                          : names_host(shown, target.host);
    if (!fits)
        into.add("cv.E036", target.authority + ": the certificate does not name " + target.host);
    const auto fault = connection.why_not_trusted();
    const auto is = [&fault](long code) { return fault == X509_verify_cert_error_string(code); };
    if (!fault.empty() && !is(X509_V_ERR_CERT_HAS_EXPIRED) &&
        !is(X509_V_ERR_CERT_NOT_YET_VALID)) // told already
        into.add("cv.E037", target.authority + ": " + fault);
}

} // namespace

bool check_edge_tls(const edge& target, findings& into)
{
    std::string fault, best;
    auto wish = target.wish();
    wish.verify = true;
    if (const auto normal = shake_hands(target, wish, &fault)) {
        check_identity(target, *normal, into);
        best = normal->version();
    } else {
        into.add("cv.E060", target.authority + ": " + fault);
    }
    wish = target.wish();
    wish.lowest = TLS1_VERSION;
    wish.highest = TLS1_1_VERSION;
    wish.ciphers = any_ciphers;
    if (const auto old = shake_hands(target, wish))
        into.add("cv.E040", target.authority + " accepts " + old->version() + " with " + old->cipher());
    if (best.empty())
        return false;

    wish = target.wish();
    wish.lowest = TLS1_3_VERSION;
    if (!shake_hands(target, wish))
        into.add("cv.W043", target.authority + " speaks " + best + " at most");

    wish = target.wish();
    wish.highest = TLS1_2_VERSION;
    if (const auto second = shake_hands(target, wish); second && second->has_ticket())
        into.add("cv.W042", target.authority + " gives a ticket with TLS 1.2");
    wish.ciphers = weak_ciphers;
    if (const auto weak = shake_hands(target, wish))
        into.add("cv.E041", target.authority + " accepts " + weak->cipher());
    wish.ciphers = dh_ciphers;
    if (const auto dh = shake_hands(target, wish); dh && dh->ephemeral_dh_bits() < 2048)
        into.add("cv.E041", target.authority + " uses DH parameters of " +
                                std::to_string(dh->ephemeral_dh_bits()) + " bits");

    wish = target.wish();
    wish.server_name = unknown_name;
    if (shake_hands(target, wish))
        into.add("cv.W044", std::string("for the name ") + unknown_name);
    wish.server_name.clear();
    if (!target.is_address && shake_hands(target, wish))
        into.add("cv.W044", "without a name");
    return true;
}

} // namespace cv
