# The measured loops of `sparsemark roof`: a line of harness/roof/roof.inc becomes an object library
# with its level's flags. Sets roof_objects.
set(roof_dir ${PROJECT_SOURCE_DIR}/harness/roof)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${roof_dir}/roof.inc)

file(STRINGS ${roof_dir}/roof.inc roof_lines REGEX "^SM_ROOF\\(")
set(roof_objects "")
foreach(line IN LISTS roof_lines)
  if(NOT line MATCHES
     "^SM_ROOF\\( *([a-z]+), *([a-z0-9]+), *([a-z0-9]+), *([a-z0-9]+), *\"([^\"]*)\"\\)")
    message(FATAL_ERROR "harness/roof/roof.inc: cannot read: ${line}")
  endif()
  set(body ${CMAKE_MATCH_1}_${CMAKE_MATCH_2})
  set(name roof_${body}_${CMAKE_MATCH_3})
  set(level ${CMAKE_MATCH_4})
  set(flags ${CMAKE_MATCH_5})
  if(NOT DEFINED isa_${level}_flags)
    message(FATAL_ERROR "harness/roof/roof.inc: no level ${level} in isa.inc: ${line}")
  endif()
  add_library(${name} OBJECT ${roof_dir}/loops/${body}.c)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/harness ${kernels_dir}
                             ${kernels_dir}/include)
  target_compile_definitions(${name} PRIVATE SM_SYMBOL=sm_${name}
                             SM_VEC_H="isa/vec_${isa_${level}_header}.h")
  # Half a gigabyte of private memory, watched load by load, would take minutes.
  target_compile_options(${name} PRIVATE ${isa_${level}_flags} ${flags} -fno-sanitize=thread)
  set_target_properties(${name} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
  sparsemark_warnings(${name})
  list(APPEND roof_objects $<TARGET_OBJECTS:${name}>)
endforeach()
