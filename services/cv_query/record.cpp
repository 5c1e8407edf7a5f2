#include "cv_query/record.hpp"

#include <cassert>
#include <stdexcept>

namespace cv {

std::string encode_record(const compiled_document& document, std::string_view tag,
                          const record_codings& codings)
{
    document_view::header header;
    std::string out(sizeof header, '\0');
    const auto put = [&out](const void* data, std::size_t size) {
        const auto begin = static_cast<std::uint32_t>(out.size());
        out.append(static_cast<const char*>(data), size);
        return begin;
    };
    const auto put_text = [&put](std::string_view text) {
        return document_view::range{put(text.data(), text.size()), static_cast<std::uint32_t>(text.size())};
    };
    assert(tag.size() == sizeof header.tag);
    tag.copy(header.tag, sizeof header.tag);
    header.nodes = put(document.nodes.data(), document.nodes.size() * sizeof(focus_node));
    header.tags = put(document.tags.data(), document.tags.size() * sizeof(std::uint32_t));
    std::vector<document_view::range> names;
    for (const auto& name : document.tag_names)
        names.push_back(put_text(name));
    header.tag_names = put(names.data(), names.size() * sizeof(document_view::range));
    header.tag_name_count = static_cast<std::uint32_t>(names.size());
    const auto text = put_text(document.text);
    header.text_begin = text.begin;
    header.text_size = text.size;
    for (std::size_t c = 0; c < stored_coding_count; ++c)
        header.whole[c] = put_text(codings.whole[c]);
    for (std::size_t s = 0; s < section_count; ++s) {
        header.sections[s] = document.sections[s];
        for (std::size_t c = 0; c < stored_coding_count; ++c)
            header.coded_sections[s][c] = put_text(codings.sections[s][c]);
    }
    std::memcpy(out.data(), &header, sizeof header);
    return out;
}

document_view::document_view(std::string_view record) : record_(record)
{
    if (record.size() < sizeof header_)
        throw std::runtime_error("a record of the catalogue is cut short");
    std::memcpy(&header_, record.data(), sizeof header_);
}

std::string_view document_view::section(std::size_t section) const
{
    const auto& slice = header_.sections[section];
    return at(header_.text_begin + slice.begin, slice.end - slice.begin);
}

std::string_view document_view::coded(stored_coding coding) const
{
    const auto& copy = header_.whole[static_cast<std::size_t>(coding)];
    return at(copy.begin, copy.size);
}

std::string_view document_view::coded(std::size_t section, stored_coding coding) const
{
    const auto& copy = header_.coded_sections[section][static_cast<std::size_t>(coding)];
    return at(copy.begin, copy.size);
}

/// Copies the text of a container and leaves out what the focus takes away.
class document_view::filter
{
public:
    filter(const document_view& document, std::string_view focus, std::string& out)
        : document_(document), text_(document.text()), out_(out), wanted_(find(document, focus))
    {
    }

    /// Appends the node's text; false, with nothing appended, when the focus takes it away. A group that is a
    /// direct member of a tagged object stays (`in_tagged`), as a section does: only its items go.
    bool run(std::uint32_t index, bool in_tagged = false)
    {
        const auto node = document_.item<focus_node>(document_.header_.nodes, index);
        const bool root = (node.flags & focus_node::root) != 0;
        const bool section = (node.flags & focus_node::section) != 0;
        const bool tagged = (node.flags & focus_node::tagged) != 0;
        const auto mark = out_.size();
        if (tagged && !root && !holds_wanted(node)) {
            if (section) {
                append(node.begin, node.value);
                out_ += "{}";
            }
            return section;
        }
        append(node.begin, node.value + 1);
        bool first = true;
        bool taken = false;
        auto left = node.others;
        auto position = node.value + 1;
        for (auto child = index + 1; child < node.next;) {
            const auto next = document_.item<focus_node>(document_.header_.nodes, child);
            append_between(position, next.begin, first);
            position = next.end;
            const auto before = out_.size();
            const bool was_first = first;
            separate(first);
            if (run(child, tagged && !root)) {
                ++left;
            } else {
                out_.resize(before);
                first = was_first;
                taken = true;
            }
            child = next.next;
        }
        append_between(position, node.end - 1, first);
        append(node.end - 1, node.end);
        if (taken && left == 0 && !tagged && !section && !root && !in_tagged) {
            out_.resize(mark);
            return false;
        }
        return true;
    }

private:
    static std::uint32_t find(const document_view& document, std::string_view focus)
    {
        const auto& header = document.header_;
        for (std::uint32_t i = 0; i < header.tag_name_count; ++i) {
            const auto name = document.item<range>(header.tag_names, i);
            if (document.at(name.begin, name.size) == focus)
                return i;
        }
        return header.tag_name_count; // no item carries it
    }

    bool holds_wanted(const focus_node& node) const
    {
        for (auto i = node.tags_begin; i < node.tags_end; ++i)
            if (document_.item<std::uint32_t>(document_.header_.tags, i) == wanted_)
                return true;
        return false;
    }

    void append(std::uint32_t begin, std::uint32_t end) { out_.append(text_.substr(begin, end - begin)); }

    /// A comma before every child that is kept, but the first.
    void separate(bool& first)
    {
        if (!first)
            out_ += ',';
        first = false;
    }

    /// The children between two nodes, without the commas at either side.
    void append_between(std::uint32_t begin, std::uint32_t end, bool& first)
    {
        if (begin < end && text_[begin] == ',')
            ++begin;
        if (begin < end && text_[end - 1] == ',')
            --end;
        if (begin == end)
            return;
        separate(first);
        append(begin, end);
    }

    const document_view& document_;
    std::string_view text_;
    std::string& out_;
    std::uint32_t wanted_;
};

void document_view::focus(std::string_view focus, std::string& out) const
{
    filter(*this, focus, out).run(0);
}

void document_view::focus(std::size_t section, std::string_view focus, std::string& out) const
{
    if (header_.sections[section].node == no_node)
        out += this->section(section);
    else
        filter(*this, focus, out).run(header_.sections[section].node);
}

} // namespace cv
