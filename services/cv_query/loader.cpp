#include "cv_query/loader.hpp"

#include "base/clock.hpp"
#include "base/compress.hpp"
#include "base/digest.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "cv_query/cv_files.hpp"
#include "cv_query/write_transaction.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <sys/stat.h>

namespace cv {
namespace {

// docs/decisions/0005: what a load may cost against what each answer then saves.
constexpr int br_quality = 9;
constexpr int gzip_level = 9;

enum class file_state : std::uint32_t
{
    good,
    refused,
    shadowed
};

/// What is remembered of a file, to tell whether it has changed; stored as it is here.
struct file_record
{
    std::int64_t size = -1;
    std::int64_t modified = 0; ///< nanoseconds
    std::int64_t changed = 0;
    std::uint64_t inode = 0;
    std::uint64_t state = 0; ///< file_state
    sha256_digest digest{};  ///< of the content; zero when it was not read

    bool same_file(const file_record& other) const
    {
        return size == other.size && modified == other.modified && changed == other.changed &&
               inode == other.inode;
    }
};

std::int64_t nanoseconds(const timespec& time)
{
    return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

std::string content_tag(std::initializer_list<std::string_view> parts)
{
    return to_hex(sha256(parts)).substr(0, 32);
}

/// What records depend on beside the CV itself.
std::string compiler_identity()
{
    return std::to_string(record_version) + "; " + compressor_versions() + "; " + std::to_string(br_quality) +
           "; " + std::to_string(gzip_level);
}

std::array<std::string, stored_coding_count> code(std::string_view body)
{
    if (body.size() < smallest_coded)
        return {};
    return {compress_br(body, br_quality), compress_gzip(body, gzip_level)};
}

std::string make_record(const compiled_document& document)
{
    record_codings codings;
    codings.whole = code(document.text);
    for (std::size_t s = 0; s < section_count; ++s)
        if (const auto& slice = document.sections[s]; slice.end > 0)
            codings.sections[s] =
                code("{" + document.text.substr(slice.begin, slice.end - slice.begin) + "}");
    return encode_record(document, content_tag({compiler_identity(), "\n", document.text}), codings);
}

unique_fd open_cv_folder(const std::string& data_folder)
{
    auto folder = open_folder(data_folder + "/cvs");
    if (!folder)
        throw catalogue_error("cannot open the folder " + data_folder + "/cvs: " + errno_message(errno) +
                              "; CV_DATA_DIR names its parent");
    return folder;
}

/// The environment first, whatever becomes of the load: a service has one to wait with.
environment_handles open_for_load(const std::string& state_folder)
{
    auto handles = open_environment(state_folder, true);
    int dead = 0;
    mdb_reader_check(handles.env.get(), &dead); // slots of readers that were killed
    return handles;
}

/// One load, inside its transaction.
class load : private write_transaction
{
public:
    load(const std::string& data_folder, const std::string& state_folder)
        : write_transaction(open_for_load(state_folder)), folder_(open_cv_folder(data_folder))
    {
    }

    load_report run(const load_progress& progress)
    {
        start_from_last();
        const auto names = list_cv_files(folder_.get());
        report_.files = names.size();
        remove_all_but(names);
        for (const auto& name : names) {
            if (progress)
                progress(done_, names.size());
            take(name, names);
            ++done_;
        }
        if (progress)
            progress(done_, names.size());
        verify_locked();
        finish();
        return std::move(report_);
    }

private:
    template <class Plain>
    static std::string_view bytes(const Plain& value)
    {
        return {reinterpret_cast<const char*>(&value), sizeof value};
    }

    void start_from_last()
    {
        if (const auto state = get(handles_.meta, "state"); state && state->size() == sizeof state_)
            std::memcpy(&state_, state->data(), sizeof state_);
        const auto generation = state_.generation;
        if (get(handles_.meta, "compiler") != compiler_identity()) {
            for (const auto database : {handles_.meta, handles_.files, handles_.documents, handles_.persons,
                                        handles_.refused, handles_.mismatched, handles_.shadowed})
                clear(database);
            put(handles_.meta, "compiler", compiler_identity());
            state_ = {};
            report_.changed = true;
        }
        state_.generation = generation;
        before_ = {all(handles_.refused), all(handles_.mismatched), all(handles_.shadowed)};
    }

    void remove_all_but(const std::set<std::string>& names)
    {
        for (const auto& [name, record] : all(handles_.files)) {
            if (names.contains(name))
                continue;
            erase(handles_.files, name);
            erase(handles_.refused, name);
            erase(handles_.shadowed, name);
            ++report_.removed;
            const auto identity = identify(name);
            if (identity && !names.contains(twin(*identity)))
                remove_document(*identity);
        }
    }

    /// The other file name that stands for the same person in English; empty for other languages.
    static std::string twin(const file_identity& identity)
    {
        if (identity.lang != language::en)
            return {};
        return identity.person + (identity.suffixed ? ".json" : "_en.json");
    }

    void take(const std::string& name, const std::set<std::string>& names)
    {
        const auto identity = identify(name);
        if (!identity) {
            note(name, {}, file_state::refused);
            put(handles_.refused, name, name_fault(name));
            return;
        }
        if (identity->suffixed && identity->lang == language::en && names.contains(twin(*identity))) {
            note(name, {}, file_state::shadowed);
            erase(handles_.refused, name);
            put(handles_.shadowed, name,
                printable(name) + ": not served, because " + twin(*identity) + " is there");
            return;
        }
        erase(handles_.shadowed, name);

        file_record now;
        struct stat status{};
        if (::fstatat(folder_.get(), name.c_str(), &status, 0) == 0)
            now = {status.st_size,
                   nanoseconds(status.st_mtim),
                   nanoseconds(status.st_ctim),
                   status.st_ino,
                   0,
                   {}};
        file_record last;
        const auto stored = get(handles_.files, name);
        if (stored && stored->size() == sizeof last)
            std::memcpy(&last, stored->data(), sizeof last);
        if (stored && now.size >= 0 && now.same_file(last) &&
            last.state != static_cast<std::uint64_t>(file_state::shadowed)) {
            report_.unchanged += last.state == static_cast<std::uint64_t>(file_state::good) ? 1 : 0;
            return;
        }
        auto checked = check_file(folder_.get(), name);
        if (checked.read)
            now.digest = sha256({checked.content});
        if (checked.passing)
            now.size = -1; // so that the next load looks again
        if (!checked.fault.empty()) {
            note(name, now, file_state::refused);
            put(handles_.refused, name, checked.fault);
            return;
        }
        note(name, now, file_state::good);
        erase(handles_.refused, name);
        put_document(*identity, make_record(checked.document));
        ++report_.compiled;
    }

    void note(const std::string& name, file_record record, file_state state)
    {
        record.state = static_cast<std::uint64_t>(state);
        put(handles_.files, name, bytes(record));
    }

    unsigned languages(const std::string& person)
    {
        const auto bits = get(handles_.persons, person);
        return bits && !bits->empty() ? static_cast<unsigned char>(bits->front()) : 0;
    }

    void set_languages(const std::string& person, unsigned bits)
    {
        const auto before = languages(person);
        for (std::size_t l = 0; l < language_count; ++l) {
            // As wide as the counts: the difference of a CV that goes is -1 only then.
            const std::uint64_t had = before >> l & 1;
            const std::uint64_t has = bits >> l & 1;
            state_.by_language[l] += has - had;
            state_.documents += has - had;
        }
        state_.persons += std::uint64_t{bits != 0} - std::uint64_t{before != 0};
        if (bits == 0)
            erase(handles_.persons, person);
        else
            put(handles_.persons, person, std::string(1, static_cast<char>(bits)));
    }

    void put_document(const file_identity& identity, const std::string& record)
    {
        put(handles_.documents, document_key(identity.person, identity.lang), record);
        set_languages(identity.person,
                      languages(identity.person) | 1U << static_cast<unsigned>(identity.lang));
    }

    void remove_document(const file_identity& identity)
    {
        erase(handles_.documents, document_key(identity.person, identity.lang));
        set_languages(identity.person,
                      languages(identity.person) & ~(1U << static_cast<unsigned>(identity.lang)));
    }

    /// Holds what has been read against SHA256SUMS, as `sha256sum -c` would.
    void verify_locked()
    {
        clear(handles_.mismatched);
        const auto locked = read_checksums(folder_.get());
        state_.listed = static_cast<std::uint32_t>(locked.digests.size());
        for (const auto& [name, reason] : locked.faults)
            put(handles_.mismatched, name, reason);
        for (const auto& [name, expected] : locked.digests) {
            const auto stored = get(handles_.files, name);
            file_record record;
            if (stored && stored->size() == sizeof record)
                std::memcpy(&record, stored->data(), sizeof record);
            const auto digest =
                record.digest == sha256_digest{} ? digest_of(folder_.get(), name) : to_hex(record.digest);
            if (const auto reason = checksum_mismatch(name, expected, digest); !reason.empty())
                put(handles_.mismatched, name, reason);
        }
    }

    void put_list()
    {
        std::string list = "{\"cvs\":[";
        for (const auto& [person, bits] : all(handles_.persons)) {
            if (list.back() != '[')
                list += ',';
            append_json_string(list, person);
        }
        list += "]}";
        const auto coded = code(list);
        put(handles_.meta, "list", list);
        put(handles_.meta, "list.br", coded[static_cast<std::size_t>(stored_coding::br)]);
        put(handles_.meta, "list.gzip", coded[static_cast<std::size_t>(stored_coding::gzip)]);
        put(handles_.meta, "list.tag", content_tag({compiler_identity(), "\n", list}));
    }

    static std::vector<named_reason> as_reasons(const std::map<std::string, std::string>& rows)
    {
        std::vector<named_reason> list;
        for (const auto& [name, reason] : rows)
            list.push_back({printable(name), reason});
        return list;
    }

    void finish()
    {
        const problems after = {all(handles_.refused), all(handles_.mismatched), all(handles_.shadowed)};
        report_.refused = as_reasons(after.refused);
        report_.mismatched = as_reasons(after.mismatched);
        report_.shadowed = as_reasons(after.shadowed);
        report_.changed =
            report_.changed || report_.compiled > 0 || report_.removed > 0 || !(after == before_);
        if (report_.changed) {
            ++state_.generation;
            state_.loaded_at = std::chrono::duration_cast<std::chrono::seconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count();
            put_list();
            put(handles_.meta, "state", bytes(state_));
        }
        report_.state = state_;
        // Committed even without a new generation: what is known of the files may have moved on. An empty
        // transaction writes nothing.
        check_lmdb(mdb_txn_commit(std::exchange(transaction_, nullptr)), "cannot write the catalogue");
        fill_catalogue_file(handles_);
    }

    struct problems
    {
        std::map<std::string, std::string> refused;
        std::map<std::string, std::string> mismatched;
        std::map<std::string, std::string> shadowed;
        bool operator==(const problems&) const = default;
    };

    unique_fd folder_;
    catalogue_state state_;
    problems before_;
    load_report report_;
    std::size_t done_ = 0;
};

} // namespace

load_report load_catalogue(const std::string& data_folder, const std::string& state_folder,
                           const load_progress& progress)
{
    const auto start = monotonic::now();
    load_report report;
    const auto turn = take_turn(state_folder);
    try {
        report = load(data_folder, state_folder).run(progress);
    } catch (const catalogue_damaged& damage) {
        set_aside_catalogue(state_folder);
        report = load(data_folder, state_folder).run(progress);
        report.rebuilt = std::string(damage.what()) + "; it has been set aside and built anew";
    }
    report.duration = std::chrono::duration_cast<std::chrono::milliseconds>(monotonic::now() - start);
    return report;
}

} // namespace cv
