// SPDX-License-Identifier: GPL-2.0

//! The folder `kernel`: what is the same for all processes.
//!
//! Documentation/kernel.rst is the specification.

use crate::{
    debugfs::{
        Dir,
        Files,
        Records, //
    },
    machine::{
        self,
        Offset, //
    },
    seq::SeqWriter,
    text::{
        regions::{
            self,
            picture,
            Region,
            Signed, //
        },
        registers::{
            self,
            Values, //
        }, //
    },
};
use core::fmt::Write;
use kernel::{
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};

/// What the files of the folder work on: there is one kernel.
pub(super) struct Kernel;

/// Makes the folder in `parent`.
pub(super) fn folder(parent: &Arc<Dir>) -> Result<Files<Kernel>> {
    let dir = Dir::new(c"kernel", Some(parent.clone()))?;
    Files::new(dir, Arc::new(Kernel, GFP_KERNEL)?)
        .records::<Layout>(c"layout")?
        .records::<Registers>(c"registers")
}

/// `layout`: the offsets of this boot and the regions, as one record: the whole is a few kilobytes.
struct Layout;

impl Records for Layout {
    type Data = Kernel;

    fn open(_kernel: ArcBorrow<'_, Kernel>) -> Result<Self> {
        Ok(Self)
    }

    fn emit(&mut self, _pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let mut regions = machine::regions()?;
        let image = machine::image();
        for offset in machine::offsets() {
            write_offset(out, &offset)?;
        }
        match &image {
            Some(image) => {
                let (moved, physical) = (Signed(image.offset), image.physical);
                writeln!(out, "kaslr_image: {moved} (_text from its default)")?;
                writeln!(out, "image_phys: {physical:#x} (physical address of _text)")?;
                let region = Region {
                    start: image.start,
                    last: image.end.checked_sub(1),
                    name: "image",
                    what: "kernel image (_text to _end)",
                };
                regions.push(region, GFP_KERNEL)?;
            }
            None => {
                const WHY: &str = "not known: the kernel has no symbols for all of its image";
                writeln!(out, "kaslr_image: {WHY}\nimage_phys: {WHY}")?;
            }
        }
        out.write_str(regions::COLUMNS)?;
        // Both closures write.
        let out = core::cell::RefCell::new(out);
        picture(
            &regions,
            |line| writeln!(out.borrow_mut(), "{line}"),
            |conflict| writeln!(out.borrow_mut(), "# {conflict}"),
        )?;
        Ok(None)
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
struct Registers;

impl Records for Registers {
    type Data = Kernel;

    fn open(_kernel: ArcBorrow<'_, Kernel>) -> Result<Self> {
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
