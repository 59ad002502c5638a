// SPDX-License-Identifier: GPL-2.0

//! What a buffer of the device can be: the words for it, and what goes together.
//!
//! *Pure* code: `core` only. Documentation/uapi.rst is the specification; the numbers are those of
//! `uapi/mmlens.h`.

use core::fmt;

/// An enumeration with the numbers of the ioctl interface and the words of the module parameter.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $number,)+
        }

        impl $name {
            /// Each of them.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The one with this number in `uapi/mmlens.h`.
            pub fn from_number(number: u32) -> Option<Self> {
                Self::ALL.iter().copied().find(|&v| v as u32 == number)
            }

            /// The one that is called so.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.word() == word)
            }

            /// How it is called.
            pub const fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// How the memory is made: `enum mmlens_backing`.
    Backing {
        /// `vmalloc()`.
        Vmalloc = 1, "vmalloc";
        /// Single pages, made one range by `vmap()`.
        Vmap = 2, "vmap";
        /// Blocks of physically contiguous pages, made one range by `vmap()`.
        Contig = 3, "contig";
        /// Single pages, allocated when they are first used.
        Sparse = 4, "sparse";
        /// Device memory.
        Ioremap = 5, "ioremap";
    }
}

words! {
    /// What puts pages into page tables, and when: `enum mmlens_strategy`.
    Strategy {
        /// `fault`, page by page.
        Lazy = 0, "lazy";
        /// `fault` and `map_pages`, with the neighbours.
        Around = 1, "around";
        /// `mmap`, page by page.
        Eager = 2, "eager";
        /// `mmap`, by the functions that map a whole range.
        Remap = 3, "remap";
        /// `huge_fault`.
        Huge = 4, "huge";
    }
}

words! {
    /// What the core takes a page for: `enum mmlens_page_kind`.
    PageKind {
        /// A counted page.
        Normal = 0, "normal";
        /// A frame number in a `VM_PFNMAP` VMA.
        PfnMap = 1, "pfnmap";
        /// A frame number in a `VM_MIXEDMAP` VMA.
        Mixed = 2, "mixed";
    }
}

words! {
    /// How processors may cache it: `enum mmlens_cache`.
    Cache {
        /// Write-back.
        Wb = 0, "wb";
        /// Write-combining.
        Wc = 1, "wc";
        /// Uncached.
        Uc = 2, "uc";
    }
}

/// Pages around a fault, if nobody says how many.
pub const DEFAULT_AROUND: u32 = 16;

/// The most pages around a fault: those of a table of any architecture.
pub const MAX_AROUND: u32 = 1 << 13;

/// What a buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Its memory.
    pub backing: Backing,
    /// How it gets into page tables.
    pub strategy: Strategy,
    /// Of [`Strategy::Around`]: how many pages at most, a power of two.
    pub around: u32,
    /// As what it gets there.
    pub kind: PageKind,
    /// Its cache type.
    pub cache: Cache,
    /// Writes are recorded.
    pub track: bool,
    /// VMAs cannot be split.
    pub nosplit: bool,
    /// Of [`Backing::Ioremap`]: which of the regions.
    pub region: u32,
}

/// What a machine can do.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Memory can be mapped uncached.
    pub uncached_memory: bool,
    /// The linear map follows the cache type of pages: others may get at them through it.
    pub linear_map_follows: bool,
    /// The kernel maps huge pages.
    pub huge_pages: bool,
}

/// Why words, or numbers, are not a setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Something that cannot be read, or is said twice.
    Word,
    /// They do not go together, and why.
    Together(&'static str),
}

impl Default for Setup {
    /// What is not said.
    fn default() -> Self {
        Self {
            backing: Backing::Vmalloc,
            strategy: Strategy::Lazy,
            around: DEFAULT_AROUND,
            kind: PageKind::Normal,
            cache: Cache::Wb,
            track: false,
            nosplit: false,
            region: 0,
        }
    }
}

/// Puts what a word says where it belongs, once.
fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Result<bool, Wrong> {
    if value.is_none() {
        return Ok(false);
    }
    if slot.is_some() {
        return Err(Wrong::Word);
    }
    *slot = value;
    Ok(true)
}

/// A number of pages around a fault.
pub fn is_around(pages: u32) -> bool {
    pages.is_power_of_two() && pages <= MAX_AROUND
}

