#pragma once

namespace cv {

/// The whole sidecar: reads the command line and settings, runs a command or serves. Returns the exit code.
int run_sidecar(int argc, const char* const* argv);

} // namespace cv
