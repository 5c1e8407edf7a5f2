#include "cv_query/catalogue.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cv {
namespace {

/// Address space, not memory or disk. Growing a map under a reader ends in SIGBUS, so it is never grown.
constexpr std::size_t map_size = std::size_t{1} << 40;
constexpr unsigned most_databases = 8;
constexpr unsigned most_readers = 4096;

/// Begins a read transaction that ends with the pointer.
MDB_txn* begin_read(MDB_env* env)
{
    MDB_txn* transaction = nullptr;
    const int code = mdb_txn_begin(env, nullptr, MDB_RDONLY, &transaction);
    check_lmdb(code, "cannot read the catalogue");
    return transaction;
}

/// Bytes up to the last page that the newest transaction may refer to.
std::uint64_t used_size(MDB_env* env)
{
    MDB_envinfo info;
    MDB_stat pages;
    mdb_env_info(env, &info);
    mdb_env_stat(env, &pages);
    return (info.me_last_pgno + 1) * pages.ms_psize;
}

std::uint64_t file_size(MDB_env* env)
{
    int fd = -1;
    struct stat status{};
    mdb_env_get_fd(env, &fd);
    return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

bool is_cut_off(MDB_env* env)
{
    const auto used = used_size(env);
    return file_size(env) < used;
}

std::string data_file(const std::string& folder)
{
    return folder + "/data.mdb";
}

std::string lock_file(const std::string& folder)
{
    return folder + "/lock.mdb";
}

void set_aside(const std::string& name)
{
    ::rename(name.c_str(), (name + ".damaged").c_str());
}

/// Device and inode of what is at `path`; zeros when nothing is.
std::pair<dev_t, ino_t> id_of(const std::string& path)
{
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 ? std::pair(status.st_dev, status.st_ino)
                                              : std::pair<dev_t, ino_t>();
}

struct cursor_closer
{
    void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
};
using cursor_ptr = std::unique_ptr<MDB_cursor, cursor_closer>;

cursor_ptr open_cursor(MDB_txn* transaction, MDB_dbi database)
{
    MDB_cursor* cursor = nullptr;
    check_lmdb(mdb_cursor_open(transaction, database, &cursor), "cannot read the catalogue");
    return cursor_ptr(cursor);
}

} // namespace

void check_lmdb(int code, const std::string& what)
{
    if (code == MDB_SUCCESS)
        return;
    // LMDB calls a write that fell short an input/output error.
    const bool room = code == ENOSPC || code == EDQUOT || code == EIO;
    const auto words = what + ": " + (code > 0 ? errno_message(code) : mdb_strerror(code)) +
                       (room ? "; the file system of CV_STATE_DIR may be full" : "");
    if (code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ||
        code == MDB_VERSION_MISMATCH || code == MDB_PANIC)
        throw catalogue_damaged(words);
    throw catalogue_error(words);
}

MDB_val as_value(std::string_view text)
{
    return {text.size(), const_cast<char*>(text.data())}; // NOLINT: LMDB's interface is not const-correct
}

environment_handles open_environment(const std::string& folder, bool writable)
{
    MDB_env* raw = nullptr;
    check_lmdb(mdb_env_create(&raw), "cannot prepare the catalogue");
    environment_handles handles;
    handles.env = std::shared_ptr<MDB_env>(raw, &mdb_env_close);
    mdb_env_set_mapsize(raw, map_size);
    mdb_env_set_maxdbs(raw, most_databases);
    mdb_env_set_maxreaders(raw, most_readers);
    const unsigned flags = MDB_NOTLS | (writable ? 0 : MDB_RDONLY);
    check_lmdb(mdb_env_open(raw, folder.c_str(), flags, 0640), "cannot open the catalogue in " + folder);
    // On a read-only file system LMDB does without its lock, and a loader that can write there through
    // another mount would recycle pages under this reader.
    if (::access(lock_file(folder).c_str(), W_OK) != 0)
        throw catalogue_error("cannot open the catalogue in " + folder + ": its lock.mdb must be writable (" +
                              errno_message(errno) + "); CV_STATE_DIR names the folder");

    // Twice, because a loader may be at work; it writes pages before it says that they are used.
    if (is_cut_off(raw) && is_cut_off(raw))
        throw catalogue_damaged("the catalogue in " + folder + " has been cut off");

    MDB_txn* transaction = nullptr;
    check_lmdb(mdb_txn_begin(raw, nullptr, writable ? 0 : MDB_RDONLY, &transaction),
               "cannot open the catalogue");
    int code = MDB_SUCCESS;
    for (const auto& [name, database] : {std::pair{"meta", &handles.meta},
                                         {"files", &handles.files},
                                         {"documents", &handles.documents},
                                         {"persons", &handles.persons},
                                         {"refused", &handles.refused},
                                         {"mismatched", &handles.mismatched},
                                         {"shadowed", &handles.shadowed}})
        if (code == MDB_SUCCESS)
            code = mdb_dbi_open(transaction, name, writable ? MDB_CREATE : 0, database);
    if (code == MDB_SUCCESS)
        code = mdb_txn_commit(transaction);
    else
        mdb_txn_abort(transaction);
    check_lmdb(code, "cannot open the catalogue in " + folder);
    return handles;
}

void fill_catalogue_file(const environment_handles& handles)
{
    int fd = -1;
    mdb_env_get_fd(handles.env.get(), &fd);
    // Never shortens and never overwrites: another loader may have written more already.
    const auto used = static_cast<off_t>(used_size(handles.env.get()));
    if (const int error = ::posix_fallocate(fd, used - 1, 1); error != 0)
        throw catalogue_error("cannot write the catalogue: " + errno_message(error));
}

unique_fd take_turn(const std::string& folder)
{
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error)
        throw catalogue_error("cannot make the folder " + folder + ": " + error.message() +
                              "; CV_STATE_DIR names it");
    unique_fd turn(::open((folder + "/load.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
    if (!turn)
        throw catalogue_error("cannot write in the folder " + folder + ": " + errno_message(errno) +
                              "; CV_STATE_DIR names it");
    while (::flock(turn.get(), LOCK_EX) != 0)
        if (errno != EINTR)
            throw catalogue_error("cannot lock " + folder + "/load.lock: " + errno_message(errno));
    // A new catalogue needs a new lock: a reader of the old one would lose its locks when it closed that
    // one's.
    if (id_of(data_file(folder)) == std::pair<dev_t, ino_t>())
        set_aside(lock_file(folder));
    return turn;
}

void set_aside_catalogue(const std::string& folder)
{
    set_aside(lock_file(folder));
    set_aside(data_file(folder));
}

std::string document_key(std::string_view person, language lang)
{
    return std::string(person) + '/' + std::string(name(lang));
}

snapshot::snapshot(const environment_handles& handles, MDB_txn* transaction)
    : handles_(handles), transaction_(transaction)
{
    const auto state = get(handles_.meta, "state");
    if (state && state->size() == sizeof state_)
        std::memcpy(&state_, state->data(), sizeof state_);
    if (state_.version != record_version)
        state_ = {}; // written by another version of this program: nothing in it can be served
    const auto text = [this](std::string_view key) {
        return get(handles_.meta, key).value_or(std::string_view());
    };
    list_ = {text("list"), text("list.br"), text("list.gzip"), text("list.tag")};
}

snapshot::~snapshot()
{
    mdb_txn_abort(transaction_);
}

std::optional<std::string_view> snapshot::get(MDB_dbi database, std::string_view key) const
{
    auto name = as_value(key);
    MDB_val value{};
    if (mdb_get(transaction_, database, &name, &value) != MDB_SUCCESS)
        return std::nullopt;
    return view(value);
}

std::optional<document_view> snapshot::find(std::string_view person, language lang) const
{
    char key[64];
    if (state_.documents == 0 || person.size() > 50)
        return std::nullopt;
    auto* end = key + person.copy(key, person.size());
    *end++ = '/';
    end += name(lang).copy(end, 2);
    const auto record = get(handles_.documents, {key, static_cast<std::size_t>(end - key)});
    return record ? std::optional(document_view(*record)) : std::nullopt;
}

unsigned snapshot::languages(std::string_view person) const
{
    const auto bits = state_.documents == 0 || person.empty() ? std::nullopt : get(handles_.persons, person);
    return bits && !bits->empty() ? static_cast<unsigned char>(bits->front()) : 0;
}

snapshot::page snapshot::list_page(std::string_view after, std::size_t limit, std::string& out) const
{
    const auto cursor = open_cursor(transaction_, handles_.persons);
    auto key = as_value(after);
    MDB_val value{};
    page result;
    int code = mdb_cursor_get(cursor.get(), &key, &value, after.empty() ? MDB_FIRST : MDB_SET_RANGE);
    if (code == MDB_SUCCESS && !after.empty() && view(key) == after)
        code = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT);
    for (std::size_t count = 0; code == MDB_SUCCESS; ++count) {
        if (count == limit) {
            result.more = true;
            break;
        }
        if (count > 0)
            out += ',';
        append_json_string(out, view(key));
        result.last = view(key);
        code = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT);
    }
    return result;
}

std::vector<named_reason> snapshot::reasons(MDB_dbi database) const
{
    std::vector<named_reason> list;
    const auto cursor = open_cursor(transaction_, database);
    MDB_val key{};
    MDB_val value{};
    for (int code = mdb_cursor_get(cursor.get(), &key, &value, MDB_FIRST); code == MDB_SUCCESS;
         code = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT))
        list.push_back({printable(view(key)), std::string(view(value))});
    return list;
}

