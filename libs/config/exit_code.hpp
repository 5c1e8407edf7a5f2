#pragma once

/// Exit codes as in sysexits.h.
namespace cv::exit_code {

inline constexpr int ok = 0;
inline constexpr int findings = 1; ///< of check; unhealthy
inline constexpr int usage = 64;
inline constexpr int bad_data = 65;
inline constexpr int unavailable = 69;
inline constexpr int configuration = 78;

} // namespace cv::exit_code