impl Setup {
    /// Reads a list of words with commas, as that of the module parameter.
    pub fn parse(list: &str, machine: Machine) -> Result<Self, Wrong> {
        let (mut backing, mut strategy, mut kind, mut cache) = (None, None, None, None);
        let (mut around, mut track, mut nosplit) = (None, None, None);
        for word in list.trim().split(',') {
            let pages = word.strip_prefix("around=");
            if let Some(pages) = pages {
                let is_plain = pages.bytes().all(|c| c.is_ascii_digit());
                let pages = pages.parse().ok().filter(|&p| is_plain && is_around(p));
                if !once(&mut around, pages)? {
                    return Err(Wrong::Word);
                }
            }
            let strategy_word = if pages.is_some() { "around" } else { word };
            let is_known = once(&mut strategy, Strategy::from_word(strategy_word))?
                || once(&mut backing, Backing::from_word(word))?
                || once(&mut kind, PageKind::from_word(word))?
                || once(&mut cache, Cache::from_word(word))?
                || once(&mut track, (word == "track").then_some(true))?
                || once(&mut nosplit, (word == "nosplit").then_some(true))?;
            if !is_known {
                return Err(Wrong::Word);
            }
        }
        let default = Setup::default();
        let setup = Setup {
            backing: backing.unwrap_or(default.backing),
            strategy: strategy.unwrap_or(default.strategy),
            around: around.unwrap_or(default.around),
            kind: kind.unwrap_or(default.kind),
            cache: cache.unwrap_or(default.cache),
            track: track.unwrap_or(default.track),
            nosplit: nosplit.unwrap_or(default.nosplit),
            region: 0,
        };
        setup.check(machine).map(|()| setup)
    }

    /// Whether it all goes together.
    pub fn check(&self, machine: Machine) -> Result<(), Wrong> {
        let is = |condition: bool, why| {
            if condition {
                Err(Wrong::Together(why))
            } else {
                Ok(())
            }
        };
        let is_huge = self.strategy == Strategy::Huge;
        let is_mapped_late = matches!(self.strategy, Strategy::Lazy | Strategy::Around);
        let is_device = self.backing == Backing::Ioremap;
        let is_cached = self.cache == Cache::Wb;
        match self.backing {
            Backing::Sparse => {
                is(self.kind != PageKind::Normal, "sparse pages are normal")?;
                is(!is_cached, "sparse pages are in the linear map only")?;
                is(!is_mapped_late, "sparse pages come with faults")?;
            }
            Backing::Vmalloc => is(!is_cached, "vmalloc() maps its pages write-back")?,
            Backing::Ioremap => is(
                self.kind == PageKind::Normal,
                "device memory has no struct page",
            )?,
            Backing::Vmap | Backing::Contig => (),
        }
        if is_huge {
            is(!machine.huge_pages, "this kernel maps no huge pages")?;
            is(self.track, "writes are tracked page by page")?;
            is(
                self.kind == PageKind::Mixed,
                "what is mixed is mapped page by page",
            )?;
            is(
                matches!(self.backing, Backing::Vmalloc | Backing::Vmap),
                "single pages are no huge page",
            )?;
        }
        if self.kind == PageKind::Mixed {
            is(self.track, "nothing inserts a mixed page writable")?;
            is(
                self.strategy == Strategy::Remap,
                "no function remaps a range of mixed pages",
            )?;
        }
        is(
            !is_cached && self.is_normal() && !machine.linear_map_follows,
            "the kernel gets at normal pages by the linear map, which is write-back",
        )?;
        is(
            self.cache == Cache::Uc && !is_device && !machine.uncached_memory,
            "memory cannot be uncached on this architecture",
        )
    }

    /// Whether the core counts its pages.
    pub fn is_normal(&self) -> bool {
        self.kind == PageKind::Normal
    }
}

/// As the module parameter has it.
impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (backing, kind) = (self.backing.word(), self.kind.word());
        write!(f, "{backing},{kind},{}", self.strategy.word())?;
        if self.strategy == Strategy::Around {
            write!(f, "={}", self.around)?;
        }
        write!(f, ",{}", self.cache.word())?;
        if self.track {
            f.write_str(",track")?;
        }
        if self.nosplit {
            f.write_str(",nosplit")?;
        }
        Ok(())
    }
}

/// Device memory that a module parameter names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciBar {
    /// PCI domain.
    pub domain: u16,
    /// Bus.
    pub bus: u8,
    /// Device and function, as `PCI_DEVFN()`.
    pub devfn: u8,
    /// Base address register, 0 to 5.
    pub bar: u8,
}

impl PciBar {
    /// Reads `<domain:bus:dev.fn>/<bar>`, such as `0000:00:04.0/2`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bar) = text.trim().split_once('/')?;
        let (domain, rest) = address.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (device, function) = rest.split_once('.')?;
        let hex = |text: &str, max: u16| {
            let is_plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_hexdigit());
            let number = u16::from_str_radix(text, 16).ok()?;
            (is_plain && number <= max).then_some(number)
        };
        Some(Self {
            domain: hex(domain, u16::MAX)?,
            bus: hex(bus, 0xff)? as u8,
            devfn: (hex(device, 0x1f)? << 3 | hex(function, 7)?) as u8,
            bar: hex(bar, 5)? as u8,
        })
    }
}

/// Reads `<phys>,<length>`, each in C notation: decimal, or hexadecimal behind `0x`.
pub fn parse_range(text: &str) -> Option<(u64, u64)> {
    let (start, length) = text.trim().split_once(',')?;
    let number = |text: &str| {
        let (digits, radix) = match text.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (text, 10),
        };
        let is_plain = digits.bytes().all(|c| c.is_ascii_hexdigit());
        u64::from_str_radix(digits, radix).ok().filter(|_| is_plain)
    };
    Some((number(start)?, number(length)?))
}
