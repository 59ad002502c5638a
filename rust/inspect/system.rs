// SPDX-License-Identifier: GPL-2.0

//! The folder `kernel`: what is the same for all processes.
//!
//! Documentation/kernel.rst is the specification.

mod walk;

use crate::{
    backing::Vmalloc,
    rights::may_show_addresses,
    sys::{
        debugfs::{
            Dir,
            Files,
            Records, //
        },
        machine::{
            self,
            Image,
            Offset, //
        },
        params,
        seq::SeqWriter, //
    },
    text::{
        regions::{
            self,
            picture,
            Line,
            Region,
            Signed, //
        },
        registers::{
            self,
            Values, //
        }, //
    }, //
};
use core::{
    cell::RefCell,
    fmt::Write, //
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};

/// What the files of the folder work on.
pub(super) struct Kernel {
    /// A page of this module, so that `own` always has one to show.
    _sample: Vmalloc,
}

impl Kernel {
    /// Errors: `ENOMEM`.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            _sample: Vmalloc::zeroed(1)?,
        })
    }
}

/// `own`: the ranges of this module.
pub(super) type OwnDump = walk::Dump<walk::OwnRanges>;
/// `pagetable`: all of them.
pub(super) type Dump = walk::Dump<walk::Everything>;

/// Makes the folder in `parent`.
pub(super) fn folder(parent: &Arc<Dir>, kernel: &Arc<Kernel>) -> Result<Files<Kernel>> {
    let dir = Dir::new(c"kernel", Some(parent.clone()))?;
    let files = Files::new(dir, kernel.clone())
        .records::<Layout>(c"layout")?
        .records::<Registers>(c"registers")?
        .records::<OwnDump>(c"own")?;
    if params::kernel_walk() {
        files.records::<Dump>(c"pagetable")
    } else {
        Ok(files)
    }
}

/// `layout`: the offsets of this boot and the regions, as one record: the whole is a few kilobytes.
pub(super) struct Layout;

impl Records for Layout {
    type Data = Kernel;

    fn open(_kernel: ArcBorrow<'_, Kernel>) -> Result<Self> {
        may_show_addresses()?;
        Ok(Self)
    }

    fn emit(&mut self, _pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let all = Picture::take()?;
        for offset in machine::offsets() {
            write_offset(out, &offset)?;
        }
        match &all.image {
            Some(image) => {
                let (moved, physical) = (Signed(image.offset), image.physical);
                writeln!(out, "kaslr_image: {moved} (_text from its default)")?;
                writeln!(out, "image_phys: {physical:#x} (physical address of _text)")?;
            }
            None => {
                const WHY: &str = "not known: the kernel has no symbols for all of its image";
                writeln!(out, "kaslr_image: {WHY}\nimage_phys: {WHY}")?;
            }
        }
        out.write_str(regions::COLUMNS)?;
        // Both closures write.
        let out = RefCell::new(out);
        picture(
            &all.regions,
            |line| writeln!(out.borrow_mut(), "{line}"),
            |conflict| writeln!(out.borrow_mut(), "# {conflict}"),
        )?;
        Ok(None)
    }
}

/// The regions of the address space, the kernel image among them.
struct Picture {
    regions: KVec<Region<'static>>,
    image: Option<Image>,
}

impl Picture {
    fn take() -> Result<Self> {
        let mut regions = machine::regions()?;
        let image = machine::image();
        if let Some(image) = &image {
            let region = Region {
                start: image.start,
                last: image.end.checked_sub(1),
                name: "image",
                what: "kernel image (_text to _end)",
            };
            regions.push(region, GFP_KERNEL)?;
        }
        Ok(Self { regions, image })
    }

    /// Calls `each` with the start, the exclusive end and the name of each region that is not a
    /// part of another, and of each gap. One whose end is not known goes on to the next one.
    fn for_each_section(&self, mut each: impl FnMut(u64, u64, &'static str) -> Result) -> Result {
        let mut open: Option<(u64, &'static str)> = None;
        picture(
            &self.regions,
            |line| {
                let (start, last, name) = match line {
                    Line::Region(r) => (r.start, r.last, r.name),
                    Line::Gap(start, last) => (start, Some(last), "gap"),
                    Line::Part(_) => return Ok(()),
                };
                if let Some((start_of_open, name)) = open.take() {
                    each(start_of_open, start, name)?;
                }
                match last {
                    Some(last) => each(start, last.saturating_add(1), name),
                    None => {
                        open = Some((start, name));
                        Ok(())
                    }
                }
            },
            |_| Ok(()),
        )
    }
}

/// Writes a line of what was chosen at boot.
fn write_offset(out: &mut SeqWriter<'_>, offset: &Offset) -> Result {
    let Offset {
        name, what, value, ..
    } = *offset;
    if what.is_empty() {
        // A number of something.
        writeln!(out, "{name}: {value}")?;
    } else if offset.is_relative {
        writeln!(out, "{name}: {} ({what})", Signed(value))?;
    } else {
        writeln!(out, "{name}: {value:#x} ({what})")?;
    }
    Ok(())
}

/// `registers`: those of one processor, as one record: they belong together.
pub(super) struct Registers;

impl Records for Registers {
    type Data = Kernel;

    fn open(_kernel: ArcBorrow<'_, Kernel>) -> Result<Self> {
        // Roots of page tables tell where the image is.
        may_show_addresses()?;
        Ok(Self)
    }

    fn emit(&mut self, _pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let (cpu, registers) = machine::registers()?;
        writeln!(out, "cpu: {cpu}")?;
        let values = Values(&registers);
        for index in 0..registers.len() {
            registers::write_register(out, registers::NATIVE, &values, index)?;
        }
        Ok(None)
    }
}
