/*
 * The decoder against objdump, over the code of real programs and over random bytes; and by hand
 * what objdump does not tell.
 */
#include <lodge/types.h>
#include <lodge/x86_insn.h>
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool decodes(const char *bytes, unsigned int n, enum x86_mode mode, struct x86_insn *insn)
{
    return x86_insn_decode((const uint8_t *)bytes, n, mode, insn);
}

static struct x86_insn decoded(const char *bytes, unsigned int n, enum x86_mode mode)
{
    struct x86_insn insn;

    assert_true(decodes(bytes, n, mode, &insn));
    return insn;
}
#define DECODED(bytes, mode) decoded(bytes, sizeof(bytes) - 1, mode)

/* ---- one line of objdump ---- */

struct line {
    uint8_t bytes[32];
    unsigned int length;
    uint64_t address;
    char text[256];
    bool forgot; /* objdump forgot a size prefix that the CPU does not forget */
};

static bool is_prefix(const char *word)
{
    static const char *const names[] = { "data16",  "data32",   "addr16",  "addr32", "lock",
                                         "repz",    "repnz",    "rep",     "cs",     "ds",
                                         "es",      "fs",       "gs",      "ss",     "bnd",
                                         "notrack", "xacquire", "xrelease" };

    if (!strncmp(word, "rex", 3)) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(word, names[i])) {
            return true;
        }
    }
    return false;
}

/* objdump gives prefixes that an instruction makes no use of a line of their own. */
static bool only_prefixes(const char *text)
{
    char copy[256], *save = NULL;

    snprintf(copy, sizeof(copy), "%s", text);
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (!is_prefix(word)) {
            return false;
        }
    }
    return true;
}

/* "  401000:\t48 89 e5 \tmov    %rsp,%rbp\n" */
static bool line_parse(char *s, struct line *l)
{
    char *bytes = strchr(s, '\t'), *text;

    if (!bytes || sscanf(s, " %lx:", &l->address) != 1) {
        return false;
    }
    text = strchr(bytes + 1, '\t');
    if (text) {
        *text++ = '\0';
        text[strcspn(text, "\n")] = '\0';
        /* what follows is the assembler's comment, and the name of an address */
        text[strcspn(text, "#<")] = '\0';
    }
    l->length = 0;
    for (char *p = bytes; l->length < sizeof(l->bytes);) {
        char *end;
        unsigned long byte = strtoul(p, &end, 16);

        if (end == p) {
            break;
        }
        l->bytes[l->length++] = (uint8_t)byte;
        p = end;
    }
    snprintf(l->text, sizeof(l->text), "%s", text ? text : "");
    return l->length > 0;
}

/* The next whole instruction: prefixes' own lines are joined with what follows. */
static bool line_next(FILE *f, struct line *out)
{
    char s[1024];
    bool joined = false;

    while (fgets(s, sizeof(s), f)) {
        struct line l = { 0 };

        if (!line_parse(s, &l)) {
            continue;
        }
        l.forgot = joined && (out->forgot || memchr(out->bytes, 0x66, out->length) ||
                              memchr(out->bytes, 0x67, out->length));
        if (joined && out->length + l.length <= sizeof(out->bytes)) {
            memcpy(out->bytes + out->length, l.bytes, l.length);
            out->length += l.length;
            strcpy(out->text, l.text);
            out->forgot = l.forgot;
        } else {
            *out = l;
        }
        if (!only_prefixes(l.text)) {
            return true;
        }
        joined = true;
    }
    return false;
}

/* ---- what objdump would say of a memory operand ---- */

static const char *register_name(unsigned int n, unsigned int bytes, char *room)
{
    static const char *const low[8] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" };
    const char *prefix = bytes == 8 ? "r" : bytes == 4 ? "e" : "";

    if (n == X86_RIP) {
        sprintf(room, "%%%sip", prefix);
    } else if (n < 8) {
        sprintf(room, "%%%s%s", prefix, low[n]);
    } else {
        sprintf(room, "%%r%u%s", n, bytes == 8 ? "" : "d");
    }
    return room;
}

