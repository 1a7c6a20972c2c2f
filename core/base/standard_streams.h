// Standard input, output and error that are open from the first line of main.
#pragma once

#include <fcntl.h>
#include <unistd.h>

namespace gist {

// Opens /dev/null on those of the descriptors 0 to 2 that are closed.
// Otherwise the next file or socket would take the number, and text for the
// terminal would be written into it.
inline void OpenStandardStreams() {
  for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = dup(fd)) {
    if (fd <= STDERR_FILENO) continue;
    close(fd);
    return;
  }
}

}  // namespace gist
