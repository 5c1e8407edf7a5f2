#include "cv_query/document.hpp"

#include "base/text.hpp"
#include "cv_query/json_reader.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>
#include <utility>

namespace cv {
namespace {

enum class kind
{
    string,
    scalar,
    array,
    object
};

/// What a value turned out to be, as its parent needs to know it.
struct outcome
{
    kind what = kind::scalar;
    bool is_node = false;
    bool is_empty = false; ///< an empty string
};

/// One step of the way to the value being read: a member's name or an element's index.
struct path_step
{
    std::string_view name;
    std::size_t index = 0;
    bool is_index = false;
};

class compiler
{
public:
    compiler(std::string_view source, compiled_document& out) : reader_(source), out_(out) {}

    void run()
    {
        if (reader_.peek() != '{')
            reader_.fail("a CV is a JSON object; the text must begin with {");
        object(0, focus_node::root);
        reader_.expect_end();
        if (!has_names_)
            throw json_error{0, "basics is missing; a CV needs basics[0].fname and basics[0].lname"};
    }

    std::string pointer() const
    {
        std::string text;
        for (const auto& step : path_) {
            text += '/';
            if (step.is_index) {
                append_number(text, step.index);
                continue;
            }
            for (const char c : step.name)
                text += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
        }
        return text;
    }

private:
    /// Reads the value of the member or element that begins at `begin` of the text.
    outcome value(std::size_t begin, std::uint32_t flags)
    {
        switch (const char c = reader_.peek(); c) {
        case '{':
            return {kind::object, object(begin, flags)};
        case '[':
            return {kind::array, array(begin, flags)};
        case '"':
            out_.text += reader_.read_string(decoded_);
            return {kind::string, false, decoded_.empty()};
        default:
            out_.text += c == '-' || (c >= '0' && c <= '9') ? reader_.read_number() : reader_.read_literal();
            return {};
        }
    }

    std::uint32_t open(std::size_t begin, std::uint32_t flags)
    {
        if (++depth_ > deepest_document)
            reader_.fail("nested deeper than " + std::to_string(deepest_document));
        focus_node node;
        node.begin = static_cast<std::uint32_t>(begin);
        node.value = static_cast<std::uint32_t>(out_.text.size());
        node.flags = flags;
        out_.nodes.push_back(node);
        return static_cast<std::uint32_t>(out_.nodes.size() - 1);
    }

    /// Ends the container at `index`; whether it stays a node.
    bool close(std::uint32_t index, std::uint32_t others)
    {
        --depth_;
        auto& node = out_.nodes[index];
        node.end = static_cast<std::uint32_t>(out_.text.size());
        node.next = static_cast<std::uint32_t>(out_.nodes.size());
        node.others = others;
        const bool needed =
            node.next > index + 1 || (node.flags & (focus_node::tagged | focus_node::root)) != 0;
        if (!needed)
            out_.nodes.pop_back();
        return needed;
    }

    bool array(std::size_t begin, std::uint32_t flags)
    {
        auto* const collected = std::exchange(collect_tags_, nullptr);
        const auto index = open(begin, flags);
        std::uint32_t others = 0;
        reader_.expect('[', "[");
        out_.text += '[';
        path_.push_back({{}, 0, true});
        if (reader_.peek() != ']') {
            for (;;) {
                const auto element = value(out_.text.size(), 0);
                others += element.is_node ? 0 : 1;
                if (collected && element.what == kind::string)
                    collected->push_back(tag(decoded_));
                if (path_.size() == 2 && path_[0].name == "basics" && path_[1].index == 0 &&
                    element.what != kind::object)
                    reader_.fail("basics[0] must be an object");
                if (reader_.peek() != ',')
                    break;
                reader_.expect(',', ",");
                out_.text += ',';
                ++path_.back().index;
            }
        } else if (path_.size() == 2 && path_[0].name == "basics") {
            path_.pop_back();
            reader_.fail("basics must not be empty; a CV needs basics[0].fname and basics[0].lname");
        }
        path_.pop_back();
        reader_.expect(']', ", or ]");
        out_.text += ']';
        return close(index, others);
    }

    bool object(std::size_t begin, std::uint32_t flags)
    {
        const auto start = reader_.offset();
        const auto index = open(begin, flags);
        const auto first_key = keys_.size();
        const bool is_names =
            path_.size() == 2 && path_[0].name == "basics" && path_[1].is_index && path_[1].index == 0;
        std::vector<std::uint32_t> tags;
        std::uint32_t others = 0;
        unsigned names = 0;
        reader_.expect('{', "{");
        out_.text += '{';
        if (reader_.peek() != '}') {
            for (;;) {
                const auto member = out_.text.size();
                const auto name = key();
                if (name == "type_key" && reader_.peek() == '[') {
                    out_.nodes[index].flags |= focus_node::tagged;
                    collect_tags_ = &tags;
                }
                const auto section = depth_ == 1 ? section_from_key(name) : std::nullopt;
                const auto node = static_cast<std::uint32_t>(out_.nodes.size());
                const auto at = reader_.offset();
                const auto result = value(member, section ? std::uint32_t{focus_node::section} : 0);
                if (section)
                    note_section(*section, member, result, node, at);
                if (is_names && (name == "fname" || name == "lname")) {
                    if (result.what != kind::string || result.is_empty)
                        throw json_error{at, "must be a string that is not empty"};
                    ++names;
                }
                if (!result.is_node && (result.what == kind::array || result.what == kind::object))
                    ++others;
                path_.pop_back();
                if (reader_.peek() != ',')
                    break;
                reader_.expect(',', ",");
                out_.text += ',';
            }
        }
        reader_.expect('}', ", or }");
        out_.text += '}';
        refuse_duplicates(first_key);
        if (is_names && names < 2)
            throw json_error{start, "fname and lname are both needed here"};
        has_names_ = has_names_ || is_names;
        if ((out_.nodes[index].flags & focus_node::tagged) != 0) {
            out_.nodes[index].tags_begin = static_cast<std::uint32_t>(out_.tags.size());
            out_.tags.insert(out_.tags.end(), tags.begin(), tags.end());
            out_.nodes[index].tags_end = static_cast<std::uint32_t>(out_.tags.size());
        }
        return close(index, others);
    }

