/*
 * Text that was pasted at the prompt. A terminal in the mode "bracketed paste" sends it between
 * two marks (xterm's control sequences, "Bracketed Paste Mode"). So a tab in it completes
 * nothing, and its lines are run as one text.
 */
#ifndef LUAS_PASTE_H
#define LUAS_PASTE_H

/* Written to a terminal these switch the mode on and off. Text comes after the mark BEGIN. */
#define LUAS__PASTE_ON "\033[?2004h"
#define LUAS__PASTE_OFF "\033[?2004l"
#define LUAS__PASTE_BEGIN "\033[200~"
#define LUAS__PASTE_END "\033[201~"

/*
 * Reads up to the mark at the end, which is left out. `next` gives the next byte: 1; or 0 or a
 * negative code where there is none, which ends the text, too. Carriage returns, which terminals
 * send for the ends of lines, become newlines; other control characters but the tab are left out.
 * Returns a string that the caller frees; NULL without memory, or for more than 16 MB.
 */
char *luas__paste_read(int (*next)(void *context, char *byte), void *context);

#endif
