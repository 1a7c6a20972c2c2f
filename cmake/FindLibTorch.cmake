# Finds the unpacked PyPI torch wheel without running its TorchConfig.cmake, which
# insists on nvcc even where only the CPU part is wanted.
#   LIBTORCH_ROOT   folder that holds torch/ and nvidia/ (a site-packages layout)
# Targets: LibTorch::c10, LibTorch::cpu, and with the CUDA component LibTorch::cuda.
set(LIBTORCH_ROOT "${PROJECT_SOURCE_DIR}/third_party/libtorch" CACHE PATH "holds torch/ and nvidia/")
find_path(LibTorch_INCLUDE_DIR torch/headeronly/macros/Macros.h
  PATHS "${LIBTORCH_ROOT}/torch/include" NO_DEFAULT_PATH)
foreach(lib IN ITEMS torch_cpu c10)
  find_library(LibTorch_${lib}_LIBRARY ${lib} PATHS "${LIBTORCH_ROOT}/torch/lib" NO_DEFAULT_PATH)
endforeach()
set(_need LibTorch_INCLUDE_DIR LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY)
if("CUDA" IN_LIST LibTorch_FIND_COMPONENTS)
  foreach(lib IN ITEMS torch_cuda c10_cuda)
    find_library(LibTorch_${lib}_LIBRARY ${lib} PATHS "${LIBTORCH_ROOT}/torch/lib" NO_DEFAULT_PATH)
  endforeach()
  if(LibTorch_torch_cuda_LIBRARY AND LibTorch_c10_cuda_LIBRARY)
    set(LibTorch_CUDA_FOUND TRUE)
  endif()
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS ${_need} HANDLE_COMPONENTS)
if(NOT LibTorch_FOUND OR TARGET LibTorch::cpu)
  return()
endif()

# The linker looks in these for what libtorch_cpu.so itself needs (libcudart, libcupti, ...),
# before any older copy that a toolkit on the machine has.
file(GLOB _nv LIST_DIRECTORIES true "${LIBTORCH_ROOT}/nvidia/*/lib")
set(_link "")
foreach(d IN LISTS _nv)
  list(APPEND _link "LINKER:-rpath-link,${d}")
endforeach()

add_library(LibTorch::headers INTERFACE IMPORTED)
# -idirafter: the wheel's include/ also holds fmt 12 and protobuf; Debian's must win.
target_compile_options(LibTorch::headers INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${LibTorch_INCLUDE_DIR}>"
  "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${LibTorch_INCLUDE_DIR}/torch/csrc/api/include>")
target_compile_features(LibTorch::headers INTERFACE cxx_std_20)

add_library(LibTorch::c10 SHARED IMPORTED)
set_target_properties(LibTorch::c10 PROPERTIES
  IMPORTED_LOCATION "${LibTorch_c10_LIBRARY}" INTERFACE_LINK_LIBRARIES LibTorch::headers)
add_library(LibTorch::cpu SHARED IMPORTED)
set_target_properties(LibTorch::cpu PROPERTIES
  IMPORTED_LOCATION "${LibTorch_torch_cpu_LIBRARY}" INTERFACE_LINK_LIBRARIES LibTorch::c10
  INTERFACE_LINK_OPTIONS "${_link}")
if(LibTorch_CUDA_FOUND)
  find_package(CUDAToolkit REQUIRED)
  add_library(LibTorch::c10_cuda SHARED IMPORTED)
  set_target_properties(LibTorch::c10_cuda PROPERTIES
    IMPORTED_LOCATION "${LibTorch_c10_cuda_LIBRARY}"
    INTERFACE_LINK_LIBRARIES "LibTorch::c10;CUDA::cudart")
  # Nothing refers to libtorch_cuda.so by symbol, its kernels register themselves on load.
  add_library(LibTorch::cuda INTERFACE IMPORTED)
  set_target_properties(LibTorch::cuda PROPERTIES
    INTERFACE_LINK_LIBRARIES "LibTorch::cpu;LibTorch::c10_cuda"
    INTERFACE_LINK_OPTIONS "LINKER:--push-state,--no-as-needed;${LibTorch_torch_cuda_LIBRARY};LINKER:--pop-state")
endif()
