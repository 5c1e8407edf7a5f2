#pragma once
#include "base/log.hpp"
#include "http/server.hpp"
#include "process/listener.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <future>
#include <string>
#include <thread>

/// What component tests share: a server in this process on a port of the system's choice, and a client.
namespace cv::test {

/// A folder that goes with the object.
class temporary_folder
{
public:
    temporary_folder();
    ~temporary_folder();
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

/// A server with these routes on a thread of its own, drained at the end.
class running_server
{
public:
    explicit running_server(std::vector<http::route> routes, http::server_options options = {});
    ~running_server();

    std::uint16_t port() const { return port_; }
    const worker_counters& counters() const { return counters_; }
    /// The access lines, once all are written.
    std::string log() const;

    /// Runs `work` on the server's thread and waits for it.
    template <class Work>
    void on_thread(Work work)
    {
        std::promise<void> done;
        boost::asio::post(context_, [&] {
            work();
            done.set_value();
        });
        done.get_future().get();
    }
    void drain(std::chrono::seconds longest);
    /// Waits for the server's end; false when it has not come within ten seconds.
    bool join();

private:
    temporary_folder folder_;
    http::dispatcher dispatch_;
    access_log access_;
    worker_counters counters_;
    boost::asio::io_context context_;
    http::server server_;
    std::uint16_t port_ = 0;
    std::promise<void> ended_;
    std::future<void> end_ = ended_.get_future();
    std::thread thread_;
};

/// A blocking client that gives up after ten seconds without a byte, by throwing.
class client
{
public:
    struct answer
    {
        int status = 0;
        std::string head;
        std::string body;
        bool has(std::string_view line) const { return head.find(line) != std::string::npos; }
    };

    /// `receive_buffer`: bytes of the kernel's receive buffer; 0 for its own choice.
    explicit client(std::uint16_t port, int receive_buffer = 0);

    void send(std::string_view bytes);
    /// Says that nothing more will be sent.
    void finish();
    /// The next answer; `to_head`: to a HEAD, which has no body whatever Content-Length says.
    answer read(bool to_head = false);
    /// Whether the server has closed, after what was read.
    bool at_end();

private:
    bool fill();

    unique_fd socket_;
    std::string received_;
};

} // namespace cv::test
