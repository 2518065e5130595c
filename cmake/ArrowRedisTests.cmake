# What the test programs of C and C++ share.
enable_testing()
# For tools that watch memory: what runs test programs, and what the tool says of the two planted mistakes.
set(ARROWREDIS_TEST_LAUNCHER "" CACHE STRING "What runs test programs, such as valgrind with its options")
set(ARROWREDIS_FOUND_USE_AFTER_FREE "" CACHE STRING "Regular expression of the tool's report")
set(ARROWREDIS_FOUND_LEAK "" CACHE STRING "Regular expression of the tool's report")
set(warnings -Wall -Wextra -Wpedantic -Werror)
find_package(Threads REQUIRED)

# Arrow C++ and Arrow's own C header come with pyarrow, which is also the independent reader.
set(ARROWREDIS_PYTHON "${PROJECT_SOURCE_DIR}/.venv/bin/python" CACHE FILEPATH "Python with pyarrow, see scripts/python-env")
execute_process(COMMAND "${ARROWREDIS_PYTHON}" -c
        "import pyarrow; print(pyarrow.get_include(), pyarrow.get_library_dirs()[0], pyarrow.cpp_build_info.so_version, sep=';')"
    OUTPUT_VARIABLE pyarrow OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
list(GET pyarrow 0 pyarrow_include)
list(GET pyarrow 1 pyarrow_folder)
list(GET pyarrow 2 pyarrow_soversion)

add_library(arrowredis_test_support STATIC
    tests/capi/support/harness.c tests/capi/support/data.c tests/capi/support/server.c)
target_compile_features(arrowredis_test_support PUBLIC c_std_11)
target_compile_definitions(arrowredis_test_support PUBLIC _GNU_SOURCE)
target_compile_options(arrowredis_test_support PRIVATE ${warnings})
target_include_directories(arrowredis_test_support PUBLIC tests/capi/support)
target_link_libraries(arrowredis_test_support PUBLIC ArrowRedis::arrowredis Threads::Threads)

# arrowredis_test_program(NAME SOURCE): its tests become tests of ctest, see tests/capi/support/harness.h.
function(arrowredis_test_program name source)
    add_executable(${name} "${source}")
    target_compile_options(${name} PRIVATE ${warnings})
    target_compile_definitions(${name} PRIVATE PROJECT_VERSION="${PROJECT_VERSION}")
    target_link_libraries(${name} PRIVATE arrowredis_test_support)
    set(list "${CMAKE_CURRENT_BINARY_DIR}/${name}.tests.cmake")
    string(REPLACE ";" "|" launcher "${ARROWREDIS_TEST_LAUNCHER}")
    add_custom_command(TARGET ${name} POST_BUILD
        COMMAND "${CMAKE_COMMAND}" -D "PROGRAM=$<TARGET_FILE:${name}>" -D "NAME=${name}" -D "LAUNCHER=${launcher}"
            -D "OUT=${list}" -P "${PROJECT_SOURCE_DIR}/cmake/DiscoverTests.cmake"
        BYPRODUCTS "${list}" VERBATIM)
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${list}")
endfunction()

add_subdirectory(tests/capi)
add_subdirectory(tests/cpp)
