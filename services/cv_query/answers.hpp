#pragma once
#include "http/coding.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

#include <boost/json/value.hpp>
#include <string_view>

/// What several handlers of the API ask of a request and answer alike. Each is thread-safe on answers of its
/// own.
namespace cv {

/// The value of a parameter for an error's detail: the text, or all texts when `count`, how often it is
/// given, is not 1.
boost::json::value given(const http::request& in, std::string_view name, unsigned count);

/// For handlers that take no parameters: the query must be well-formed all the same. False when `out` is the
/// error.
bool query_is_good(const http::request& in, http::response& out);

/// All of the request's Accept-Encoding.
http::coding_weights weights_of(const http::request& in);

/// Sets ETag; whether the client has this representation already (RFC 9110 section 13.1.2), and is told so by
/// 304.
bool is_known(const http::request& in, http::response& out, std::string_view etag);

/// 406: the client refuses every coding there is.
void not_acceptable(http::response& out);

/// For answers that have no coded form; false when `out` is the error. Errors go out as they are, refused or
/// not.
bool takes_identity(const http::request& in, http::response& out);

/// 503: there is no CV at all to serve from.
void unavailable(http::response& out);

} // namespace cv
