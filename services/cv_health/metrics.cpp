#include "cv_health/metrics.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace cv {
namespace {

using health::metrics_text;
using health::scoreboard;
using health::worker_slot;

double seconds(std::chrono::microseconds time)
{
    return std::chrono::duration<double>(time).count();
}

/// What all workers of an instance have counted of one kind of request.
struct request_sum
{
    double nanoseconds = 0;
    std::array<std::uint64_t, latency_buckets> latency{};
};

std::map<std::uint32_t, request_sum> sum_requests(const scoreboard& board)
{
    std::map<std::uint32_t, request_sum> sums;
    for (const auto& slot : health::used_slots(board))
        for (const auto& series : slot.counters.requests) {
            const auto kind = series.kind.load(std::memory_order_acquire);
            if (kind == 0)
                continue;
            auto& sum = sums[kind];
            sum.nanoseconds += static_cast<double>(series.nanoseconds.get());
            for (std::size_t i = 0; i < latency_buckets; ++i)
                sum.latency[i] += series.latency[i].get();
        }
    return sums;
}

class writer
{
public:
    writer(const observer& seen, metrics_text::form form) : seen_(seen), out_(form) {}

    std::string write()
    {
        out_.gauge("cv_build_info", "1; the label tells the version of the sidecar.");
        out_.sample(1, {{"version", CV_VERSION}});
        requests();
        connections();
        workers();
        instances();
        loads();
        checks();
        machine();
        own_process();
        return out_.take();
    }

private:
    /// Calls `each` with the name and scoreboard of every instance that can be read.
    template <class Each>
    void for_each_board(Each each)
    {
        for (const auto& one : seen_.instances())
            if (one.board)
                each(std::string_view(one.name), **one.board);
    }

    /// A family with one value for each instance.
    template <class Value>
    void per_instance(Value value)
    {
        for_each_board([&](std::string_view name, const scoreboard& board) {
            out_.sample(static_cast<double>(value(board)), {{id, name}});
        });
    }

    template <class Value>
    void counter(std::string_view name, std::string_view help, Value value)
    {
        out_.counter(name, help);
        per_instance(value);
    }

    template <class Value>
    void gauge(std::string_view name, std::string_view help, Value value)
    {
        out_.gauge(name, help);
        for_each_living([&](std::string_view instance, const scoreboard& board) {
            out_.sample(static_cast<double>(value(board)), {{id, instance}});
        });
    }

    /// As for_each_board, without those that are gone: what they have counted stays true, what they were is
    /// over.
    template <class Each>
    void for_each_living(Each each)
    {
        for (const auto& one : seen_.instances())
            if (one.board && one.alive)
                each(std::string_view(one.name), **one.board);
    }

    /// The sum of a counter over all workers there have been.
    static auto total(cv::counter worker_counters::* member)
    {
        return [member](const scoreboard& board) {
            std::uint64_t sum = 0;
            for (const auto& slot : health::used_slots(board))
                sum += (slot.counters.*member).get();
            return sum;
        };
    }

    void requests()
    {
        out_.histogram("http_server_request_duration_seconds",
                       "From a request's last byte being read to its answer's last byte being handed on.");
        for_each_board([this](std::string_view instance, const scoreboard& board) {
            for (const auto& [kind, sum] : sum_requests(board))
                write_request(instance, board, request_kind::unpack(kind), sum);
        });
        counter("cv_response_body_bytes", "Bytes of bodies sent.", total(&worker_counters::body_bytes));
        out_.counter("cv_refused_heads", "Request heads refused before any route was looked up.");
        for_each_board([this](std::string_view instance, const scoreboard& board) {
            for (std::size_t i = 0; i < head_refusal_count; ++i) {
                std::uint64_t sum = 0;
                for (const auto& slot : health::used_slots(board))
                    sum += slot.counters.refused_heads[i].get();
                out_.sample(static_cast<double>(sum),
                            {{id, instance}, {"reason", name(static_cast<head_refusal>(i))}});
            }
        });
    }

    void write_request(std::string_view instance, const scoreboard& board, request_kind kind,
                       const request_sum& sum)
    {
        const auto method = name(kind.method);
        const auto status = std::to_string(kind.status);
        const auto route = kind.route < std::min<std::uint64_t>(board.routes.get(), most_routes)
                               ? board.route_patterns[kind.route].get()
                               : std::string();
        const auto write = [&](double value, std::string_view suffix, std::string_view bound = {}) {
            if (bound.empty())
                out_.sample(value,
                            {{id, instance},
                             {"http_request_method", method},
                             {"http_route", route},
                             {"http_response_status_code", status}},
                            suffix);
            else
                out_.sample(value,
                            {{id, instance},
                             {"http_request_method", method},
                             {"http_route", route},
                             {"http_response_status_code", status},
                             {"le", bound}},
                            suffix);
        };
        std::uint64_t count = 0;
        for (std::size_t i = 0; i < latency_buckets; ++i) {
            count += sum.latency[i];
            write(static_cast<double>(count), "_bucket",
                  i < latency_bounds.size() ? health::metric_number(seconds(latency_bounds[i])) : "+Inf");
        }
        constexpr double nano = 1e-9;
        write(sum.nanoseconds * nano, "_sum");
        write(static_cast<double>(count), "_count");
    }

