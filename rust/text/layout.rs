// SPDX-License-Identifier: GPL-2.0

//! What the parts of an address space are for, and the marks between them.

use super::vma_flags::VmaFlags;

/// What a VMA is called by the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label<'a> {
    /// Nothing.
    None,
    /// `[heap]`.
    Heap,
    /// `[stack]`.
    Stack,
    /// By its driver or the architecture.
    Special(&'a [u8]),
    /// By the program.
    Given,
}

/// What the file of a VMA is to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// There is none.
    None,
    /// The program (`mm->exe_file`).
    Program,
    /// Something that is also mapped to be executed next to this: a shared library, the dynamic
    /// linker.
    Library,
    /// Anything else.
    Other,
}

/// What is known of a VMA.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `vm_flags`.
    pub flags: VmaFlags,
    /// Whether anonymous pages were ever mapped.
    pub is_anon: bool,
    /// What it is called.
    pub label: Label<'a>,
    /// What its file is.
    pub file: FileRole,
    /// The file and the flags of the VMA that ends where this one begins.
    pub before: Option<(FileRole, VmaFlags)>,
}

/// What a VMA is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Code of the program.
    Text,
    /// Constants of the program, and its headers.
    Rodata,
    /// Of the program: written by the dynamic linker, and read-only since then.
    Relro,
    /// Initialised data of the program.
    Data,
    /// Zeroed data of the program.
    Bss,
    /// The same of a library.
    LibText,
    /// The same of a library.
    LibRodata,
    /// The same of a library.
    LibRelro,
    /// The same of a library.
    LibData,
    /// The same of a library.
    LibBss,
    /// The area of `brk()`.
    Heap,
    /// The main thread's stack.
    Stack,
    /// By its shape: made with `MAP_STACK`, above a guard.
    ThreadStack,
    /// Another that grows.
    GrowsDown,
    /// A stack of return addresses, which the hardware keeps.
    ShadowStack,
    /// Nobody may use it.
    Guard,
    /// Code of the kernel for user space.
    Vdso,
    /// Data of the kernel for that code.
    Vvar,
    /// Named by a driver or the architecture.
    Special,
    /// Huge pages from the reserve.
    Hugetlb,
    /// Memory without struct pages: a device's.
    Device,
    /// A file that nobody executes.
    File,
    /// Anonymous memory.
    Anon,
}

impl Kind {
    /// The word of the dump.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Rodata => "rodata",
            Kind::Relro => "relro",
            Kind::Data => "data",
            Kind::Bss => "bss",
            Kind::LibText => "lib-text",
            Kind::LibRodata => "lib-rodata",
            Kind::LibRelro => "lib-relro",
            Kind::LibData => "lib-data",
            Kind::LibBss => "lib-bss",
            Kind::Heap => "heap",
            Kind::Stack => "stack",
            Kind::ThreadStack => "thread-stack",
            Kind::GrowsDown => "grows-down",
            Kind::ShadowStack => "shadow-stack",
            Kind::Guard => "guard",
            Kind::Vdso => "vdso",
            Kind::Vvar => "vvar",
            Kind::Special => "special",
            Kind::Hugetlb => "hugetlb",
            Kind::Device => "device",
            Kind::File => "file",
            Kind::Anon => "anon",
        }
    }

    /// Says what a VMA is for.
    pub fn of(facts: &Facts<'_>) -> Self {
        let flags = facts.flags;
        match facts.label {
            Label::Heap => return Kind::Heap,
            Label::Stack => return Kind::Stack,
            Label::Special(b"[vdso]") => return Kind::Vdso,
            Label::Special(name) if name.starts_with(b"[vvar") => return Kind::Vvar,
            Label::Special(_) => return Kind::Special,
            Label::None | Label::Given => {}
        }
        if flags.is_hugetlb() {
            return Kind::Hugetlb;
        }
        if flags.is_pfnmap() {
            return Kind::Device;
        }
        match facts.file {
            FileRole::None => Self::of_anonymous(facts),
            FileRole::Other => Kind::File,
            FileRole::Program => {
                Self::of_image(facts, [Kind::Text, Kind::Data, Kind::Relro, Kind::Rodata])
            }
            FileRole::Library => Self::of_image(
                facts,
                [
                    Kind::LibText,
                    Kind::LibData,
                    Kind::LibRelro,
                    Kind::LibRodata,
                ],
            ),
        }
    }

    fn of_image(facts: &Facts<'_>, [text, data, relro, rodata]: [Kind; 4]) -> Self {
        match facts.flags.letters() {
            [_, _, _, b's'] => Kind::File,
            [_, _, b'x', _] => text,
            [_, b'w', ..] => data,
            [b'-', b'-', ..] => Kind::Guard,
            _ if facts.is_anon => relro,
            _ => rodata,
        }
    }

    fn of_anonymous(facts: &Facts<'_>) -> Self {
        let flags = facts.flags;
        if flags.is_shadow_stack() {
            return Kind::ShadowStack;
        }
        if flags.grows_down() {
            return Kind::GrowsDown;
        }
        let letters = flags.letters();
        if letters.starts_with(b"---") {
            return Kind::Guard;
        }
        match (letters, facts.before) {
            // The rest of a segment that is longer in memory than in its file.
            ([_, b'w', _, b'p'], Some((role, before)))
                if before.letters().get(1) == Some(&b'w') && before.letters().ends_with(b"p") =>
            {
                match role {
                    FileRole::Program => Kind::Bss,
                    FileRole::Library => Kind::LibBss,
                    FileRole::None | FileRole::Other => Kind::Anon,
                }
            }
            // pthread_create(): MAP_STACK makes VM_NOHUGEPAGE.
            ([b'r', b'w', _, b'p'], Some((FileRole::None, before)))
                if flags.is_nohugepage() && before.letters() == *b"---p" =>
            {
                Kind::ThreadStack
            }
            _ => Kind::Anon,
        }
    }
}

