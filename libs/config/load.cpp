#include "config/load.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace cv {
namespace {

constexpr std::size_t longest_file = 1024 * 1024;

bool read_file(const std::string& path, std::string& content)
{
    const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    return fd && read_all(fd.get(), longest_file, content);
}

/// KEY=VALUE lines as systemd and compose read them: `#` comments, `export`, one pair of quotes around a
/// value.
void read_settings_file(const std::string& path, name_values& into, std::vector<std::string>& problems)
{
    std::string content;
    if (!read_file(path, content)) {
        problems.push_back("cannot read the settings file " + path + ": " + errno_message(errno));
        return;
    }
    std::size_t number = 0;
    for (std::string_view rest = content; !rest.empty();) {
        const auto end = rest.find('\n');
        auto line = trim(rest.substr(0, end));
        rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
        ++number;
        if (line.empty() || line.front() == '#')
            continue;
        if (line.starts_with("export "))
            line = trim(line.substr(7));
        const auto equals = line.find('=');
        if (equals == line.npos || equals == 0) {
            problems.push_back(path + ":" + std::to_string(number) + ": a line is NAME=VALUE or a # comment");
            continue;
        }
        auto value = trim(line.substr(equals + 1));
        if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
            value.back() == value.front())
            value = value.substr(1, value.size() - 2);
        into[std::string(trim(line.substr(0, equals)))] = value;
    }
}

const std::string* find(const name_values& from, std::string_view name)
{
    const auto found = from.find(name);
    return found == from.end() ? nullptr : &found->second;
}

/// One source after the other, until a setting has a value.
class resolver
{
public:
    resolver(const name_values& flags, const name_values& environment, const name_values& file,
             std::string file_name, std::vector<std::string>& problems)
        : flags_(flags), environment_(environment), file_(file), file_name_(std::move(file_name)),
          problems_(problems)
    {
    }

    effective_setting resolve(const setting_row& row, std::string_view fallback)
    {
        effective_setting result{&row, std::string(fallback), "default"};
        const auto take = [&](const std::string* value, std::string_view source) {
            if (!value || (value->empty() && !row.empty_counts))
                return false;
            result.value = *value;
            result.source = source;
            return true;
        };
        const auto take_line = [&](const std::string* value) {
            if (!take(value, file_name_))
                return false;
            result.file = file_name_;
            return true;
        };
        const auto take_file = [&](const std::string* path) {
            if (!path || path->empty())
                return false;
            const auto name = std::string(row.name) + "_FILE";
            std::string content;
            if (!read_file(*path, content)) {
                problems_.push_back(name + ": cannot read " + *path + ": " + errno_message(errno));
                return false;
            }
            result.value = trim(content);
            result.source = name;
            result.file = *path;
            return true;
        };
        const auto file_variable = std::string(row.name) + "_FILE";
        (void)(take(find(flags_, row.name), "flag") || take(find(environment_, row.name), "environment") ||
               take_file(find(environment_, file_variable)) || take_line(find(file_, row.name)) ||
               take_file(find(file_, file_variable)));
        return result;
    }

private:
    const name_values& flags_;
    const name_values& environment_;
    const name_values& file_;
    std::string file_name_;
    std::vector<std::string>& problems_;
};

std::string describe_problem(const effective_setting& setting)
{
    std::string line(setting.row->name);
    if (!setting.row->secret) {
        line += '=';
        append_json_string(line, setting.value);
    }
    return line + " (" + setting.source + ") is not allowed; allowed: " + std::string(setting.row->allowed);
}

void warn_of_unknown(const name_values& from, std::string_view source, std::vector<std::string>& warnings)
{
    const auto& table = setting_table();
    for (const auto& one : from) {
        const auto& name = one.first;
        if (!name.starts_with("CV_"))
            continue;
        const auto known = std::any_of(table.begin(), table.end(), [&name](const setting_row& row) {
            return name == row.name || name == std::string(row.name) + "_FILE";
        });
        if (!known)
            warnings.push_back(name + " (" + std::string(source) + ") is not a setting; see --help");
    }
}

} // namespace

std::string effective_setting::shown() const
{
    return row->secret && !value.empty() ? "(hidden)" : value;
}

name_values process_environment()
{
    name_values result;
    for (char** entry = environ; entry && *entry; ++entry) {
        const std::string_view text = *entry;
        const auto equals = text.find('=');
        if (equals != text.npos)
            result.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return result;
}

configuration load_configuration(const name_values& flags, const name_values& environment,
                                 const std::string& config_file)
{
    configuration result;
    name_values file;
    if (!config_file.empty())
        read_settings_file(config_file, file, result.problems);
    resolver sources(flags, environment, file, config_file, result.problems);

    for (const auto& row : setting_table()) {
        // CV_ENV is the first row, so every other default is picked by it.
        const bool production = result.values.env == run_environment::production;
        auto fallback = production ? row.production : row.development;
        if (row.name == "LOG_LEVEL" && result.values.debug)
            fallback = "debug";
        auto setting = sources.resolve(row, fallback);
        const bool absent = setting.value.empty() && setting.is_default();
        if (absent && row.required)
            result.missing.push_back(std::string(row.name) +
                                     " is required and not set; allowed: " + std::string(row.allowed));
        else if (!absent && !row.read(result.values, setting.value))
            result.problems.push_back(describe_problem(setting));
        result.all.push_back(std::move(setting));
    }
    if (result.values.port != 0)
        for (auto& where : result.values.bind)
            if (!where.is_unix())
                where.port = result.values.port;
    warn_of_unknown(environment, "environment", result.warnings);
    warn_of_unknown(file, config_file, result.warnings);
    return result;
}

} // namespace cv
