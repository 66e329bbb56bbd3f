/* Every symbol is in this image: the compiler need not go through a GOT, declarations included. */
#pragma GCC visibility push(hidden)