catalogue::catalogue(const std::string& folder)
    : folder_(folder), data_(id_of(data_file(folder))), lock_(id_of(lock_file(folder))),
      handles_(open_environment(folder, false))
{
    auto* const transaction = begin_read(handles_.env.get());
    transaction_id_ = mdb_txn_id(transaction);
    current_ = std::make_shared<const snapshot>(handles_, transaction);
}

bool catalogue::follow()
{
    const auto data = id_of(data_file(folder_));
    if (data == data_)
        return true;
    // LMDB: never the same lock file open twice in a process. Every catalogue of ours has a lock of its own.
    if (data == file_id() || id_of(lock_file(folder_)) == lock_)
        return false;
    try {
        catalogue other(folder_);
        if (other.current()->state().documents == 0 && current_->state().documents > 0)
            return false; // a load is still filling it
        *this = std::move(other);
    } catch (const catalogue_error&) {
        return false; // is being made; a load will tell what is wrong with it
    }
    log::write(log::level::warning, "catalogue", "the catalogue was replaced; the new one is served",
               {{"folder", folder_}});
    return true;
}

const std::shared_ptr<const snapshot>& catalogue::current()
{
    MDB_envinfo info;
    mdb_env_info(handles_.env.get(), &info);
    if (info.me_last_txnid != transaction_id_) {
        MDB_txn* transaction = nullptr;
        if (const int code = mdb_txn_begin(handles_.env.get(), nullptr, MDB_RDONLY, &transaction);
            code != MDB_SUCCESS) {
            log::write(log::level::error, "catalogue",
                       "cannot open the new generation; the one before is kept",
                       {{"reason", mdb_strerror(code)}});
            return current_;
        }
        transaction_id_ = mdb_txn_id(transaction);
        current_ = std::make_shared<const snapshot>(handles_, transaction);
    }
    return current_;
}

} // namespace cv