/// A place that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The name.
    pub name: &'static str,
    /// Where.
    pub at: u64,
    /// Whether it is the end of what is below it, and not the beginning of what is above.
    pub is_end: bool,
}

impl Mark {
    /// The beginning of something.
    pub const fn start(name: &'static str, at: u64) -> Self {
        Self {
            name,
            at,
            is_end: false,
        }
    }

    /// The end of something.
    pub const fn end(name: &'static str, at: u64) -> Self {
        Self {
            name,
            at,
            is_end: true,
        }
    }

    /// Whether it is shown with `start..end`: each mark is with one of two neighbours.
    pub fn is_in(&self, start: u64, end: u64) -> bool {
        if self.is_end {
            start < self.at && self.at <= end
        } else {
            start <= self.at && self.at < end
        }
    }
}

/// Where the parts of an address space would be if nothing was random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bases {
    /// `STACK_TOP`: the end of the main stack.
    pub stack_top: u64,
    /// `ELF_ET_DYN_BASE`: a program that can be anywhere.
    pub program: u64,
    /// `TASK_UNMAPPED_BASE`: the old layout, in which mmap goes up.
    pub unmapped: u64,
}

impl Bases {
    /// Of x86_64 (`arch/x86/include/asm/elf.h`, `processor.h`). `stack_top` is that of the process.
    #[allow(dead_code)] // Only one of the two is used in the kernel, and both on the host.
    pub fn x86_64(stack_top: u64, page_size: u64) -> Self {
        let is_32_bit = stack_top <= 1 << 32;
        Self {
            stack_top,
            program: if is_32_bit {
                // `COMPAT_ELF_ET_DYN_BASE`.
                align_up(stack_top / 3, page_size) + 0x100_0000
            } else {
                align_down(stack_top / 3 * 2, page_size)
            },
            unmapped: align_up(stack_top / 3, page_size),
        }
    }

    /// Of arm64 (`arch/arm64/include/asm/elf.h`, `processor.h`).
    #[allow(dead_code)]
    pub fn aarch64(stack_top: u64, page_size: u64) -> Self {
        let is_32_bit = stack_top <= 1 << 32;
        Self {
            stack_top,
            program: if is_32_bit {
                0x40_0000
            } else {
                align_down(2 * stack_top / 3, page_size)
            },
            unmapped: align_up(stack_top / 4, page_size),
        }
    }
}

fn align_down(address: u64, size: u64) -> u64 {
    address & !(size - 1)
}

fn align_up(address: u64, size: u64) -> u64 {
    align_down(address + (size - 1), size)
}
