#include "cv_health/app.hpp"

int main(int argc, char** argv)
{
    return cv::run_sidecar(argc, argv);
}
