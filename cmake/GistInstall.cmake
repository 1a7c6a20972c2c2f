# What `cmake --install BUILD --prefix PREFIX` puts where. Components, for --component:
#   client    the C++ library for find_package(gistd): gist::client and gist::proto
#   programs  gistd, gist and the tools beside it, adapters, presets, proto files
#   libtorch  the shared libraries that gistd and gist-train load (430 MB)
#   models    the default model and the sentence encoder (180 MB)
# Nothing of it depends on the place of PREFIX: it may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/gistd")
set(_home "${CMAKE_INSTALL_DATADIR}/gistd")  # core/base/installation.h looks there

foreach(name IN ITEMS client base proto)  # client links the other two
  set_target_properties(gist_${name} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS gist_${name} EXPORT gistd
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT client)
endforeach()
install(EXPORT gistd NAMESPACE gist:: FILE gistdTargets.cmake DESTINATION "${_package}" COMPONENT client)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/gistdConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_SOURCE_DIR}/cmake/gistdConfig.cmake" "${PROJECT_BINARY_DIR}/gistdConfigVersion.cmake"
  DESTINATION "${_package}" COMPONENT client)
install(FILES client/error_info.h client/gist_client.h client/training_client.h
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/gistd/client" COMPONENT client)
install(DIRECTORY "${PROJECT_BINARY_DIR}/proto/"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/gistd" COMPONENT client
  FILES_MATCHING PATTERN "*.pb.h" PATTERN CMakeFiles EXCLUDE)

set(_programs gistd gist gist-data gist-plan)
if(GIST_TORCH)
  list(APPEND _programs gist-train)
  set_target_properties(gistd gist-train PROPERTIES
    INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/gistd/torch/lib")
  # nvidia/ beside torch/: libtorch_cpu.so looks for its libraries there.
  install(DIRECTORY "${LIBTORCH_ROOT}/torch/lib" DESTINATION "${CMAKE_INSTALL_LIBDIR}/gistd/torch"
    COMPONENT libtorch)
  install(DIRECTORY "${LIBTORCH_ROOT}/nvidia" DESTINATION "${CMAKE_INSTALL_LIBDIR}/gistd"
    COMPONENT libtorch)
  if(GIST_CUDA)  # gistd looks for it beside itself
    set_target_properties(gist_cuda PROPERTIES
      INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/gistd/torch/lib")
    install(TARGETS gist_cuda LIBRARY DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT programs)
  endif()
endif()
install(TARGETS ${_programs} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT programs)
install(DIRECTORY adapters DESTINATION "${_home}" COMPONENT programs)
install(DIRECTORY proto/gist proto/google proto/grpc DESTINATION "${_home}/proto" COMPONENT programs
  FILES_MATCHING PATTERN "*.proto")
install(FILES LICENSE DESTINATION "${_home}" COMPONENT programs)
install(DIRECTORY third_party/models DESTINATION "${_home}/third_party" COMPONENT models OPTIONAL)
