# For find_package(gistd): the targets gist::client (client/gist_client.h,
# client/training_client.h) and gist::proto (messages and stubs of gist/v1).
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(Protobuf)  # before gRPC: Debian ships no protobuf-config.cmake
find_dependency(gRPC CONFIG)
find_dependency(absl CONFIG)
find_dependency(fmt)
find_dependency(OpenSSL)
find_dependency(PkgConfig)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
include("${CMAKE_CURRENT_LIST_DIR}/gistdTargets.cmake")
