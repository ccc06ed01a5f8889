/*
 * A forked child goes on in the stack of the thread that forked it. That of a thread, or of a
 * coroutine of C, may be too small for tasks.
 */
#ifndef LUAS_STACK_H
#define LUAS_STACK_H

/* In a child: calls body(argument), which must not return, in a stack of the usual size (that
   of the resource limit). Where the stack is that of the main thread, or no other can be had,
   it is called in this one. */
_Noreturn void luas__stack_run(void body(void *), void *argument);

#endif
