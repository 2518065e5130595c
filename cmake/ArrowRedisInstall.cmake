# What `cmake --install` copies: libraries and program without debug information, headers, and what pkg-config and
# find_package need. Every path in the installed files is relative to those files: the folder may be moved.
include(CMakePackageConfigHelpers)

set(stripped_dir "${CMAKE_CURRENT_BINARY_DIR}/stripped")
set(generated_dir "${CMAKE_CURRENT_BINARY_DIR}/generated")
file(MAKE_DIRECTORY "${stripped_dir}")

# strip_copy(FROM NAME FLAG): a copy without what only a debugger needs. `-x` keeps what the linker asks for.
set(stripped_files)
function(strip_copy from name flag)
    add_custom_command(OUTPUT "${stripped_dir}/${name}"
        COMMAND "${CMAKE_STRIP}" "${flag}" -o "${stripped_dir}/${name}" "${from}"
        DEPENDS arrowredis_cargo "${from}"
        COMMENT "Stripping ${name}" VERBATIM)
    set(stripped_files ${stripped_files} "${stripped_dir}/${name}" PARENT_SCOPE)
endfunction()
strip_copy("${cargo_shared}" "${versioned_name}" -x)
strip_copy("${cargo_static}" "${static_name}" -S)
if(ARROWREDIS_CARGO_FEATURES MATCHES "cli")
    strip_copy("${cargo_program}" arrowredis -x)
    install(PROGRAMS "${stripped_dir}/arrowredis" TYPE BIN COMPONENT program)
endif()
add_custom_target(arrowredis_stripped ALL DEPENDS ${stripped_files})

file(CREATE_LINK "${versioned_name}" "${stripped_dir}/${soname}" SYMBOLIC)
file(CREATE_LINK "${soname}" "${stripped_dir}/${shared_name}" SYMBOLIC)
install(PROGRAMS "${stripped_dir}/${versioned_name}" "${stripped_dir}/${soname}" TYPE LIB COMPONENT runtime)
install(FILES "${stripped_dir}/${shared_name}" "${stripped_dir}/${static_name}" TYPE LIB COMPONENT development)
install(FILES LICENSE CHANGELOG.md TYPE DOC COMPONENT runtime)
install(FILES include/arrowredis.h TYPE INCLUDE COMPONENT development)
install(DIRECTORY bindings/cpp/include/ TYPE INCLUDE COMPONENT development)

# pkg-config: from the .pc file to the root of the installation.
file(RELATIVE_PATH pc_to_prefix "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
list(JOIN ARROWREDIS_STATIC_DEPENDENCIES " " pc_static_dependencies)
foreach(name arrowredis arrowredis-static)
    configure_file("cmake/${name}.pc.in" "${generated_dir}/${name}.pc" @ONLY)
    install(FILES "${generated_dir}/${name}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT development)
endforeach()

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/ArrowRedis")
configure_package_config_file(cmake/ArrowRedisConfig.cmake.in "${generated_dir}/ArrowRedisConfig.cmake"
    INSTALL_DESTINATION "${config_dir}"
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
# Before 1.0 a new minor version may break programs that are compiled anew; those that are not have the SONAME.
write_basic_package_version_file("${generated_dir}/ArrowRedisConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${generated_dir}/ArrowRedisConfig.cmake" "${generated_dir}/ArrowRedisConfigVersion.cmake"
    DESTINATION "${config_dir}" COMPONENT development)
