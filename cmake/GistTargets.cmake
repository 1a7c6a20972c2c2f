# The targets' common ground: compiler cache, warnings, sanitizers, and one
# function each for a library, a test and a fuzzer.
find_program(CCACHE ccache)
if(CCACHE)  # pch_defines: else what has a precompiled header is not cached
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros;${CCACHE}")
endif()
option(GIST_UNITY "compile eight sources of a library at once: a third of the time from nothing, more after a change" ON)

if(GIST_SANITIZE)
  string(REPLACE ";" "," _sanitizers "${GIST_SANITIZE}")
  add_compile_options(-fsanitize=${_sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${_sanitizers})
endif()
if(GIST_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

function(_gist_compile target)
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>" $<INSTALL_INTERFACE:include/gistd>)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Werror=return-type -Wshadow)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # restrict: wrong about std::string in GCC 12 (bug 105651). subobject-linkage: a unity build
    # includes its sources, and GCC takes what is included for a header.
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-subobject-linkage)
  endif()
  target_compile_definitions(${target} PRIVATE SPDLOG_FMT_EXTERNAL)
endfunction()

# gist_library(NAME SOURCES a.cc ... [APART b.cc ...] [PUBLIC lib ...] [PRIVATE lib
# ...]): the static library gist_NAME with the alias gist::NAME. APART: sources
# whose names without linkage clash with others'.
function(gist_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;APART;PUBLIC;PRIVATE" ${ARGN})
  add_library(gist_${name} STATIC ${ARG_SOURCES} ${ARG_APART})
  add_library(gist::${name} ALIAS gist_${name})
  set_source_files_properties(${ARG_APART} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set_target_properties(gist_${name} PROPERTIES UNITY_BUILD ${GIST_UNITY})
  _gist_compile(gist_${name})
  target_link_libraries(gist_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

# gist_executable(NAME SOURCES a.cc ... LINK lib ...): lands in the build's root.
function(gist_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  _gist_compile(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  set_target_properties(${name} PROPERTIES
    UNITY_BUILD ${GIST_UNITY} RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
endfunction()

# What nearly every test includes, parsed once. -pthread in all: what links gRPC
# has it, and the precompiled header is for the same flags alone. Tests are
# compiled with few optimisations: most of their time goes into the compiler.
set(GIST_TEST_OPTIONS -pthread -Wno-missing-field-initializers -Wno-dangling-else $<$<CONFIG:Release>:-O1>)
function(gist_test_headers)
  file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/test_headers.cc" CONTENT "")
  add_library(gist_test_headers OBJECT "${CMAKE_CURRENT_BINARY_DIR}/test_headers.cc")
  _gist_compile(gist_test_headers)
  target_compile_options(gist_test_headers PRIVATE ${GIST_TEST_OPTIONS})
  target_link_libraries(gist_test_headers PRIVATE gist::test_support nlohmann_json::nlohmann_json Threads::Threads)
  target_precompile_headers(gist_test_headers PRIVATE ${ARGN})
endfunction()

# gist_test(PATH_test.cc LABELS unit|model|integration LINK lib ...): one
# executable, one ctest entry for each TEST. PATH is relative to tests/.
# The working directory is the repository root.
function(gist_test source)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;LINK" ${ARGN})
  string(REGEX REPLACE "[/.]" "_" target "${source}")
  string(REGEX REPLACE "_cc$" "" target "${target}")
  add_executable(${target} "${PROJECT_SOURCE_DIR}/tests/${source}")
  _gist_compile(${target})
  target_compile_options(${target} PRIVATE ${GIST_TEST_OPTIONS})
  target_precompile_headers(${target} REUSE_FROM gist_test_headers)
  target_link_libraries(${target} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest_main Threads::Threads)
  set_property(GLOBAL APPEND PROPERTY GIST_TEST_SOURCES "${source}")
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  include(GoogleTest)
  gtest_discover_tests(${target} DISCOVERY_TIMEOUT 60 DISCOVERY_MODE PRE_TEST
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# gist_fuzz(fuzz/NAME_fuzz.cc LINK lib ...): with GIST_FUZZ a libFuzzer binary;
# otherwise a unit test that replays tests/fuzz/corpus/NAME and its mutations.
function(gist_fuzz source)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  get_filename_component(name "${source}" NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" corpus "${name}")
  if(GIST_FUZZ)
    add_executable(${name} "${PROJECT_SOURCE_DIR}/tests/${source}")
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} "${PROJECT_SOURCE_DIR}/tests/${source}"
                   "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc")
    add_test(NAME fuzz_replay.${corpus}
             COMMAND ${name} "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${corpus}")
    set_tests_properties(fuzz_replay.${corpus} PROPERTIES LABELS unit TIMEOUT 120)
  endif()
  _gist_compile(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
endfunction()

# Fails the configure step if a *_test.cc below tests/ is known to no gist_test.
function(gist_require_all_tests_registered)
  get_property(known GLOBAL PROPERTY GIST_TEST_SOURCES)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/tests"
       "${PROJECT_SOURCE_DIR}/tests/*_test.cc")
  foreach(source IN LISTS found)
    if(NOT source IN_LIST known AND GIST_TORCH AND NOT GIST_SANITIZE)
      message(FATAL_ERROR "tests/${source} is not registered: add gist_test(${source} ...)")
    endif()
  endforeach()
endfunction()
