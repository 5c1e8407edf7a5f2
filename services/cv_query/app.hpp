#pragma once

namespace cv {

/// The whole program: reads the command line and settings, runs a command or serves. Returns the exit code.
int run(int argc, const char* const* argv);

} // namespace cv
