#pragma once
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cv::health {

/// A short text in shared memory: one process writes it, any may read it meanwhile (a sequence lock).
/// What does not fit is cut off.
template <std::size_t Size>
class shared_text
{
public:
    void set(std::string_view text)
    {
        const auto turn = turn_.load(std::memory_order_relaxed);
        turn_.store(turn | 1, std::memory_order_relaxed); // odd, also behind a writer that was killed
        std::atomic_thread_fence(std::memory_order_release);
        if (text.size() > Size)
            text = text.substr(0, utf8_prefix(text.substr(0, Size)));
        for (std::size_t i = 0; i * word_size < text.size(); ++i) {
            std::uint64_t word = 0;
            text.substr(i * word_size).copy(reinterpret_cast<char*>(&word), word_size);
            words_[i].store(word, std::memory_order_relaxed);
        }
        size_.store(static_cast<std::uint32_t>(text.size()), std::memory_order_relaxed);
        turn_.store((turn | 1) + 1, std::memory_order_release);
    }

    std::string get() const
    {
        std::string text;
        constexpr int most_tries = 1000; // a writer that was killed in the middle never ends
        for (int i = 0; i < most_tries; ++i) {
            const auto before = turn_.load(std::memory_order_acquire);
            text.resize(std::min<std::size_t>(size_.load(std::memory_order_relaxed), Size));
            for (std::size_t at = 0; at < text.size(); at += word_size) {
                const auto word = words_[at / word_size].load(std::memory_order_relaxed);
                std::memcpy(text.data() + at, &word, std::min(word_size, text.size() - at));
            }
            std::atomic_thread_fence(std::memory_order_acquire);
            if ((before & 1) == 0 && before == turn_.load(std::memory_order_relaxed))
                break;
        }
        text.resize(utf8_prefix(text)); // also of one that could not be read whole
        return text;
    }

private:
    static constexpr std::size_t word_size = sizeof(std::uint64_t);
    static_assert(Size % word_size == 0);

    std::atomic<std::uint32_t> turn_{0};
    std::atomic<std::uint32_t> size_{0};
    std::array<std::atomic<std::uint64_t>, Size / word_size> words_{};
};

} // namespace cv::health
