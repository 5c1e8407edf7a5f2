#pragma once
#include "config/findings.hpp"
#include "config/load.hpp"

struct x509_st; // OpenSSL's X509

/// What of Django's `check --deploy` can be seen on this machine, and more of the kind.
namespace cv {

/// Holds the settings against what production asks for. Touches no file.
void check_settings(const configuration& config, findings& into);

/// Holds the files and folders that the settings name against it: modes, certificate and key.
void check_deployed_files(const configuration& config, findings& into);

/// How long the certificate lasts and how strong it is. `where` names it for people.
void check_certificate(const x509_st* certificate, const std::string& where, findings& into);

/// Whether the certificate is for this name, as browsers see it: by its subjectAltName alone (RFC 9525).
/// `.name` asks for any name below that one.
bool names_host(const x509_st* certificate, std::string_view host);

} // namespace cv
