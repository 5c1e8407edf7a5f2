#pragma once
#include "config/finding_table.hpp"

#include <map>
#include <string>
#include <vector>

namespace cv {

/// What a deploy check has found. Not thread-safe.
class findings
{
public:
    /// `detail` says where and what exactly; the same one is kept once.
    void add(finding_id id, const std::string& detail);

    /// From now on findings of that id do not fail the check; false when there is no such id.
    bool silence(std::string_view id, std::string reason);

    /// Whether one of level warning or above is not silenced.
    bool failed() const;

    /// For people: grouped, worst first.
    std::string text() const;

    /// The form that docs/deploy-check.md describes. `url` is empty when no edge was asked.
    std::string json(std::string_view url) const;

private:
    const std::string* reason(std::size_t index) const;
    std::map<std::string_view, std::size_t> counts() const;

    std::map<std::size_t, std::vector<std::string>> details_; ///< by index in the table
    std::map<std::size_t, std::string> silenced_;
};

} // namespace cv
