# From `nm -n` to the image's own table of functions: 32-bit addresses relative to IMAGE_START
# (whose low half is 0), offsets into the names, and the names, each ended by a zero byte.
# cpu/symbols.c reads it.
BEGIN { n = 0 }

$2 ~ /^[tTwW]$/ && $3 !~ /^(\.|image_|symbol_|__st|boot_entry_elf)/ {
    address[n] = $1
    name[n++] = $3
}

END {
    print ".section .symbols, \"a\""
    print ".globl symbol_count, symbol_table, symbol_names"
    print ".hidden symbol_count, symbol_table, symbol_names"
    print ".balign 4\nsymbol_count: .long " n
    print "symbol_table:"
    offset = 0
    for (i = 0; i < n; i++) {
        print ".long 0x" substr(address[i], 9) ", " offset
        offset += length(name[i]) + 1
    }
    print "symbol_names:"
    for (i = 0; i < n; i++) {
        print ".asciz \"" name[i] "\""
    }
    print ".section .note.GNU-stack, \"\", @progbits"
}
