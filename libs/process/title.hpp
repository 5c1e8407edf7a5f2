#pragma once
#include <string>

namespace cv {

/// Makes room for titles: from now on the memory of the arguments and of the environment is the title's, and
/// the environment lives elsewhere. Call it once, first thing in main(), before there are threads; `argv`
/// must be main's own and is not to be read afterwards.
void prepare_process_title(int argc, const char* const* argv);

/// Sets what ps shows of this process, cut to what fits, and the thread's name. Does nothing but the latter
/// when no room has been made.
void set_process_title(const std::string& title);

} // namespace cv
