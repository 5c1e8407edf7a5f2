// Arbitrary bytes as a CV file: refused with a place, or compiled into a text that says the same.
#include "cv_query/record.hpp"
#include "require.hpp"

#include <boost/json.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view source(reinterpret_cast<const char*>(data), size);
    cv::compiled_document document;
    if (const auto error = cv::compile_document(source, document)) {
        require(!error->reason.empty());
        return 0;
    }
    boost::json::parse_options options;
    options.max_depth = 2 * cv::deepest_document;
    const auto parse = [&options](std::string_view text) {
        return boost::json::parse(boost::json::string_view(text.data(), text.size()), {}, options);
    };
    require(parse(source) == parse(document.text));

    const auto record = cv::encode_record(document, std::string(32, '0'), {});
    const cv::document_view view(record);
    require(view.text() == document.text);
    for (const auto& tag : document.tag_names) {
        std::string focused;
        view.focus(tag, focused);
        require(parse(focused).is_object());
    }
    return 0;
}