static void operand_text(const struct x86_insn *insn, char *out)
{
    bool nothing = insn->base == X86_NO_REG && insn->index == X86_NO_REG;
    uint64_t d = (uint64_t)insn->displacement;
    char name[8];

    if (nothing) {
        if (insn->address_size == 4) {
            d = (uint32_t)d;
        }
        if (insn->address_size == 2 && insn->displacement < 0) {
            sprintf(out, "-0x%lx", -d);
        } else {
            sprintf(out, "0x%lx", d);
        }
        return;
    }
    if (insn->mod != 0 || insn->base == X86_NO_REG || insn->base == X86_RIP) {
        out += insn->displacement < 0 ? sprintf(out, "-0x%lx", -d) : sprintf(out, "0x%lx", d);
    }
    *out++ = '(';
    if (insn->base != X86_NO_REG) {
        out += sprintf(out, "%s", register_name(insn->base, insn->address_size, name));
    }
    if (insn->index != X86_NO_REG) {
        out += sprintf(out, ",%s", register_name(insn->index, insn->address_size, name));
        if (insn->address_size != 2) {
            out += sprintf(out, ",%u", 1U << insn->scale);
        }
    }
    strcpy(out, ")");
}

/* The immediate of arithmetic and moves, as wide as the operand. */
static bool immediate_text(const struct x86_insn *insn, char *out)
{
    unsigned int bytes = insn->opcode & 1 ? insn->operand_size : 1;
    bool arithmetic = insn->opcode >= 0x80 && insn->opcode <= 0x83;
    bool test = (insn->opcode & 0xfe) == 0xf6 && (insn->reg & 7) < 2;
    uint64_t v = (uint64_t)insn->immediate;

    if (insn->map || !(arithmetic || test || (insn->opcode & 0xfe) == 0xc6) ||
        ((insn->opcode & 0xfe) == 0xc6 && insn->reg & 7)) {
        return false;
    }
    v &= bytes == 8 ? ~0ULL : (1ULL << (8 * bytes)) - 1;
    sprintf(out, "$0x%lx,", v);
    return true;
}

static void complain(const struct line *l, const struct x86_insn *insn, const char *what)
{
    for (unsigned int i = 0; i < l->length; i++) {
        print_error("%02x ", l->bytes[i]);
    }
    print_error("is \"%s\" to objdump, %u bytes; our length is %u: %s\n", l->text, l->length,
                insn->length, what);
}

/* -1: differs; 0: not ours; 1: agrees. */
static int compare(const struct line *l, enum x86_mode mode)
{
    uint8_t *exact = malloc(l->length); /* so that a byte read beyond it is seen */
    struct x86_insn insn;
    char expected[64];
    int answer = 0;

    assert_non_null(exact);
    memcpy(exact, l->bytes, l->length);
    if (strstr(l->text, "(bad)") || l->forgot) { /* what is bad, the decoder need not know */
        goto out;
    }
    if (!x86_insn_decode(l->bytes, MIN(l->length + 8, (unsigned int)sizeof(l->bytes)), mode,
                         &insn) ||
        (!insn.map && insn.opcode == 0x9b)) { /* objdump takes a wait for a prefix */
        goto out;
    }
    answer = -1;
    if (insn.length != l->length) {
        complain(l, &insn, "lengths differ");
        goto out;
    }
    if (!x86_insn_decode(exact, l->length, mode, &insn)) {
        complain(l, &insn, "its own bytes are not enough");
        goto out;
    }
    /* riz is how objdump writes that a SIB byte was not needed */
    if (insn.has_modrm && insn.mod != 3 && !strstr(l->text, "iz")) {
        operand_text(&insn, expected);
        if (!strstr(l->text, expected)) {
            complain(l, &insn, expected);
            goto out;
        }
    }
    if (immediate_text(&insn, expected) && !strstr(l->text, expected)) {
        complain(l, &insn, expected);
        goto out;
    }
    answer = 1;
    for (unsigned int n = 0; n < l->length; n++) {
        if (x86_insn_decode(exact, n, mode, &insn)) {
            complain(l, &insn, "decoded without its end");
            answer = -1;
        }
    }
out:
    free(exact);
    return answer;
}

static FILE *objdump(const char *options, const char *path)
{
    char command[512];
    FILE *f;

    snprintf(command, sizeof(command), "objdump -w --insn-width=24 %s '%s' 2>/dev/null", options,
             path);
    f = popen(command, "r");
    assert_non_null(f);
    return f;
}

static void compare_program(const char *path, unsigned int at_least)
{
    unsigned int ours = 0, all = 0, bad = 0;
    FILE *f = objdump("-d", path);
    struct line l;

    while (bad < 20 && line_next(f, &l)) {
        int answer = compare(&l, X86_MODE_64);

        all++;
        ours += answer > 0;
        bad += answer < 0;
    }
    (void)pclose(f);
    assert_int_equal(bad, 0);
    if (all < at_least || ours < all / 2) {
        fail_msg("%s: %u of %u instructions compared (is objdump there?)", path, ours, all);
    }
}

