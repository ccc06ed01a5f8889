# Writes OUTPUT, a C file that holds the Lua files named in MANIFEST, one a
# line; a file's module name is its path below ROOT. core/codec/modules.h
# declares the result.

file(STRINGS ${MANIFEST} files)
set(arrays "")
set(entries "")
set(number 0)
foreach(file IN LISTS files)
    file(RELATIVE_PATH path ${ROOT} ${file})
    string(REGEX REPLACE "\\.lua$" "" name ${path})
    string(REGEX REPLACE "/init$" "" name ${name})
    string(REPLACE "/" "." name ${name})
    file(READ ${file} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    # A final zero makes an empty file legal C and every file a C string.
    string(APPEND arrays "static const unsigned char module_${number}[] = {${bytes}0};\n")
    string(APPEND entries "    {\"${name}\", \"@${path}\",\n     (const char *)module_${number}, sizeof module_${number} - 1},\n")
    math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${OUTPUT}
    "/* Generated from lua/ by scripts/cmake/embed.cmake. */\n"
    "#include \"modules.h\"\n\n"
    "${arrays}\n"
    "const luas__module luas__modules[] = {\n${entries}    {NULL, NULL, NULL, 0}\n};\n")
