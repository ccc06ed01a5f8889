/*
 * The value format: MessagePack, and extension types for what it lacks.
 *
 * A message is one MessagePack value; luas__encode writes an array of values
 * (arguments or results). Without sharing, functions and metatables it is
 * plain MessagePack:
 *
 *   nil, booleans     nil, true, false
 *   integers          the int forms; a uint above 2^63 - 1 is refused
 *   floats            always float 64 (float 32 is read)
 *   strings           str where UTF-8, else bin; both become Lua strings
 *   tables            an array if the keys are exactly 1..n in lua_next order,
 *                     else a map; an empty table is an array
 *
 * Objects are numbered from 0 within a message, in the order in which their
 * first bytes stand: each array and map (the outermost array of luas__encode
 * is not an object), FUNCTION, PACKED, NAME and STANDARD. A NUMBER payload is
 * an unsigned big-endian integer of 1, 2 or 4 bytes. Extension types:
 *
 *   SHARED    one message: the whole input is this ext. Only inside it may
 *             REF and CELL occur, so that a reader of any other message need
 *             not remember its objects.
 *   REF       NUMBER: the object of that number, which has begun earlier.
 *   OBJECT    content, class: a table (array or map) and its metatable. To
 *             a host without Lua each class is nil, here and in PACKED, tables
 *             never go by name, and functions not at all (plain.h).
 *   PACKED    an array of values, class: the object that
 *             class.__luas_unpack(values...) returns. The array is not an
 *             object. The object exists only after the end of this ext, and in
 *             a define message after the end of that, if it cannot be made
 *             before. So its own values cannot refer to it, nor can what its
 *             class reaches: an object that its class reaches is an OBJECT.
 *   FUNCTION  bin, upvalue...: what lua_dump wrote, then as many upvalues as
 *             the function has. An upvalue is a CELL, an UPVALUE, or a value,
 *             for which a new cell is made. Cells are numbered like objects,
 *             but with numbers of their own.
 *   CELL      NUMBER: shares the upvalue of an earlier FUNCTION in this
 *             message. Occurs as an upvalue only.
 *   UPVALUE   NUMBER, 256 * n + i: shares upvalue i, from 1, of the function
 *             that is object n of the space. Occurs as an upvalue only.
 *   GLOBALS   empty: the environment of the receiver's space, or the
 *             receiver's globals.
 *   SPACE     NUMBER: an object of the space (space.h).
 *   NAME      module, step...: package.loaded[module], or require(module);
 *             then for each step a raw field (str) or the upvalue of that
 *             index (int). A nil for the module: a single str follows, which
 *             is the name of a type that luaL_newmetatable registered.
 *   LIGHT     light userdata, of which the empty ext is NULL. Else two numbers
 *             of 8 bytes: the family of processes in which it holds
 *             (loaded.h), and the pointer; or its offset in the loaded library
 *             whose path follows. What a module has is a NAME instead.
 *   KEPT      8 bytes, an unsigned big-endian integer: an object that the receiver
 *             has inherited, by its number (settings.h); as an upvalue with the
 *             index of one in its low 8 bits: shares that one. No object of the
 *             message.
 *   STANDARD  a dotted name in ASCII: "print", "string.format", "io.stdout",
 *             or "(string)" for the metatable of strings.
 *
 * A define message gives a space its objects: an array of
 *
 *   root        any value
 *   globals     a map from names to values
 *   absent      an array of names that the host has no global for
 *   standard    an array of names whose value is the receiver's own global
 *   settings    true: the root is a table of settings (settings.h) for the job's
 *               tasks, in place of those before. May be missing
 *
 * The objects of root and of the values of globals (not that map nor the two arrays)
 * take the next numbers of the space. A reference to any of them, in this message
 * too, is a SPACE. So a define message holds no SHARED or REF.
 *
 * A reader refuses (LUAS_EPROTO): lengths and counts that run past the end;
 * bytes left over; other extension types; a nil or NaN key; a number of an
 * object that has not begun; an upvalue that is not there; an OBJECT whose
 * content is not an array or map, or whose class is not a table; an ext whose values do not fill it exactly;
 * nesting beyond WIRE_DEPTH. Unless told to trust the sender it refuses
 * FUNCTION, GLOBALS, NAME, STANDARD and KEPT too, for bytecode can do anything.
 */
#ifndef LUAS_VALUE_FORMAT_H
#define LUAS_VALUE_FORMAT_H

#define WIRE_EXTENSIONS(X) \
    X(SHARED, 1) X(REF, 2) X(OBJECT, 3) X(PACKED, 4) X(FUNCTION, 5) X(CELL, 6) \
    X(GLOBALS, 7) X(SPACE, 8) X(NAME, 9) X(STANDARD, 10) X(UPVALUE, 11) X(LIGHT, 12) \
    X(KEPT, 13)

enum {
#define WIRE_ENUM(name, value) WIRE_##name = value,
    WIRE_EXTENSIONS(WIRE_ENUM)
#undef WIRE_ENUM
    LUAS__LIGHT_NUMBER = 8,
    /*
     * Containers open at a time. A table is one, one with a metatable two, a
     * function one: 200 000 stay below what a Lua stack can hold.
     */
    WIRE_DEPTH = 200000,
    /* Bytes of one message: what fits in an int, with room for a head. */
    WIRE_MAX = 0x7fff0000
};

#endif