    /// Reads a member's name and its colon, and steps into it.
    std::string_view key()
    {
        if (reader_.peek() != '"')
            reader_.expect('"', "a name in double quotes");
        const auto offset = reader_.offset();
        const auto raw = reader_.read_string(decoded_);
        out_.text += raw;
        auto name = raw.substr(1, raw.size() - 2);
        if (name != decoded_)
            name = escaped_.emplace_back(decoded_);
        keys_.push_back({name, offset});
        path_.push_back({name});
        reader_.expect(':', "a colon");
        out_.text += ':';
        return name;
    }

    void refuse_duplicates(std::size_t first)
    {
        const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(first);
        std::sort(begin, keys_.end(), [](const auto& a, const auto& b) {
            return std::tie(a.name, a.offset) < std::tie(b.name, b.offset);
        });
        const auto twice = std::adjacent_find(begin, keys_.end(),
                                              [](const auto& a, const auto& b) { return a.name == b.name; });
        if (twice != keys_.end()) {
            path_.push_back({twice->name});
            throw json_error{(twice + 1)->offset, "this name occurs twice in its object"};
        }
        keys_.erase(begin, keys_.end());
    }

    void note_section(std::size_t section, std::size_t begin, const outcome& result, std::uint32_t node,
                      std::size_t at)
    {
        const bool skills = section_names[section] == "skills";
        if (result.what != kind::array && !(skills && result.what == kind::object))
            throw json_error{at, skills ? "must be an object or an array" : "must be an array"};
        auto& slice = out_.sections[section];
        slice.begin = static_cast<std::uint32_t>(begin);
        slice.end = static_cast<std::uint32_t>(out_.text.size());
        slice.node = result.is_node ? node : no_node;
    }

    std::uint32_t tag(const std::string& name)
    {
        const auto [found, fresh] =
            tag_numbers_.try_emplace(name, static_cast<std::uint32_t>(tag_numbers_.size()));
        if (fresh)
            out_.tag_names.push_back(name);
        return found->second;
    }

    struct seen_key
    {
        std::string_view name;
        std::size_t offset;
    };

    json_reader reader_;
    compiled_document& out_;
    std::size_t depth_ = 0;
    bool has_names_ = false;
    std::string decoded_;             ///< the string that was read last
    std::deque<std::string> escaped_; ///< names that needed decoding, at stable addresses
    std::vector<seen_key> keys_;      ///< of the objects that are open
    std::vector<path_step> path_;
    std::vector<std::uint32_t>* collect_tags_ = nullptr; ///< set for the array that is a type_key list
    std::map<std::string, std::uint32_t, std::less<>> tag_numbers_;
};

document_error locate(std::string_view source, std::size_t offset, std::string pointer, std::string reason)
{
    const auto before = source.substr(0, offset);
    const auto line_start = before.rfind('\n');
    document_error error;
    error.line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
    error.column = offset - (line_start == before.npos ? 0 : line_start + 1) + 1;
    error.pointer = std::move(pointer);
    error.reason = std::move(reason);
    return error;
}

} // namespace

std::string to_string(const document_error& error, std::string_view file_name)
{
    std::string text(file_name);
    if (error.line > 0) {
        text += ':';
        append_number(text, error.line);
        text += ':';
        append_number(text, error.column);
    }
    text += ": ";
    if (!error.pointer.empty())
        text += "at " + error.pointer + ": ";
    return text + error.reason;
}

std::optional<document_error> compile_document(std::string_view source, compiled_document& out)
{
    out = {};
    if (source.size() > largest_document)
        return document_error{0, 0, {}, "larger than " + std::to_string(largest_document) + " bytes"};
    if (source.empty())
        return document_error{0, 0, {}, "the file is empty"};
    if (source.starts_with("\xef\xbb\xbf"))
        return locate(source, 0, {}, "begins with a byte order mark; save it as UTF-8 without one");
    if (const auto good = utf8_prefix(source); good < source.size())
        return locate(source, good, {}, "not UTF-8");
    out.text.reserve(source.size());
    compiler compile(source, out);
    try {
        compile.run();
    } catch (const json_error& error) {
        return locate(source, error.offset, compile.pointer(), error.reason);
    }
    return std::nullopt;
}

} // namespace cv
