// Where the files of this program's installation are.
#pragma once

#include <string>

namespace gist {

// The folder that holds adapters/ and third_party/models/: GIST_HOME if it is
// set; PREFIX/share/gistd for PREFIX/bin/PROGRAM; else ROOT for
// ROOT/build/PRESET/PROGRAM. "." if the program's own path is not known.
std::string InstallationFolder();

// InstallationFolder for a program at `executable`, without GIST_HOME.
std::string InstallationFolderOf(const std::string& executable);

}  // namespace gist
