# C tests, fuzzers, benchmarks and the embedding examples, one program a file.
# The specs are run by scripts/test, which also picks the interpreter.

# Builds one program for each of the files that match `patterns` into the folder
# `folder` and puts their names into `result`; the rest is what they are linked
# with. Targets are named folder_name.
function(add_programs result folder patterns)
    file(GLOB sources CONFIGURE_DEPENDS ${patterns})
    set(names "")
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        add_executable(${folder}_${name} ${source})
        set_target_properties(${folder}_${name} PROPERTIES OUTPUT_NAME ${name}
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder})
        target_include_directories(${folder}_${name} PRIVATE tests/support scripts/benchmarks)
        target_link_libraries(${folder}_${name} PRIVATE ${ARGN})
        # A test's assert is there to fail, in a release build too.
        target_compile_options(${folder}_${name} PRIVATE -UNDEBUG)
        list(APPEND names ${name})
    endforeach()
    set(${result} ${names} PARENT_SCOPE)
endfunction()

# The tests of a floor see that floor and those below it.
set(below_base)
set(below_wire luas_base)
set(below_proc luas_wire luas_base)
set(below_shared luas_proc ${below_proc})
set(below_pool luas_proc ${below_proc})
set(below_cluster luas_base)
set(below_codec ${below_proc})
set(below_worker luas_codec luas_shared ${below_pool})
set(below_host luas_worker luas_cluster luas_pool luas_shared luas_codec ${below_pool})
set(unit_tests "")
foreach(floor base wire proc shared pool cluster codec worker host)
    set(with luas_${floor} ${below_${floor}})
    if(luas_${floor} IN_LIST lua_floors)
        list(APPEND with PkgConfig::LUA)
    endif()
    add_programs(floor_tests tests tests/unit/${floor}/*_test.c ${with})
    list(APPEND unit_tests ${floor_tests})
endforeach()
# Their allocations fail when they want them to.
foreach(test nomem_test codec_nomem_test host_nomem_test results_test tables_nomem_test shared_failures_test)
    if(TARGET tests_${test})
        target_link_options(tests_${test} PRIVATE
            -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free)
    endif()
endforeach()
# It loads another copy of the library.
if(TARGET tests_sandbox_test)
    add_dependencies(tests_sandbox_test luas_module)
    target_link_libraries(tests_sandbox_test PRIVATE ${CMAKE_DL_LIBS})
endif()
# And its system calls.
if(TARGET tests_nosys_test)
    foreach(call read write close pipe2 fcntl poll epoll_create1 epoll_ctl epoll_wait eventfd
            timerfd_create timerfd_settime mmap fork syscall waitpid waitid setpgid kill open
            pthread_create dup2 prctl sigaction pthread_sigmask socketpair sendmsg recvmsg
            memfd_create ftruncate madvise)
        target_link_options(tests_nosys_test PRIVATE -Wl,--wrap=${call})
    endforeach()
endif()
if(TARGET tests_shared_failures_test)
    foreach(call memfd_create ftruncate fstat stat fallocate mmap madvise)
        target_link_options(tests_shared_failures_test PRIVATE -Wl,--wrap=${call})
    endforeach()
endif()
find_program(VALGRIND valgrind)
# What looks for leaks reads all memory: it would fill the holes of an arena of 64 GiB. So
# long files are not allowed, which makes it a small one.
set(memcheck prlimit --fsize=268435456 ${VALGRIND} -q --error-exitcode=99 --leak-check=full
    --errors-for-leak-kinds=definite --show-leak-kinds=definite
    --suppressions=${PROJECT_SOURCE_DIR}/tests/support/valgrind.supp)
foreach(test IN LISTS unit_tests)
    add_test(NAME ${test} COMMAND tests_${test})
    set_tests_properties(${test} PROPERTIES TIMEOUT 300)
    if(VALGRIND AND NOT LUAS_SANITIZE)
        add_test(NAME valgrind_${test} COMMAND ${memcheck} $<TARGET_FILE:tests_${test}>)
        set_tests_properties(valgrind_${test} PROPERTIES TIMEOUT 900 LABELS valgrind)
    endif()
endforeach()
# Debian's Python, which has Debian's msgpack, whatever else is in PATH.
add_test(NAME msgpack_peer COMMAND /usr/bin/python3
    ${PROJECT_SOURCE_DIR}/tests/codec/msgpack_peer.py $<TARGET_FILE:tests_codec_test>
    $<TARGET_FILE:tests_embed_results_test>)
set_tests_properties(msgpack_peer PROPERTIES TIMEOUT 300)

add_programs(benchmarks benchmarks "scripts/benchmarks/floors/*.c;scripts/benchmarks/runners/*.c"
    ${lua_floors} ${core_floors} ${whole_lua})
# The others need libraries of loops, or C++: tests/spec/embed_examples_spec.lua builds them.
add_programs(examples embed "scripts/embed/no_lua.c;scripts/embed/own_state.c" luas::luas PkgConfig::LUA)
add_programs(hosts hosts tests/fuzz/*_host.c luas::luas)

if(LUAS_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        missing("clang, which LUAS_FUZZ needs (-DCMAKE_C_COMPILER=clang)," clang)
    endif()
    add_programs(fuzzers fuzz tests/fuzz/*_fuzz.c ${lua_floors} ${core_floors} PkgConfig::LUA)
    foreach(fuzzer IN LISTS fuzzers)
        target_link_options(fuzz_${fuzzer} PRIVATE -fsanitize=fuzzer)
    endforeach()
else()
    # They compile with the rest, so that a new name is missed at once.
    file(GLOB fuzz_sources CONFIGURE_DEPENDS tests/fuzz/*_fuzz.c)
    add_library(fuzzers_compile OBJECT ${fuzz_sources})
    target_link_libraries(fuzzers_compile PRIVATE ${lua_floors} ${core_floors} PkgConfig::LUA)
    target_include_directories(fuzzers_compile PRIVATE tests/support)
endif()
