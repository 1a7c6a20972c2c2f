// Standard input, output and error that are open before any other descriptor.
// Included by the source of a program's main, and by nothing else.
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

// Runs before the constructors of shared libraries: gRPC's opens descriptors.
[[gnu::section(".preinit_array"), gnu::used]] static void (
    *open_standard_streams_first)() = &OpenStandardStreams;

}  // namespace gist