TEST(this_program_decodes_as_objdump_has_it)
{
    char path[256];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    assert_true(n > 0);
    path[n] = '\0';
    compare_program(path, 1000);
}

TEST(the_c_library_decodes_as_objdump_has_it)
{
    static const char *const paths[] = { "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6",
                                         "/usr/lib/libc.so.6" };

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (!access(paths[i], R_OK)) {
            compare_program(paths[i], 100000);
            return;
        }
    }
    skip();
}

/* ---- random instructions ---- */

#define SLOT                                                                            \
    64 /* an instruction and so many NOPs that whatever it is, the next slot is in step \
        */
#define SLOTS 8192

static uint32_t random32(void)
{
    static uint64_t x = 88172645463325252ULL;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (uint32_t)(x >> 16);
}

static void random_instruction(uint8_t *at)
{
    static const uint8_t prefixes[] = { 0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
                                        0xf0, 0xf2, 0xf3, 0x40, 0x48, 0x41, 0x44, 0x4f };
    unsigned int n = random32() % 4;

    memset(at, 0x90, SLOT);
    for (unsigned int i = 0; i < n; i++) {
        *at++ = prefixes[random32() % ARRAY_SIZE(prefixes)];
    }
    if (random32() % 3 == 0) {
        *at++ = 0x0f;
    }
    for (unsigned int i = 0; i < 11; i++) { /* opcode, ModRM, SIB, displacement, immediate */
        *at++ = (uint8_t)random32();
    }
}

static void compare_random(enum x86_mode mode, const char *options)
{
    char path[] = "/tmp/insn_test.XXXXXX";
    unsigned int ours = 0, bad = 0;
    int fd = mkstemp(path);
    struct line l;
    FILE *f;

    assert_true(fd >= 0);
    for (unsigned int i = 0; i < SLOTS; i++) {
        uint8_t slot[SLOT];

        random_instruction(slot);
        assert_int_equal(write(fd, slot, sizeof(slot)), sizeof(slot));
    }
    (void)close(fd);
    f = objdump(options, path);
    while (bad < 20 && line_next(f, &l)) {
        if (l.address % SLOT == 0) {
            int answer = compare(&l, mode);

            ours += answer > 0;
            bad += answer < 0;
        }
    }
    (void)pclose(f);
    (void)unlink(path);
    assert_int_equal(bad, 0);
    assert_true(ours > SLOTS / 4);
}

TEST(random_64_bit_instructions_decode_as_objdump_has_them)
{
    compare_random(X86_MODE_64, "-D -b binary -m i386:x86-64");
}

TEST(random_32_bit_instructions_decode_as_objdump_has_them)
{
    compare_random(X86_MODE_32, "-D -b binary -m i386");
}

TEST(random_16_bit_instructions_decode_as_objdump_has_them)
{
    compare_random(X86_MODE_16, "-D -b binary -m i8086");
}

/* ---- by hand ---- */

TEST(rex_counts_only_directly_before_the_opcode)
{
    struct x86_insn insn = DECODED("\x4f\x66\x89\x08", X86_MODE_64); /* mov %cx,(%rax) */

    assert_int_equal(insn.rex, 0);
    assert_int_equal(insn.operand_size, 2);
    assert_int_equal(insn.reg, 1);
    assert_int_equal(insn.base, 0);
    insn = DECODED("\x66\x4c\x89\x08", X86_MODE_64); /* mov %r9,(%rax) */
    assert_int_equal(insn.rex, 0x4c);
    assert_int_equal(insn.operand_size, 8);
    assert_int_equal(insn.reg, 9);
    insn = DECODED("\x48\x41\x89\x08", X86_MODE_64); /* the last REX is the one: mov %ecx,(%r8) */
    assert_int_equal(insn.operand_size, 4);
    assert_int_equal(insn.base, 8);
}

TEST(rex_is_an_instruction_outside_of_64_bit_mode)
{
    struct x86_insn insn;

    assert_false(decodes("\x48\x89\x08", 3, X86_MODE_32, &insn)); /* dec %eax: not decoded */
    assert_false(decodes("\x48\x89\x08", 3, X86_MODE_16, &insn));
}