    void connections()
    {
        counter("cv_connections", "Connections accepted.", total(&worker_counters::accepted));
        gauge("cv_open_connections", "Connections that are open.", total(&worker_counters::open));
        counter("cv_accept_failures",
                "Connections that could not be accepted, for want of descriptors or memory.",
                total(&worker_counters::accept_failures));
        counter("cv_dropped_log_lines", "Log lines that their target did not take.",
                total(&worker_counters::log_lines_dropped));
    }

    void workers()
    {
        out_.gauge("cv_workers", "Workers by state.");
        for_each_living([this](std::string_view instance, const scoreboard& board) {
            using health::worker_state;
            for (const auto state :
                 {worker_state::starting, worker_state::ready, worker_state::worn, worker_state::leaving}) {
                const auto slots = health::used_slots(board);
                const auto number =
                    std::count_if(slots.begin(), slots.end(), [state](const worker_slot& slot) {
                        return slot.state.load(std::memory_order_relaxed) == state;
                    });
                out_.sample(static_cast<double>(number), {{id, instance}, {"state", name(state)}});
            }
        });
        gauge("cv_wanted_workers", "Workers that there should be (WEB_CONCURRENCY).",
              [](const scoreboard& board) { return board.wanted.get(); });
        out_.counter("cv_worker_ends", "Workers that have ended, by reason.");
        for_each_board([this](std::string_view instance, const scoreboard& board) {
            for (std::size_t i = 0; i < health::worker_end_count; ++i)
                out_.sample(static_cast<double>(board.ends[i].get()),
                            {{id, instance}, {"reason", name(static_cast<health::worker_end>(i))}});
        });
        gauge("cv_quick_worker_deaths", "Workers that died soon after their start, in a row.",
              [](const scoreboard& board) { return board.quick_deaths.get(); });
    }

    void instances()
    {
        out_.gauge("cv_instance_up", "Whether the instance's arbiter runs.");
        for (const auto& one : seen_.instances())
            out_.sample(one.alive ? 1 : 0, {{id, one.name}});
        out_.gauge("cv_instance_state", "1 for the state that the instance is in.");
        for_each_living([this](std::string_view instance, const scoreboard& board) {
            using health::instance_state;
            for (const auto state :
                 {instance_state::starting, instance_state::serving, instance_state::stopping})
                out_.sample(board.state.load(std::memory_order_relaxed) == state ? 1 : 0,
                            {{id, instance}, {"state", name(state)}});
        });
        gauge("cv_instance_drained", "Whether an operator has drained the instance.",
              [](const scoreboard& board) { return board.drained.load(std::memory_order_relaxed); });
        gauge("cv_instance_start_time_seconds", "When the instance was started, since the epoch.",
              [](const scoreboard& board) { return board.started.get(); });
        counter("cv_reloads", "Reloads that took effect.",
                [](const scoreboard& board) { return board.reloads.get(); });
        counter("cv_reload_failures", "Reloads that did not; the settings before stayed.",
                [](const scoreboard& board) { return board.failed_reloads.get(); });
        gauge("cv_last_reload_successful", "Whether the last reload took effect; 1 before the first.",
              [](const scoreboard& board) { return board.reload_failure.get().empty(); });
    }

    void loads()
    {
        using health::load_board;
        const auto of = [](cv::counter load_board::* member) {
            return [member](const scoreboard& board) { return (board.load.*member).get(); };
        };
        counter("cv_loads", "Loads of the CV files that have ended.", of(&load_board::loads));
        counter("cv_load_failures", "Loads that failed; what was loaded before is served.",
                of(&load_board::failures));
        gauge("cv_last_load_successful", "Whether the last load ended well; 1 before the first.",
              [](const scoreboard& board) { return board.load.failure.get().empty(); });
        constexpr double milli = 1e-3;
        gauge("cv_last_load_duration_seconds", "What the last load that ended well took.",
              [](const scoreboard& board) {
                  return static_cast<double>(board.load.milliseconds.get()) * milli;
              });
        moment("cv_last_load_timestamp_seconds", "When that load ended, since the epoch.",
               &load_board::ended);
        gauge("cv_catalogue_generation", "The catalogue's generation.", of(&load_board::generation));
        moment("cv_catalogue_timestamp_seconds", "When that generation was made, since the epoch.",
               &load_board::loaded_at);
        gauge("cv_documents", "CVs in the catalogue.", of(&load_board::documents));
        gauge("cv_persons", "Persons in the catalogue.", of(&load_board::persons));
        gauge("cv_refused_files", "CV files that are refused.", of(&load_board::refused));
        gauge("cv_mismatched_files", "CV files that are not as SHA256SUMS says.",
              of(&load_board::mismatched));
    }

