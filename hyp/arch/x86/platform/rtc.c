/*
 * CMOS: the two ports are one resource, so that every access writes the index first, under the
 * lock.
 */
#include "platform/rtc.h"

#include "core/lock.h"
#include "cpu/insn.h"
#include "platform/acpi.h"

#define RTC_INDEX 0x70
#define RTC_DATA  0x71

#define RTC_SECONDS 0x00
#define RTC_MINUTES 0x02
#define RTC_HOURS   0x04
#define RTC_DAY     0x07
#define RTC_MONTH   0x08
#define RTC_YEAR    0x09
#define RTC_A       0x0a
#define RTC_B       0x0b

#define A_UPDATING 0x80
#define B_24_HOUR  0x02
#define B_BINARY   0x04
#define HOUR_PM    0x80
#define INDEX_MASK 0x7f /* bit 7 of the index port gates NMI: not a guest's to change */

#define UPDATE_SPINS 10000 /* an update takes some 2 ms; each read of a port is a microsecond */

static struct spinlock lock = SPINLOCK_INIT(RANK_TIME);
static uint8_t guest_index;

static uint8_t cmos_read(uint8_t index)
{
    out8(RTC_INDEX, index);
    return in8(RTC_DATA);
}

struct rtc_fields {
    uint8_t second, minute, hour, day, month, year, century;
};

static bool fields_equal(const struct rtc_fields *a, const struct rtc_fields *b)
{
    return a->second == b->second && a->minute == b->minute && a->hour == b->hour &&
           a->day == b->day && a->month == b->month && a->year == b->year &&
           a->century == b->century;
}

static void fields_read(struct rtc_fields *f)
{
    for (unsigned int i = 0; i < UPDATE_SPINS && (cmos_read(RTC_A) & A_UPDATING); i++) {
        arch_cpu_relax();
    }
    f->second = cmos_read(RTC_SECONDS);
    f->minute = cmos_read(RTC_MINUTES);
    f->hour = cmos_read(RTC_HOURS);
    f->day = cmos_read(RTC_DAY);
    f->month = cmos_read(RTC_MONTH);
    f->year = cmos_read(RTC_YEAR);
    f->century = acpi.century ? cmos_read(acpi.century) : 0;
}

static unsigned int decode(uint8_t v, bool binary)
{
    return binary ? v : (v >> 4) * 10 + (v & 0xf);
}

/*
 * Days from 1970-01-01 to a date of the Gregorian calendar; years are counted from March, so that a
 * leap day comes last.
 */
static uint64_t days_since_1970(unsigned int year, unsigned int month, unsigned int day)
{
    unsigned int y = month <= 2 ? year - 1 : year;
    unsigned int m = month <= 2 ? month + 9 : month - 3; /* March is 0 */

    return (uint64_t)y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

uint64_t rtc_read_seconds(void)
{
    struct rtc_fields f, again;
    unsigned int year, month, day, hour, century;
    unsigned long flags = spin_lock_irqsave(&lock);
    unsigned int tries = 0;
    uint8_t b;
    bool binary;

    /*
     * An update may begin between the look at the flag and the last field: two equal readings are
     * whole.
     */
    fields_read(&again);
    do {
        f = again;
        fields_read(&again);
    } while (!fields_equal(&f, &again) && ++tries < 10);
    b = cmos_read(RTC_B);
    out8(RTC_INDEX, guest_index);
    spin_unlock_irqrestore(&lock, flags);

    binary = b & B_BINARY;
    hour = decode(f.hour & ~HOUR_PM, binary);
    if (!(b & B_24_HOUR)) {
        hour = hour % 12 + (f.hour & HOUR_PM ? 12 : 0);
    }
    day = decode(f.day, binary);
    month = decode(f.month, binary);
    year = decode(f.year, binary);
    century = decode(f.century, binary);
    year += century >= 19 && century <= 29 ? century * 100 : year < 70 ? 2000 : 1900;
    if (tries == 10 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || year < 1970) {
        return 0;
    }
    return ((days_since_1970(year, month, day) * 24 + hour) * 60 + decode(f.minute, binary)) * 60 +
           decode(f.second, binary);
}

uint8_t rtc_guest_read(unsigned int port)
{
    unsigned long flags;
    uint8_t v;

    if (port == RTC_INDEX) {
        return guest_index;
    }
    flags = spin_lock_irqsave(&lock);
    v = cmos_read(guest_index);
    spin_unlock_irqrestore(&lock, flags);
    return v;
}

void rtc_guest_write(unsigned int port, uint8_t value)
{
    unsigned long flags = spin_lock_irqsave(&lock);

    if (port == RTC_INDEX) {
        guest_index = value & INDEX_MASK;
    } else {
        out8(RTC_INDEX, guest_index);
        out8(RTC_DATA, value);
    }
    spin_unlock_irqrestore(&lock, flags);
}
