#pragma once
#include "base/file.hpp"
#include "cv_query/cv.hpp"
#include "cv_query/record.hpp"

#include <cstdint>
#include <lmdb.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

/// The compiled catalogue: an LMDB environment that the loader writes and workers map read-only.
namespace cv {

/// An LMDB call that failed: the state folder is unusable or the catalogue damaged.
class catalogue_error : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

/// The catalogue's file is not what LMDB wrote. It is made from the CV files, so it can be made again.
class catalogue_damaged : public catalogue_error
{
public:
    using catalogue_error::catalogue_error;
};

/// Throws catalogue_error (or catalogue_damaged) with `what` and LMDB's words unless `code` is MDB_SUCCESS.
void check_lmdb(int code, const std::string& what);

inline std::string_view view(const MDB_val& value)
{
    return {static_cast<const char*>(value.mv_data), value.mv_size};
}

/// `text` as LMDB takes it; LMDB never writes through it.
MDB_val as_value(std::string_view text);

/// The environment with its databases. `files`: file name → what the loader knows of it; `documents`:
/// document_key() → record; `persons`: name → one byte, a bit for each language; `refused`, `mismatched`,
/// `shadowed`: file name → reason; `meta`: the state and the prepared list.
struct environment_handles
{
    std::shared_ptr<MDB_env> env;
    MDB_dbi meta = 0;
    MDB_dbi files = 0;
    MDB_dbi documents = 0;
    MDB_dbi persons = 0;
    MDB_dbi refused = 0;
    MDB_dbi mismatched = 0;
    MDB_dbi shadowed = 0;
};

/// Opens the environment in `folder`, making folder and databases when `writable`. One open a process at a
/// time (LMDB's rule). Throws catalogue_error.
environment_handles open_environment(const std::string& folder, bool writable);

/// Lets the file reach to the last page in use, written or not, so that one that is shorter has been cut off.
void fill_catalogue_file(const environment_handles& handles);

/// Waits until no other loader is at work on the catalogue in `folder`, which is made; the others wait as
/// long as the result lives. Throws catalogue_error.
unique_fd take_turn(const std::string& folder);

/// Moves a damaged catalogue out of the way; what has it open goes on with it. Only in one's turn.
void set_aside_catalogue(const std::string& folder);

std::string document_key(std::string_view person, language lang);

/// What the loader says of the whole catalogue; stored as it is here.
struct catalogue_state
{
    std::uint32_t version = record_version;
    std::uint32_t listed = 0; ///< files that SHA256SUMS lists
    std::uint64_t generation = 0;
    std::int64_t loaded_at = 0; ///< seconds since the epoch
    std::uint64_t persons = 0;
    std::uint64_t documents = 0;
    std::uint64_t by_language[language_count] = {};
};

/// A prepared body with its compressed copies and its entity tag's content part.
struct prepared_body
{
    std::string_view text;
    std::string_view br;
    std::string_view gzip;
    std::string_view tag;
};

/// One name of a problem and its reason.
struct named_reason
{
    std::string name;
    std::string reason;
};

/// A generation of the catalogue: what it hands out stays true and in place as long as it lives. Not
/// thread-safe; one worker holds one (or, while a slow client reads an older one, a few).
class snapshot
{
public:
    snapshot(const environment_handles& handles, MDB_txn* transaction);
    ~snapshot();
    snapshot(const snapshot&) = delete;
    snapshot& operator=(const snapshot&) = delete;

    const catalogue_state& state() const { return state_; }

    /// The CV of a person in just that language.
    std::optional<document_view> find(std::string_view person, language lang) const;
    /// The languages of a person, a bit for each; 0 when the person is unknown.
    unsigned languages(std::string_view person) const;
    /// `{"cvs":[…]}` with every person.
    const prepared_body& list() const { return list_; }
    /// Appends up to `limit` persons after `after` as JSON strings with commas; returns the last one and
    /// whether more follow.
    struct page
    {
        std::string_view last;
        bool more = false;
    };
    page list_page(std::string_view after, std::size_t limit, std::string& out) const;

    /// Why files are not served as they are; for reports, not for the request path.
    std::vector<named_reason> refused() const { return reasons(handles_.refused); }
    std::vector<named_reason> mismatched() const { return reasons(handles_.mismatched); }
    std::vector<named_reason> shadowed() const { return reasons(handles_.shadowed); }

private:
    std::optional<std::string_view> get(MDB_dbi database, std::string_view key) const;
    std::vector<named_reason> reasons(MDB_dbi database) const;

    environment_handles handles_;
    MDB_txn* transaction_;
    catalogue_state state_;
    prepared_body list_; ///< looked up once: it stays in place
};

/// Reads the catalogue. Not thread-safe; opened in the worker itself, never across fork().
class catalogue
{
public:
    /// Opens the catalogue in `folder`. Throws catalogue_error when there is none or it is not usable.
    explicit catalogue(const std::string& folder);

    /// The newest generation. Costs a few nanoseconds when there is no newer one. Does not throw for a
    /// generation that cannot be opened: the one before is kept.
    const std::shared_ptr<const snapshot>& current();

    /// Follows a catalogue that has been replaced under the same name, once it has something to serve; false
    /// when what is served is not what is there. Called now and then, for it asks the file system.
    bool follow();

private:
    /// What tells one file from another.
    using file_id = std::pair<dev_t, ino_t>;

    std::string folder_;
    file_id data_{};
    file_id lock_{};
    environment_handles handles_;
    std::shared_ptr<const snapshot> current_;
    std::size_t transaction_id_ = 0;
};

} // namespace cv
