# C tests, fuzzers, benchmarks and the embedding examples, one program a file.
# The specs are run by scripts/test, which also picks the interpreter.

# Builds one program for each file of `pattern` into the folder `folder` and
# puts their names into `result`; the rest is what they are linked with. Targets
# are named folder_name.
function(add_programs result folder pattern)
    file(GLOB sources CONFIGURE_DEPENDS ${pattern})
    set(names "")
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        add_executable(${folder}_${name} ${source})
        set_target_properties(${folder}_${name} PROPERTIES OUTPUT_NAME ${name}
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder})
        target_link_libraries(${folder}_${name} PRIVATE ${ARGN})
        # A test's assert is there to fail, in a release build too.
        target_compile_options(${folder}_${name} PRIVATE -UNDEBUG)
        list(APPEND names ${name})
    endforeach()
    set(${result} ${names} PARENT_SCOPE)
endfunction()

# The tests of the Lua-free part see no Lua either.
set(with_lua ${lua_floors} ${core_floors} PkgConfig::LUA)
add_programs(lua_tests tests "tests/lua_*_test.c;tests/codec_test.c" ${with_lua})
file(GLOB core_sources CONFIGURE_DEPENDS tests/*_test.c)
list(FILTER core_sources EXCLUDE REGEX "/(lua_[^/]*|codec)_test\\.c$")
set(core_tests "")
if(core_sources)
    add_programs(core_tests tests "${core_sources}" ${core_floors})
endif()
# Their allocations fail when they want them to.
foreach(test nomem_test lua_nomem_test lua_pool_nomem_test)
    if(TARGET tests_${test})
        target_link_options(tests_${test} PRIVATE
            -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free)
    endif()
endforeach()
# And its system calls.
if(TARGET tests_nosys_test)
    foreach(call read write close pipe2 fcntl poll epoll_create1 epoll_ctl epoll_wait eventfd
            timerfd_create timerfd_settime mmap fork syscall waitpid waitid setpgid kill open
            pthread_create dup2 prctl sigaction pthread_sigmask socketpair sendmsg recvmsg
            memfd_create ftruncate madvise)
        target_link_options(tests_nosys_test PRIVATE -Wl,--wrap=${call})
    endforeach()
endif()
find_program(VALGRIND valgrind)
set(memcheck ${VALGRIND} -q --error-exitcode=99 --leak-check=full
    --errors-for-leak-kinds=definite --show-leak-kinds=definite
    --suppressions=${PROJECT_SOURCE_DIR}/tests/valgrind.supp)
foreach(test IN LISTS lua_tests core_tests)
    add_test(NAME ${test} COMMAND tests_${test})
    set_tests_properties(${test} PROPERTIES TIMEOUT 120)
    if(VALGRIND AND NOT LUAS_SANITIZE)
        add_test(NAME valgrind_${test} COMMAND ${memcheck} $<TARGET_FILE:tests_${test}>)
        set_tests_properties(valgrind_${test} PROPERTIES TIMEOUT 240 LABELS valgrind)
    endif()
endforeach()
# Debian's Python, which has Debian's msgpack, whatever else is in PATH.
add_test(NAME msgpack_peer COMMAND /usr/bin/python3
    ${PROJECT_SOURCE_DIR}/tests/msgpack_peer.py $<TARGET_FILE:tests_codec_test>)
set_tests_properties(msgpack_peer PROPERTIES TIMEOUT 120)

add_programs(benchmarks benchmarks scripts/benchmarks/*.c
    ${lua_floors} ${core_floors} ${whole_lua})
add_programs(examples embed scripts/embed/*.c luas::luas PkgConfig::LUA)

if(LUAS_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        missing("clang, which LUAS_FUZZ needs (-DCMAKE_C_COMPILER=clang)," clang)
    endif()
    add_programs(fuzzers fuzz tests/*_fuzz.c ${with_lua})
    foreach(fuzzer IN LISTS fuzzers)
        target_link_options(fuzz_${fuzzer} PRIVATE -fsanitize=fuzzer)
    endforeach()
endif()
