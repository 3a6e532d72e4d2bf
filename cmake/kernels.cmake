# The library. kernels.inc and isa.inc are the only lists; a line there becomes an object library.
set(kernels_dir ${CMAKE_CURRENT_SOURCE_DIR}/kernels)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${kernels_dir}/kernels.inc ${kernels_dir}/isa.inc)

# Reads SM_ISA lines into isa_<level>_header and isa_<level>_flags.
file(STRINGS ${kernels_dir}/isa.inc isa_lines REGEX "^SM_ISA\\(")
foreach(line IN LISTS isa_lines)
  if(NOT line MATCHES "^SM_ISA\\( *([a-z0-9_]+), *[A-Z0-9_]+, *([a-z0-9_]+), *\"([^\"]*)\"\\)")
    message(FATAL_ERROR "kernels/isa.inc: cannot read: ${line}")
  endif()
  set(isa_${CMAKE_MATCH_1}_header ${CMAKE_MATCH_2})
  set(isa_${CMAKE_MATCH_1}_flags ${CMAKE_MATCH_3})
endforeach()

file(GLOB library_sources CONFIGURE_DEPENDS ${kernels_dir}/*.c ${kernels_dir}/formats/*.c
     ${kernels_dir}/prune/*.c ${kernels_dir}/reference/*.c)
set(strip_levels avx2 avx512)
foreach(isa IN LISTS strip_levels)
  file(GLOB ${isa}_sources CONFIGURE_DEPENDS ${kernels_dir}/*_${isa}.c)
  list(REMOVE_ITEM library_sources ${${isa}_sources})
endforeach()
add_library(sparsemark STATIC ${library_sources})
find_package(Threads REQUIRED)
target_link_libraries(sparsemark PUBLIC Threads::Threads m)
target_include_directories(sparsemark PUBLIC $<BUILD_INTERFACE:${kernels_dir}/include>
                           PRIVATE ${kernels_dir})
# Hidden but for what the public headers declare, so that a library which links the archive does not
# pass the internals on.
set_target_properties(sparsemark PROPERTIES C_VISIBILITY_PRESET hidden)
target_compile_definitions(sparsemark PRIVATE _GNU_SOURCE SM_VERSION="${PROJECT_VERSION}")
sparsemark_warnings(sparsemark)
# The oracle and masks must round as written.
set_source_files_properties(${kernels_dir}/reference/spmm.c PROPERTIES
                            COMPILE_OPTIONS "-O2;-ffp-contract=off")
file(GLOB prune_sources ${kernels_dir}/prune/*.c)
set_source_files_properties(${prune_sources} PROPERTIES COMPILE_OPTIONS -ffp-contract=off)

# add_kernel_object(target symbol op format isa variant mr nr flags...)
function(add_kernel_object target symbol op format isa variant mr nr)
  set(body ${kernels_dir}/${op}/${format}_${variant}_${isa}.c)
  if(NOT EXISTS ${body})
    set(body ${kernels_dir}/${op}/${format}_${variant}.c)
  endif()
  if(NOT EXISTS ${body})
    message(FATAL_ERROR "kernels/kernels.inc: no body for ${symbol}: expected ${body}")
  endif()
  add_library(${target} OBJECT ${body})
  target_include_directories(${target} PRIVATE ${kernels_dir} ${kernels_dir}/include)
  target_compile_definitions(${target} PRIVATE SM_MR=${mr} SM_NR=${nr} SM_SYMBOL=${symbol}
    SM_VEC_H="isa/vec_${isa_${isa}_header}.h")
  target_compile_options(${target} PRIVATE ${ARGN} ${SPARSEMARK_BODY_OPTIONS})
  set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF
                        C_VISIBILITY_PRESET hidden)
  sparsemark_warnings(${target})
endfunction()

file(STRINGS ${kernels_dir}/kernels.inc kernel_lines REGEX "^SM_KERNEL\\(")
set(kernel_objects "")
set(SPARSEMARK_EMULATED_KERNELS "")
foreach(line IN LISTS kernel_lines)
  string(REGEX REPLACE "^SM_KERNEL" "" line "${line}")
  string(REGEX MATCHALL "[a-z0-9_]+" fields "${line}")
  list(LENGTH fields count)
  if(NOT count EQUAL 7)
    message(FATAL_ERROR "kernels/kernels.inc: expected seven fields: ${line}")
  endif()
  list(POP_FRONT fields op format dtype isa variant mr nr)
  if(NOT DEFINED isa_${isa}_flags)
    message(FATAL_ERROR "kernels/kernels.inc: no level ${isa} in isa.inc: ${line}")
  endif()
  set(name ${op}_${format}_${dtype}_${isa}_${variant}_${mr}x${nr})
  add_kernel_object(${name} sm_${name} ${op} ${format} ${isa} ${variant} ${mr} ${nr}
                    ${isa_${isa}_flags})
  list(APPEND kernel_objects $<TARGET_OBJECTS:${name}>)
  if(isa STREQUAL "avx512" AND SPARSEMARK_SIMDE)
    add_kernel_object(emulated_${name} sm_emulated_${name} ${op} ${format} ${isa} ${variant}
                      ${mr} ${nr} -O2 -mavx2 -mfma -DSM_EMULATE -Wno-psabi)
    target_include_directories(emulated_${name} SYSTEM PRIVATE ${SPARSEMARK_SIMDE})
    list(APPEND SPARSEMARK_EMULATED_KERNELS emulated_${name})
  endif()
endforeach()

# What strips of X need of a level are objects of their own as well.
foreach(isa IN LISTS strip_levels)
  foreach(source IN LISTS ${isa}_sources)
    get_filename_component(part ${source} NAME_WE)
    add_library(${part} OBJECT ${source})
    target_include_directories(${part} PRIVATE ${kernels_dir} ${kernels_dir}/include)
    target_compile_options(${part} PRIVATE ${isa_${isa}_flags})
    set_target_properties(${part} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF
                          C_VISIBILITY_PRESET hidden)
    sparsemark_warnings(${part})
    list(APPEND kernel_objects $<TARGET_OBJECTS:${part}>)
  endforeach()
endforeach()
target_sources(sparsemark PRIVATE ${kernel_objects})

# The same objects as a shared library that exports the public headers' functions and nothing else.
# Its number is SM_ABI.
file(STRINGS ${kernels_dir}/include/sparsemark/version.h abi REGEX "^#define SM_ABI [0-9]+$")
string(REGEX REPLACE "^#define SM_ABI " "" abi "${abi}")
set(exports ${kernels_dir}/sparsemark.map)
add_library(sparsemark_shared SHARED $<TARGET_OBJECTS:sparsemark> ${kernel_objects})
target_link_libraries(sparsemark_shared PRIVATE Threads::Threads m)
target_link_options(sparsemark_shared PRIVATE "LINKER:--version-script=${exports}"
                    LINKER:-Bsymbolic)
if(NOT SPARSEMARK_SANITIZE) # their runtime comes with the program
  target_link_options(sparsemark_shared PRIVATE LINKER:-z,defs)
endif()
set_target_properties(sparsemark_shared PROPERTIES OUTPUT_NAME sparsemark SOVERSION ${abi}
                      VERSION ${PROJECT_VERSION} LINKER_LANGUAGE C LINK_DEPENDS ${exports}
                      LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
target_include_directories(sparsemark_shared PUBLIC $<BUILD_INTERFACE:${kernels_dir}/include>)
