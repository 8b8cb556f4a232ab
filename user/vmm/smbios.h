/* SPDX-License-Identifier: GPL-2.0 */
/* SMBIOS: names and parts of the machine. Context: what each power-on does; the machine is complete. */
#ifndef VMM_SMBIOS_H
#define VMM_SMBIOS_H

struct vm;

/** smbios_tell() - for firmware, by fw_cfg. Return: 0 or -1 after one logged line */
int smbios_tell(struct vm *vm);
/** smbios_build() - into memory, where a kernel looks that no firmware was before. Return: the same */
int smbios_build(struct vm *vm);

#endif
