#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

/// The log of errors and events. The only place that names Boost.Log; access lines have a writer of their own
/// (base/access_log.hpp), since a Boost.Log record allocates.
///
/// Rules for callers: never a secret, never CV content; what a client sent only through `field`, which is
/// escaped.
namespace cv::log {

/// As Python's logging has them.
enum class level
{
    debug,
    info,
    warning,
    error,
    critical
};

/// `verbose`: `LEVEL time module message key=value …`; `json`: one object a line.
enum class format
{
    verbose,
    json
};

/// The level's name in upper case.
std::string_view name(level value);
/// The level with that name in any case; nothing for another word.
std::optional<level> level_from(std::string_view text);

/// A named value behind the message. `text` may be anything; it is escaped when written.
struct field
{
    std::string_view key;
    std::string_view text;
};

/// Starts logging to `target` (a path, `-` for standard error, `off`) at `threshold` and above. Call it after
/// fork(), once a process; before it, and after stop(), nothing is written. Throws std::runtime_error when
/// the path cannot be opened.
/// Unless `strict`: then lines are dropped and counted until it can be. What was started before goes on when
/// it throws.
void start(const std::string& target, level threshold, format style, bool strict = true);

/// Ends logging and closes its file. Harmless when not started.
void stop();

/// Opens the target again, as after the file has been moved away; the one before is kept when it cannot be,
/// and false is returned.
bool reopen();

/// Another threshold from now on.
void set_level(level threshold);

/// Writes one line. `module` is the part of the program that speaks. Thread-safe; never waits.
void write(level value, std::string_view module, std::string_view message,
           std::initializer_list<field> fields = {});

/// Lines dropped because the target did not take them.
std::uint64_t dropped();

/// Whether a value stands in a verbose line as it is; others are quoted as JSON strings.
bool is_plain(std::string_view value);

} // namespace cv::log
