# Builds the library with cargo and makes it the targets that an installed library has, too:
# ArrowRedis::arrowredis (shared) and ArrowRedis::arrowredis_static.

find_program(CARGO cargo HINTS "$ENV{HOME}/.cargo/bin" REQUIRED)

# The flags of `make build`, so that nothing is compiled twice. S3 is one of the crate's default features.
set(ARROWREDIS_CARGO_FEATURES "cli,mimalloc" CACHE STRING "Features of the crate, beside S3")
set(cargo_flags --release --locked --features "${ARROWREDIS_CARGO_FEATURES}")
if(ARROWREDIS_WITH_S3)
    set(cargo_target_dir "${CMAKE_CURRENT_SOURCE_DIR}/target")
    if(DEFINED ENV{CARGO_TARGET_DIR})
        set(cargo_target_dir "$ENV{CARGO_TARGET_DIR}")
    endif()
else()
    # Another build of the crate must not make this one compile again.
    list(APPEND cargo_flags --no-default-features)
    set(cargo_target_dir "${CMAKE_CURRENT_BINARY_DIR}/cargo")
endif()
set(ARROWREDIS_CARGO_TARGET_DIR "${cargo_target_dir}" CACHE PATH "Where cargo builds")

set(shared_name "${CMAKE_SHARED_LIBRARY_PREFIX}arrowredis${CMAKE_SHARED_LIBRARY_SUFFIX}")
set(static_name "${CMAKE_STATIC_LIBRARY_PREFIX}arrowredis${CMAKE_STATIC_LIBRARY_SUFFIX}")
if(APPLE)
    set(versioned_name "libarrowredis.${PROJECT_VERSION}.dylib")
    set(soname "libarrowredis.${ARROWREDIS_ABI_VERSION}.dylib")
else()
    set(versioned_name "${shared_name}.${PROJECT_VERSION}")
    set(soname "${shared_name}.${ARROWREDIS_ABI_VERSION}")
endif()

# Cargo knows what has changed: it is always asked.
set(ARROWREDIS_PREBUILT_DIR "" CACHE PATH "Where cargo has left a library that is not to be built here")
if(ARROWREDIS_PREBUILT_DIR)
    set(cargo_output "${ARROWREDIS_PREBUILT_DIR}")
    add_custom_target(arrowredis_cargo)
else()
    set(cargo_output "${ARROWREDIS_CARGO_TARGET_DIR}/release")
    add_custom_target(arrowredis_cargo ALL
        COMMAND "${CARGO}" build ${cargo_flags} --target-dir "${ARROWREDIS_CARGO_TARGET_DIR}"
        WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
        BYPRODUCTS "${cargo_output}/${shared_name}" "${cargo_output}/${static_name}"
            "${cargo_output}/arrowredis${CMAKE_EXECUTABLE_SUFFIX}"
        USES_TERMINAL VERBATIM)
endif()
set(cargo_shared "${cargo_output}/${shared_name}")
set(cargo_static "${cargo_output}/${static_name}")
set(cargo_program "${cargo_output}/arrowredis${CMAKE_EXECUTABLE_SUFFIX}")

# What is built here runs with debug information: the names that the loader wants lead to cargo's own files.
set(link_dir "${CMAKE_CURRENT_BINARY_DIR}/lib")
file(MAKE_DIRECTORY "${link_dir}")
file(CREATE_LINK "${cargo_shared}" "${link_dir}/${versioned_name}" SYMBOLIC)
file(CREATE_LINK "${versioned_name}" "${link_dir}/${soname}" SYMBOLIC)
file(CREATE_LINK "${soname}" "${link_dir}/${shared_name}" SYMBOLIC)

# What `rustc --print native-static-libs` names for the static library.
if(APPLE)
    set(ARROWREDIS_STATIC_DEPENDENCIES "-framework Security" "-framework CoreFoundation" -liconv -lc -lm)
else()
    set(ARROWREDIS_STATIC_DEPENDENCIES -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc)
endif()

set(arrowredis_include_dirs
    "${CMAKE_CURRENT_SOURCE_DIR}/include" "${CMAKE_CURRENT_SOURCE_DIR}/bindings/cpp/include")
add_library(ArrowRedis::arrowredis SHARED IMPORTED GLOBAL)
set_target_properties(ArrowRedis::arrowredis PROPERTIES
    IMPORTED_LOCATION "${link_dir}/${shared_name}"
    IMPORTED_SONAME "${soname}"
    INTERFACE_INCLUDE_DIRECTORIES "${arrowredis_include_dirs}")
add_library(ArrowRedis::arrowredis_static STATIC IMPORTED GLOBAL)
set_target_properties(ArrowRedis::arrowredis_static PROPERTIES
    IMPORTED_LOCATION "${cargo_static}"
    INTERFACE_INCLUDE_DIRECTORIES "${arrowredis_include_dirs}"
    INTERFACE_LINK_LIBRARIES "${ARROWREDIS_STATIC_DEPENDENCIES}")
add_dependencies(ArrowRedis::arrowredis arrowredis_cargo)
add_dependencies(ArrowRedis::arrowredis_static arrowredis_cargo)
