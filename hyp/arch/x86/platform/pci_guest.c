/* What a guest reads and writes of configuration space, by ports and by the memory windows. */
#include "core/domain.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "platform/msi.h"
#include "platform/pci_device.h"

#define CF8_ENABLE   0x80000000U
#define CF8_DEVFN(a) ((a) >> 8 & 0xff)
#define CF8_BUS(a)   ((a) >> 16 & 0xff)
#define CF8_REG(a)   ((a) & 0xfc)
#define CF8_HIGH(a)  ((a) >> 16 & 0xf00)

#define MSR_NB_CFG        0xc001001f
#define NB_CFG_CF8_EXTEND (1ULL << 46)

static struct pci_sbdf cf8_device(uint32_t cf8)
{
    return (struct pci_sbdf){ .segment = 0, .bus = CF8_BUS(cf8), .devfn = CF8_DEVFN(cf8) };
}

/*
 * The register that 0xcf8 names. Bits 24 to 27 reach the extended ones on some processors, if so
 * set up: AMD Family 10h BKDG, "IO-Space Configuration Address Register".
 */
static unsigned int cf8_reg(uint32_t cf8)
{
    uint64_t nb_cfg;

    if (CF8_HIGH(cf8) && cpu_host.vendor == VENDOR_AMD && cpu_host.family >= 0x10 &&
        cpu_host.family < 0x17 && rdmsr_safe(MSR_NB_CFG, &nb_cfg) && nb_cfg & NB_CFG_CF8_EXTEND) {
        return CF8_REG(cf8) | CF8_HIGH(cf8);
    }
    return CF8_REG(cf8);
}

void pci_guest_write(struct domain *d, struct pci_sbdf where, unsigned int reg, unsigned int bytes,
                     uint32_t value)
{
    struct pci_dev *dev;

    if (d != dom0) {
        return;
    }
    spin_lock(&pci_lock);
    dev = pci_device_find(where);
    if (!dev) {
        pci_cfg_write(where, reg, bytes, value);
    } else if (pci_device_places(dev, reg, bytes)) {
        msix_guest_place(dev, reg, bytes, value);
    } else if (!msi_guest_write(dev, reg, bytes, value)) {
        pci_cfg_write(where, reg, bytes, value);
    }
    spin_unlock(&pci_lock);
}

uint32_t pci_guest_port_read(struct domain *d, uint32_t cf8, unsigned int offset,
                             unsigned int bytes)
{
    if (d != dom0 || !(cf8 & CF8_ENABLE)) {
        return bytes == 4 ? 0xffffffff : (1U << 8 * bytes) - 1;
    }
    return pci_cfg_read(cf8_device(cf8), cf8_reg(cf8) + offset, bytes);
}

void pci_guest_port_write(struct domain *d, uint32_t cf8, unsigned int offset, unsigned int bytes,
                          uint32_t value)
{
    if (cf8 & CF8_ENABLE) {
        pci_guest_write(d, cf8_device(cf8), cf8_reg(cf8) + offset, bytes, value);
    }
}
