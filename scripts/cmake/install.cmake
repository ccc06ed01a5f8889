# cmake --install: the program, the library with its headers, pkg-config file
# and CMake package, the Lua module, the man page, the READMEs, completion for shells. All of it may be moved.

set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/luas)
set(packaging ${PROJECT_SOURCE_DIR}/scripts/packaging)

install(TARGETS luas_module
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/lua/5.4)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES lua/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/lua)
install(FILES core/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/core)
install(FILES scripts/luas.3lua DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
# For the Lua language server: a folder for Lua.workspace.library.
install(FILES scripts/reference/luas.lua DESTINATION ${CMAKE_INSTALL_DATADIR}/luas/library)

if(LUAS_PROGRAM)
    install(TARGETS luas_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(FILES scripts/luas.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES scripts/completion/luas.bash RENAME luas
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
    install(FILES scripts/completion/_luas
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()

if(LUAS_LIBRARY)
    install(TARGETS luas_dynamic luas_static EXPORT luas
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(FILES scripts/luas.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
    install(FILES core/luas.h core/luas.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

    install(EXPORT luas NAMESPACE luas:: FILE luas-targets.cmake
        DESTINATION ${cmake_dir})
    configure_package_config_file(${packaging}/luas-config.cmake.in
        ${PROJECT_BINARY_DIR}/luas-config.cmake INSTALL_DESTINATION ${cmake_dir}
        NO_SET_AND_CHECK_MACRO)
    write_basic_package_version_file(${PROJECT_BINARY_DIR}/luas-config-version.cmake
        COMPATIBILITY SameMinorVersion)
    install(FILES ${PROJECT_BINARY_DIR}/luas-config.cmake
        ${PROJECT_BINARY_DIR}/luas-config-version.cmake DESTINATION ${cmake_dir})

    # The .pc finds its prefix from its own place.
    set(pc_dir ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
    file(RELATIVE_PATH PC_PREFIX ${pc_dir} ${CMAKE_INSTALL_PREFIX})
    file(RELATIVE_PATH PC_LIBDIR ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
    file(RELATIVE_PATH PC_INCLUDEDIR
        ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
    configure_file(${packaging}/luas.pc.in ${PROJECT_BINARY_DIR}/luas.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/luas.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
