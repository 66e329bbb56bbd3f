/*
 * Unpacking of what boot loaders hand over packed: kernel images and their payloads.
 *
 * One call decodes one buffer into another. The output buffer is also the decoder's window, so
 * nothing is copied twice and no memory is allocated: the caller supplies the workspace. Any input
 * is safe: bytes outside [in, in + in_len), [out, out + out_room) and the workspace are neither
 * read nor written.
 */
#ifndef LODGE_DECOMPRESS_H
#define LODGE_DECOMPRESS_H

#include <lodge/compiler.h>

enum decompress_kind {
    DECOMPRESS_NONE, /* nothing known: plain data, or a format this library does not speak */
    DECOMPRESS_GZIP, /* RFC 1952 */
    DECOMPRESS_XZ,   /* The .xz File Format, with LZMA2 behind an optional x86 filter */
    DECOMPRESS_ZSTD, /* RFC 8878, without dictionaries */
    DECOMPRESS_LZ4,  /* LZ4 Frame Format, and its Legacy frame */
};

/** decompress_probe - the format that a buffer's first bytes announce, or DECOMPRESS_NONE */
MUST_CHECK enum decompress_kind decompress_probe(const void *in, size_t in_len);

/** decompress_name - "gzip", "xz", "zstd", "lz4", or "unknown"; never NULL */
MUST_CHECK const char *decompress_name(enum decompress_kind kind);

/** decompress_workspace - bytes of workspace that satisfy every decoder (some 150 KiB) */
MUST_CHECK size_t decompress_workspace(void);

/**
 * decompress - decode a whole stream
 * @kind:      what decompress_probe() said
 * @in:        the stream. A further one of the same format that follows it is decoded too, as
 *             these formats ask; anything else behind (a bzImage's size word, padding) is ignored
 * @in_len:    bytes at @in
 * @out:       receives the data; must not overlap @in
 * @out_room:  bytes at @out; all of them may be written, also beyond what *@out_len says in the end
 * @out_len:   receives the number of bytes decoded; 0 on error
 * @workspace: decompress_workspace() bytes, aligned to 8; needs no initialization
 * @why:       receives NULL, or on error what was wrong and where, such as
 *             "xz: block 2: bad CRC32 (at byte 4711)"; the text lies in @workspace
 * @in_used:   receives the number of input bytes that belong to the stream; 0 on error; may be NULL
 * Returns 0; -EINVAL the stream is corrupt or cut short; -ENOSPC it holds more than @out_room
 * bytes; -EOPNOTSUPP it is of an unknown kind or needs something that is not spoken here (a
 * dictionary, another filter). On error the contents of @out are undefined. Every checksum that a
 * stream carries is verified.
 */
MUST_CHECK int decompress(enum decompress_kind kind, const void *in, size_t in_len, void *out,
                          size_t out_room, size_t *out_len, void *workspace, const char **why,
                          size_t *in_used);

#endif
