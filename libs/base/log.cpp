#include "base/log.hpp"

#include "base/clock.hpp"
#include "base/log_file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/sinks/basic_sink_backend.hpp>
#include <boost/log/sinks/sync_frontend.hpp>
#include <boost/log/sources/record_ostream.hpp>
#include <boost/log/sources/severity_logger.hpp>
#include <boost/make_shared.hpp>
#include <unistd.h>

namespace cv::log {
namespace {

namespace logging = boost::log;
namespace sinks = boost::log::sinks;

BOOST_LOG_ATTRIBUTE_KEYWORD(severity, "Severity", level)

/// Hands finished lines to the file, which never waits.
class file_backend : public sinks::basic_formatted_sink_backend<char, sinks::concurrent_feeding>
{
public:
    file_backend(const std::string& target, bool strict) : file_(target, STDERR_FILENO, strict) {}
    void consume(const logging::record_view&, const std::string& line) { file_.write(line); }
    bool reopen() { return file_.reopen(); }
    std::uint64_t dropped() const { return file_.dropped(); }

private:
    log_file file_;
};

using sink = sinks::synchronous_sink<file_backend>;

struct state
{
    boost::shared_ptr<sink> target;
    logging::sources::severity_logger<level> logger{logging::keywords::severity = level::info};
    format style = format::verbose;
};

state& current()
{
    static state instance;
    return instance;
}

constexpr std::array<std::string_view, 5> names = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};

constexpr std::array<bool, 256> classify_plain()
{
    std::array<bool, 256> table{};
    for (std::size_t c = 0x21; c < 0x7f; ++c)
        table[c] = std::string_view("\"\\=/?*").find(static_cast<char>(c)) == std::string_view::npos;
    return table;
}

/// Appends one whole line with its line feed.
void append_line(std::string& out, format style, std::chrono::system_clock::time_point now, level value,
                 std::string_view module, std::string_view message, std::initializer_list<field> fields)
{
    if (style == format::json) {
        out += "{\"level\":\"";
        out += name(value);
        out += "\",\"time\":\"";
        out += precise_timestamp(now);
        out += "\",\"module\":\"";
        out += module;
        out += '"';
        if (!message.empty()) {
            out += ",\"message\":";
            append_json_string(out, message);
        }
        for (const auto& [key, text] : fields) {
            out += ",\"";
            out += key;
            out += "\":";
            append_json_string(out, text);
        }
        out += "}\n";
        return;
    }
    out += name(value);
    out += ' ';
    out += precise_timestamp(now);
    out += ' ';
    out += module;
    if (!message.empty()) {
        out += ' ';
        // A message of ours has no control bytes; one that quotes a library might.
        for (const char c : message)
            out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    for (const auto& [key, text] : fields) {
        out += ' ';
        out += key;
        out += '=';
        if (is_plain(text))
            out += text;
        else
            append_json_string(out, text);
    }
    out += '\n';
}

} // namespace

bool is_plain(std::string_view value)
{
    static constexpr auto plain = classify_plain();
    return !value.empty() && std::all_of(value.begin(), value.end(),
                                         [](char c) { return plain[static_cast<unsigned char>(c)]; });
}

std::string_view name(level value)
{
    return names[static_cast<std::size_t>(value)];
}

std::optional<level> level_from(std::string_view text)
{
    for (std::size_t i = 0; i < names.size(); ++i)
        if (iequals(text, names[i]))
            return static_cast<level>(i);
    return std::nullopt;
}

void start(const std::string& target, level threshold, format style, bool strict)
{
    const auto next = target == "off"
                          ? nullptr
                          : boost::make_shared<sink>(boost::make_shared<file_backend>(target, strict));
    stop();
    auto& log = current();
    log.style = style;
    log.target = next;
    if (!next)
        return;
    next->set_formatter(logging::expressions::stream << logging::expressions::smessage);
    next->set_filter(severity >= threshold);
    logging::core::get()->add_sink(next);
}

bool reopen()
{
    const auto& target = current().target;
    return !target || target->locked_backend()->reopen();
}

void set_level(level threshold)
{
    if (const auto& target = current().target)
        target->set_filter(severity >= threshold);
}

void stop()
{
    if (auto& log = current(); log.target) {
        logging::core::get()->remove_sink(log.target);
        log.target.reset();
    }
}

void write(level value, std::string_view module, std::string_view message,
           std::initializer_list<field> fields)
{
    auto& log = current();
    if (!log.target)
        return;
    if (auto record = log.logger.open_record(logging::keywords::severity = value)) {
        std::string line;
        append_line(line, log.style, std::chrono::system_clock::now(), value, module, message, fields);
        logging::record_ostream stream(record);
        stream << line;
        stream.flush();
        log.logger.push_record(std::move(record));
    }
}

std::uint64_t dropped()
{
    const auto& target = current().target;
    return target ? target->locked_backend()->dropped() : 0;
}

} // namespace cv::log
