#include "cv_query/app.hpp"

int main(int argc, char** argv)
{
    return cv::run(argc, argv);
}