TEST(operand_size_is_what_mode_and_prefixes_say)
{
    assert_int_equal(DECODED("\x89\x00", X86_MODE_64).operand_size, 4);
    assert_int_equal(DECODED("\x66\x89\x00", X86_MODE_64).operand_size, 2);
    assert_int_equal(DECODED("\x48\x89\x00", X86_MODE_64).operand_size, 8);
    assert_int_equal(DECODED("\x89\x00", X86_MODE_32).operand_size, 4);
    assert_int_equal(DECODED("\x66\x89\x00", X86_MODE_32).operand_size, 2);
    assert_int_equal(DECODED("\x89\x00", X86_MODE_16).operand_size, 2);
    assert_int_equal(DECODED("\x66\x89\x00", X86_MODE_16).operand_size, 4);
}

TEST(address_size_is_what_mode_and_prefixes_say)
{
    assert_int_equal(DECODED("\x89\x00", X86_MODE_64).address_size, 8);
    assert_int_equal(DECODED("\x67\x89\x00", X86_MODE_64).address_size, 4);
    assert_int_equal(DECODED("\x89\x00", X86_MODE_32).address_size, 4);
    assert_int_equal(DECODED("\x67\x89\x00", X86_MODE_32).address_size, 2);
    assert_int_equal(DECODED("\x89\x00", X86_MODE_16).address_size, 2);
    assert_int_equal(DECODED("\x67\x89\x00", X86_MODE_16).address_size, 4);
}

TEST(last_segment_prefix_counts)
{
    assert_int_equal(DECODED("\x89\x00", X86_MODE_32).segment, X86_NO_REG);
    assert_int_equal(DECODED("\x26\x89\x00", X86_MODE_32).segment, 0);
    assert_int_equal(DECODED("\x2e\x89\x00", X86_MODE_32).segment, 1);
    assert_int_equal(DECODED("\x36\x89\x00", X86_MODE_32).segment, 2);
    assert_int_equal(DECODED("\x3e\x89\x00", X86_MODE_32).segment, 3);
    assert_int_equal(DECODED("\x64\x89\x00", X86_MODE_32).segment, 4);
    assert_int_equal(DECODED("\x65\x89\x00", X86_MODE_32).segment, 5);
    assert_int_equal(DECODED("\x64\x3e\x89\x00", X86_MODE_32).segment, 3);
}

/* A CPU that runs 65 3e 48 8b 00 reads at GS, as it does without the 3e. */
TEST(null_segment_prefixes_are_ignored_in_64_bit_mode)
{
    assert_int_equal(DECODED("\x3e\x89\x00", X86_MODE_64).segment, X86_NO_REG);
    assert_int_equal(DECODED("\x65\x3e\x89\x00", X86_MODE_64).segment, 5);
    assert_int_equal(DECODED("\x64\x26\x2e\x36\x89\x00", X86_MODE_64).segment, 4);
}

TEST(last_repeat_prefix_counts)
{
    struct x86_insn insn = DECODED("\xf2\xf3\xab", X86_MODE_64);

    assert_true(insn.rep && !insn.repne);
    insn = DECODED("\xf3\xf2\xab", X86_MODE_64);
    assert_true(insn.repne && !insn.rep);
    assert_true(DECODED("\xf0\x01\x00", X86_MODE_64).lock);
}

TEST(sib_names_base_index_and_scale)
{
    struct x86_insn insn = DECODED("\x89\x4c\xd8\x10", X86_MODE_64); /* mov %ecx,16(%rax,%rbx,8) */

    assert_int_equal(insn.base, 0);
    assert_int_equal(insn.index, 3);
    assert_int_equal(insn.scale, 3);
    assert_int_equal(insn.displacement, 16);
    insn = DECODED("\x43\x89\x0c\xa4", X86_MODE_64); /* with REX, 4 is r12: (%r12,%r12,4) */
    assert_int_equal(insn.base, 12);
    assert_int_equal(insn.index, 12);
    insn = DECODED("\x41\x89\x0c\x24", X86_MODE_64); /* (%r12) */
    assert_int_equal(insn.base, 12);
    assert_int_equal(insn.index, X86_NO_REG);
    insn = DECODED("\x41\x89\x0c\x25\xf8\xff\xff\xff", X86_MODE_64); /* base 5, REX or not: none */
    assert_int_equal(insn.base, X86_NO_REG);
    assert_int_equal(insn.index, X86_NO_REG);
    assert_int_equal(insn.displacement, -8);
    insn = DECODED("\x41\x89\x4d\x00", X86_MODE_64); /* 0(%r13) */
    assert_int_equal(insn.base, 13);
}