    /// A time that has no value until it has come.
    void moment(std::string_view name, std::string_view help, cv::counter health::load_board::* member)
    {
        out_.gauge(name, help);
        for_each_living([&](std::string_view instance, const scoreboard& board) {
            if (const auto at = (board.load.*member).get(); at > 0)
                out_.sample(static_cast<double>(at), {{id, instance}});
        });
    }

    void checks()
    {
        out_.gauge("cv_check_status", "0 ok, 1 warn, 2 error.");
        for (const auto& one : seen_.checks())
            out_.sample(static_cast<double>(one.result), {{"check", one.name}});
        out_.gauge("cv_ready", "Whether /readyz answers 200.");
        out_.sample(seen_.is_ready() ? 1 : 0);
        out_.gauge("cv_probe_success", "Whether a real listener answered the last probe.");
        for_each_listener([this](const auto& one, const auto& listener) {
            out_.sample(listener.answers() ? 1 : 0, {{id, one.name}, {"listener", listener.url}});
        });
        out_.gauge("cv_probe_duration_seconds", "What the last probe of a real listener took.");
        for_each_listener([this](const auto& one, const auto& listener) {
            out_.sample(seconds(listener.took), {{id, one.name}, {"listener", listener.url}});
        });
        if (const auto& end = seen_.certificate_end()) {
            out_.gauge("cv_certificate_not_after_timestamp_seconds",
                       "When the certificate ends, since the epoch.");
            out_.sample(static_cast<double>(
                std::chrono::duration_cast<std::chrono::seconds>(end->time_since_epoch()).count()));
        }
    }

    template <class Each>
    void for_each_listener(Each each)
    {
        for (const auto& one : seen_.instances())
            for (const auto& listener : one.listeners)
                each(one, listener);
    }

    void machine()
    {
        const auto* const disk = seen_.find("disk");
        const auto* const folders = disk ? disk->figures.if_contains("folders") : nullptr;
        if (!folders)
            return;
        for (const auto& [family, key, help] :
             {std::tuple("cv_disk_free_bytes", "free_bytes", "Room left on the file system of a folder."),
              std::tuple("cv_disk_size_bytes", "size_bytes", "Size of that file system.")}) {
            out_.gauge(family, help);
            for (const auto& [folder, figures] : folders->get_object())
                out_.sample(figures.at(key).template to_number<double>(),
                            {{"folder", std::string_view(folder)}});
        }
    }

    /// The sidecar itself, by the names that all exporters have.
    void own_process()
    {
        rusage used{};
        ::getrusage(RUSAGE_SELF, &used);
        const auto spent = [](const timeval& time) {
            constexpr double micro = 1e-6;
            return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * micro;
        };
        out_.counter("process_cpu_seconds", "CPU time of the sidecar.");
        out_.sample(spent(used.ru_utime) + spent(used.ru_stime));
        double pages = 0;
        double resident = 0;
        std::ifstream("/proc/self/statm") >> pages >> resident;
        const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
        out_.gauge("process_virtual_memory_bytes", "Address space of the sidecar.");
        out_.sample(pages * page);
        out_.gauge("process_resident_memory_bytes", "Memory of the sidecar, shared pages included.");
        out_.sample(resident * page);
        std::error_code ignored;
        const auto open = std::distance(std::filesystem::directory_iterator("/proc/self/fd", ignored), {});
        out_.gauge("process_open_fds", "Open descriptors of the sidecar.");
        out_.sample(static_cast<double>(open));
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        out_.gauge("process_max_fds", "Descriptors that the sidecar may open.");
        out_.sample(static_cast<double>(limit.rlim_cur));
        out_.gauge("process_start_time_seconds", "When the sidecar was started, since the epoch.");
        out_.sample(std::chrono::duration<double>(seen_.started().time_since_epoch()).count());
    }

    static constexpr std::string_view id = "service_instance_id";
    const observer& seen_;
    metrics_text out_;
};

} // namespace

std::string write_metrics(const observer& seen, metrics_text::form form)
{
    return writer(seen, form).write();
}

} // namespace cv
