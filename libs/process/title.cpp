#include "process/title.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <sys/prctl.h>
#include <unistd.h>
#include <vector>

namespace cv {
namespace {

std::span<char>& room()
{
    static std::span<char> memory;
    return memory;
}

} // namespace

void prepare_process_title(int argc, const char* const* argv)
{
    if (argc < 1)
        return;
    // The kernel puts the arguments, and behind them the environment, into one piece of memory.
    auto* const begin = const_cast<char*>(argv[0]);
    auto* end = begin;
    const auto take = [&end](char* text) {
        if (text == end)
            end = text + std::strlen(text) + 1;
    };
    for (int i = 0; i < argc; ++i)
        take(const_cast<char*>(argv[i]));
    // Never freed: exit handlers may still ask for the environment.
    static auto& texts = *new std::vector<std::string>;
    static auto& entries = *new std::vector<char*>;
    for (char** entry = environ; entry && *entry; ++entry) {
        take(*entry);
        texts.emplace_back(*entry);
    }
    for (auto& text : texts)
        entries.push_back(text.data());
    entries.push_back(nullptr);
    environ = entries.data();
    room() = {begin, end};
}

void set_process_title(const std::string& title)
{
    ::prctl(PR_SET_NAME, title.c_str());
    const auto memory = room();
    if (memory.empty())
        return;
    std::fill(memory.begin(), memory.end(), '\0');
    title.copy(memory.data(), memory.size() - 1);
}

} // namespace cv
