#pragma once
#include "cv_query/catalogue.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace cv {

/// What a load did.
struct load_report
{
    std::size_t files = 0;                ///< CV files found
    std::size_t compiled = 0;             ///< new or changed
    std::size_t unchanged = 0;            ///< good, and as they were
    std::size_t removed = 0;              ///< gone from the folder
    std::vector<named_reason> refused;    ///< all that are refused now: file name, and where and why
    std::vector<named_reason> mismatched; ///< files that do not match SHA256SUMS
    std::vector<named_reason> shadowed;   ///< PERSON_en.json beside PERSON.json
    catalogue_state state;                ///< of the catalogue after the load
    std::string rebuilt;                  ///< why the catalogue had to be built from nothing; mostly empty
    bool changed = false;                 ///< there is a new generation
    std::chrono::milliseconds duration{};
};

/// Called before each file with how many are done, and how many there are.
using load_progress = std::function<void(std::size_t done, std::size_t total)>;

/// Brings the catalogue in `state_folder` up to date with the CV files in `data_folder`/cvs, in one LMDB
/// transaction: readers see the generation before or the new one, whole. Only new and changed files are
/// compiled. A file that is refused keeps its last good version in the catalogue. Throws catalogue_error when
/// the folder cannot be read or the catalogue not be written; the catalogue is then as it was. Several
/// processes may call it at once; they take turns.
load_report load_catalogue(const std::string& data_folder, const std::string& state_folder,
                           const load_progress& progress = {});

} // namespace cv
