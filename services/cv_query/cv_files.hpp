#pragma once
#include "cv_query/catalogue.hpp"
#include "cv_query/document.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

/// The folder of CV files, as the loader and `cv-query check` read it. Thread-safe.
namespace cv {

/// Opens, reads and checks one CV file of the open folder; the bytes and the fault, when there is one. The
/// checks are those of a load, for `cv-query check` too.
struct checked_file
{
    std::string content;
    compiled_document document;
    std::string fault;    ///< `FILE:LINE:COLUMN: at POINTER: REASON`; empty when good
    bool read = false;    ///< the content is whole
    bool passing = false; ///< the fault is the machine's, not the file's: worth another try
};
checked_file check_file(int folder, const std::string& name);

/// What is wrong with the name of a file that identify() does not take.
std::string name_fault(const std::string& name);

/// The names of the CV files in the open folder: all that end in .json and are not hidden. Throws
/// catalogue_error when it cannot be listed.
std::set<std::string> list_cv_files(int folder);

/// The folder's SHA256SUMS: file name and digest in lower case, and the lines that are none. Nothing when
/// there is no such list.
struct checksum_list
{
    std::map<std::string, std::string> digests;
    std::vector<named_reason> faults;
};
checksum_list read_checksums(int folder);

/// SHA-256 of a file's content in hexadecimal digits; empty when it is not there or cannot be read.
std::string digest_of(int folder, const std::string& name);

/// Why a locked file does not match; empty when it does. An empty `digest` stands for a file that is not
/// there.
std::string checksum_mismatch(const std::string& name, const std::string& expected,
                              const std::string& digest);

/// Holds the files of the open folder against its SHA256SUMS; those that do not match or are not there, with
/// the reason. Nothing when there is no such list.
std::vector<named_reason> check_locked_files(int folder);

} // namespace cv
