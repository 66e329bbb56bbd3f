/* Shared by the files that read ACPI tables. */
#ifndef X86_PLATFORM_ACPI_PRIVATE_H
#define X86_PLATFORM_ACPI_PRIVATE_H

struct acpi_madt;

void acpi_iommus_read(void); /* acpi.iommus; hides their tables */
void madt_read(const struct acpi_madt *madt); /* fills acpi's CPUs and interrupt controllers */

#endif