TEST(rip_relative_is_for_64_bit_mode)
{
    struct x86_insn insn = DECODED("\x89\x0d\xfe\xff\xff\xff", X86_MODE_64);

    assert_int_equal(insn.base, X86_RIP);
    assert_int_equal(insn.displacement, -2);
    assert_int_equal(DECODED("\x41\x89\x0d\x00\x00\x00\x00", X86_MODE_64).base, X86_RIP);
    assert_int_equal(DECODED("\x89\x0d\xfe\xff\xff\xff", X86_MODE_32).base, X86_NO_REG);
}

TEST(sixteen_bit_addresses_have_bases_and_indexes_of_their_own)
{
    static const struct {
        uint8_t base, index;
    } expected[8] = { { 3, 6 },          { 3, 7 },          { 5, 6 },          { 5, 7 },
                      { 6, X86_NO_REG }, { 7, X86_NO_REG }, { 5, X86_NO_REG }, { 3, X86_NO_REG } };

    for (unsigned int rm = 0; rm < 8; rm++) {
        const uint8_t bytes[] = { 0x89, (uint8_t)(0x40 | rm), 0x80 };
        struct x86_insn insn;

        assert_true(x86_insn_decode(bytes, sizeof(bytes), X86_MODE_16, &insn));
        assert_int_equal(insn.base, expected[rm].base);
        assert_int_equal(insn.index, expected[rm].index);
        assert_int_equal(insn.displacement, -128);
    }
    assert_int_equal(DECODED("\x89\x06\x34\x12", X86_MODE_16).base, X86_NO_REG);
    assert_int_equal(DECODED("\x89\x06\x34\x12", X86_MODE_16).displacement, 0x1234);
}

TEST(moves_of_control_registers_have_no_memory_form)
{
    struct x86_insn insn = DECODED("\x0f\x22\x05", X86_MODE_64); /* mod 0 is as good as mod 3 */

    assert_int_equal(insn.length, 3);
    assert_int_equal(insn.mod, 3);
    assert_int_equal(insn.reg, 0);
    assert_int_equal(insn.rm, 5);
    assert_int_equal(DECODED("\x44\x0f\x20\xc7", X86_MODE_64).reg, 8);
}

TEST(immediates_are_sign_extended)
{
    assert_int_equal(DECODED("\x83\x00\xff", X86_MODE_64).immediate, -1);
    assert_int_equal(DECODED("\x48\xc7\x00\x00\x00\x00\x80", X86_MODE_64).immediate, -0x80000000L);
    assert_int_equal(DECODED("\x66\xc7\x00\x00\x80", X86_MODE_64).immediate, -0x8000);
    assert_int_equal(DECODED("\xf6\x00\x80", X86_MODE_64).immediate, -128);
    assert_int_equal(DECODED("\xf6\x10", X86_MODE_64).immediate_size, 0); /* not: has none */
}

TEST(longest_instruction_has_15_bytes)
{
    static const char bytes[] = "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90\x90";
    struct x86_insn insn;

    assert_int_equal(decoded(bytes, 15, X86_MODE_64).length, 15);
    assert_false(decodes("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", 16,
                         X86_MODE_64, &insn));
}

TEST(nothing_decodes_as_nothing)
{
    struct x86_insn insn;

    assert_false(decodes("", 0, X86_MODE_64, &insn));
    assert_false(decodes("\x66\x48", 2, X86_MODE_64, &insn));
    assert_false(decodes("\x0f", 1, X86_MODE_64, &insn));
}

TEST_MAIN(T(this_program_decodes_as_objdump_has_it), T(the_c_library_decodes_as_objdump_has_it),
          T(random_64_bit_instructions_decode_as_objdump_has_them),
          T(random_32_bit_instructions_decode_as_objdump_has_them),
          T(random_16_bit_instructions_decode_as_objdump_has_them),
          T(rex_counts_only_directly_before_the_opcode),
          T(rex_is_an_instruction_outside_of_64_bit_mode),
          T(operand_size_is_what_mode_and_prefixes_say),
          T(address_size_is_what_mode_and_prefixes_say), T(last_segment_prefix_counts),
          T(null_segment_prefixes_are_ignored_in_64_bit_mode), T(last_repeat_prefix_counts),
          T(sib_names_base_index_and_scale), T(rip_relative_is_for_64_bit_mode),
          T(sixteen_bit_addresses_have_bases_and_indexes_of_their_own),
          T(moves_of_control_registers_have_no_memory_form), T(immediates_are_sign_extended),
          T(longest_instruction_has_15_bytes), T(nothing_decodes_as_nothing))
