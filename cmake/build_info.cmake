# build_info.h: what was built, from what, with what. Included, this file gives
# sparsemark_build_info(target); run with -P it writes the header, at every build but only where the
# commit or the state of the sources changed, so that nothing else is compiled again.
if(CMAKE_SCRIPT_MODE_FILE)
  set(COMMIT unknown)
  set(DIRTY -1)
  execute_process(COMMAND git rev-parse --show-toplevel HEAD WORKING_DIRECTORY ${SOURCE}
                  RESULT_VARIABLE failed OUTPUT_VARIABLE answer ERROR_QUIET)
  file(REAL_PATH ${SOURCE} source)
  # A tree unpacked inside somebody else's repository is not that repository's commit.
  if("${failed}" STREQUAL "0" AND "${answer}" MATCHES "^([^\n]*)\n([0-9a-f]+)\n$"
     AND CMAKE_MATCH_1 STREQUAL source)
    set(COMMIT ${CMAKE_MATCH_2})
    # Only what is compiled counts, untracked files too: CMake globs for sources.
    execute_process(COMMAND git --no-optional-locks status --porcelain --
                            CMakeLists.txt cmake kernels harness WORKING_DIRECTORY ${SOURCE}
                    RESULT_VARIABLE failed OUTPUT_VARIABLE changes ERROR_QUIET)
    if("${failed}" STREQUAL "0")
      set(DIRTY 1)
      if("${changes}" STREQUAL "")
        set(DIRTY 0)
      endif()
    endif()
  endif()
  configure_file(${IN} ${OUT} @ONLY)
  return()
endif()

function(sparsemark_build_info target)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  string(STRIP "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${type}}" flags)
  set(kernel_flags "")
  foreach(line IN LISTS isa_lines)
    string(REGEX MATCH "^SM_ISA\\( *([a-z0-9_]+)" ignored "${line}")
    string(REPLACE ";" " " level_flags "${isa_${CMAKE_MATCH_1}_flags}")
    list(APPEND kernel_flags "${CMAKE_MATCH_1}: ${level_flags}")
  endforeach()
  list(JOIN kernel_flags ", " kernel_flags)
  foreach(text flags kernel_flags)
    string(REPLACE "\\" "\\\\" ${text} "${${text}}")
    string(REPLACE "\"" "\\\"" ${text} "${${text}}")
  endforeach()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/generated)
  file(WRITE ${folder}/build_info.h.in "/* Written by cmake/build_info.cmake. */
#define SM_BUILD_VERSION \"${PROJECT_VERSION}\"
#define SM_BUILD_COMMIT \"@COMMIT@\"
#define SM_BUILD_DIRTY @DIRTY@ /* 1 changed, 0 as committed, -1 unknown */
#define SM_BUILD_COMPILER \"${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}\"
#define SM_BUILD_TYPE \"${CMAKE_BUILD_TYPE}\"
#define SM_BUILD_SANITIZE \"${SPARSEMARK_SANITIZE}\"
#define SM_BUILD_FLAGS \"${flags}\"
#define SM_BUILD_KERNEL_FLAGS \"${kernel_flags}\"
")
  add_custom_target(build_info
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DIN=${folder}/build_info.h.in
            -DOUT=${folder}/build_info.h -P ${PROJECT_SOURCE_DIR}/cmake/build_info.cmake
    BYPRODUCTS ${folder}/build_info.h COMMENT "Looking at the commit" VERBATIM)
  add_dependencies(${target} build_info)
  target_include_directories(${target} PUBLIC ${folder})
endfunction()
