# What `cmake --install` lays down: headers, both libraries, a CMake package and a pkg-config file, all
# of which find each other wherever the tree is moved to.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sparsemark)

# The shared library is sparsemark::sparsemark, the archive sparsemark::static, here as installed.
add_library(sparsemark::sparsemark ALIAS sparsemark_shared)
add_library(sparsemark::static ALIAS sparsemark)
set_target_properties(sparsemark_shared PROPERTIES EXPORT_NAME sparsemark)
set_target_properties(sparsemark PROPERTIES EXPORT_NAME static)
install(TARGETS sparsemark sparsemark_shared EXPORT sparsemark
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY kernels/include/sparsemark DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN *.h)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Before 1.0 a minor version may change the interface.
install(EXPORT sparsemark NAMESPACE sparsemark:: DESTINATION ${package_dir}
        FILE sparsemark-targets.cmake)
configure_package_config_file(cmake/sparsemark-config.cmake.in sparsemark-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(sparsemark-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sparsemark-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/sparsemark-config-version.cmake
        DESTINATION ${package_dir})

# Directories relative to the prefix, and the prefix relative to the file, unless they were given as
# absolute paths.
set(pc_prefix ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  file(RELATIVE_PATH up /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
  string(REGEX REPLACE "/$" "" pc_prefix "\${pcfiledir}/${up}")
endif()
set(pc_libdir \${prefix})
set(pc_includedir \${prefix})
cmake_path(APPEND pc_libdir "${CMAKE_INSTALL_LIBDIR}")
cmake_path(APPEND pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
configure_file(cmake/sparsemark.pc.in sparsemark.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sparsemark.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
