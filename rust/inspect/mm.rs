// SPDX-License-Identifier: GPL-2.0

//! The file `mm`: the task, its `mm_struct` by subject, and who shares it.

use super::target::{
    Subject,
    Target, //
};
use crate::{
    mm::{
        context,
        fields::{
            self,
            Show,
            Value, //
        },
        program,
        remote::State,
        tables,
        users, //
    },
    sys::{
        debugfs::Records,
        seq::SeqWriter, //
    },
    text::{
        auxv,
        Escaped,
        FieldName,
        Named, //
    }, //
};
use core::fmt::{
    self,
    Write, //
};
use kernel::{
    mm::MmWithUser,
    page::PAGE_SIZE,
    prelude::*,
    sync::ArcBorrow, //
};

/// A part of the file that is one record.
type Section = fn(&MmWithUser, &mut SeqWriter<'_>) -> Result;

/// What follows the task, in order.
const SECTIONS: [Section; 8] = [
    tables, references, layout, sizes, state, context, program, auxv,
];

/// A record for the task, one for each section, and then the processes that share the memory: the
/// position is the pid to look on at, above the sections.
pub(super) struct Fields(Subject);

impl Records for Fields {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self(target.subject()?))
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let mm = self.0.memory();
        let Some(index) = pos.checked_sub(1) else {
            self.task(mm.as_deref(), out)?;
            return Ok(mm.is_some().then_some(1));
        };
        let Some(mm) = mm else {
            return Ok(None);
        };
        if let Some(section) = SECTIONS.get(usize::try_from(index)?) {
            section(&mm, out)?;
            return Ok(Some(pos + 1));
        }
        self.sharing(&mm, index - SECTIONS.len() as u64, out)
            .map(|next| next.map(|pid| 1 + SECTIONS.len() as u64 + pid))
    }
}

impl Fields {
    /// The task as it was when the file was opened.
    fn task(&self, mm: Option<&MmWithUser>, out: &mut SeqWriter<'_>) -> Result {
        let info = &self.0.info;
        line(out, "pid", format_args!("{}", info.pid))?;
        line(out, "tgid", format_args!("{}", info.tgid))?;
        line(out, "ppid", format_args!("{}", info.ppid))?;
        line(out, "comm", format_args!("{}", Escaped(info.comm())))?;
        line(out, "threads", format_args!("{}", info.threads))?;
        name(out, "mm")?;
        match mm {
            Some(mm) => {
                out.hashed(fields::identity(mm))?;
                writeln!(out, " (hashed)")?;
            }
            None if self.0.is_kernel_thread() && !info.mm.is_null() => {
                out.hashed(info.mm)?;
                writeln!(
                    out,
                    " (hashed): lent to a kernel thread by the process it works for"
                )?;
            }
            None if self.0.is_kernel_thread() => {
                writeln!(out, "none: a kernel thread has no user memory")?;
            }
            None => {
                writeln!(out, "gone: the process has exited")?;
                return Ok(());
            }
        }
        name(out, "active_mm")?;
        if info.active_mm.is_null() {
            writeln!(out, "none: not running, it borrows one while it does")?;
            return Ok(());
        }
        out.hashed(info.active_mm)?;
        if mm.is_some() {
            writeln!(out, " (hashed)")?;
        } else {
            writeln!(
                out,
                " (hashed): borrowed from what ran before on its processor"
            )?;
        }
        Ok(())
    }

    /// The next process from number `from` on that has this memory too. Returns where to look on.
    fn sharing(&self, mm: &MmWithUser, from: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        if from == 0 {
            writeln!(out, "# processes that share this memory")?;
        }
        tables::breathe()?;
        let step = users::next_user(mm, i32::try_from(from)?);
        if let Some(info) = step.found.filter(|info| info.tgid != self.0.info.tgid) {
            let state = if info.state == State::Kernel {
                "kernel"
            } else {
                "user"
            };
            write!(out, "shared_with {}: {state} ", info.tgid)?;
            writeln!(out, "{}", Escaped(info.comm()))?;
        }
        Ok(step.next.and_then(|next| u64::try_from(next).ok()))
    }
}

fn tables(mm: &MmWithUser, out: &mut SeqWriter<'_>) -> Result {
    let (geometry, _) = tables::native()?;
    writeln!(out, "# page tables")?;
    name(out, "levels")?;
    for (index, level) in geometry.levels().enumerate() {
        let space = if index == 0 { "" } else { " " };
        write!(out, "{space}{}", level.name())?;
    }
    writeln!(out)?;
    line(
        out,
        "page_size",
        format_args!("{} bytes", geometry.page_size()),
    )?;
    show(out, |show| fields::tables(mm, show))
}

fn references(mm: &MmWithUser, out: &mut SeqWriter<'_>) -> Result {
    writeln!(out, "# references and locks")?;
    show(out, |show| fields::references(mm, show))?;
    match users::owner(mm) {
        Some(owner) => line(
            out,
            "owner",
            format_args!("{} {}", owner.pid, Escaped(owner.comm())),
        )?,
        None => line(out, "owner", format_args!("none"))?,
    }
    Ok(())
}

fn layout(mm: &MmWithUser, out: &mut SeqWriter<'_>) -> Result {
    writeln!(out, "# layout")?;
    show(out, |show| fields::layout(mm, show))
}

fn sizes(mm: &MmWithUser, out: &mut SeqWriter<'_>) -> Result {
    writeln!(out, "# sizes")?;
    show(out, |show| fields::sizes(mm, show))
}

fn state(mm: &MmWithUser, out: &mut SeqWriter<'_>) -> Result {
    writeln!(out, "# state")?;
    show(out, |show| fields::state(mm, show))
}

fn context(mm: &MmWithUser, out: &mut SeqWriter<'_>) -> Result {
    writeln!(out, "# context of the architecture")?;
    show(out, |show| context::context(mm, show))
}

fn program(mm: &MmWithUser, out: &mut SeqWriter<'_>) -> Result {
    writeln!(out, "# program")?;
    name(out, "exe_file")?;
    match program::ExeFile::of(mm) {
        Some(file) => file.write_path(out)?,
        None => out.write_str("none")?,
    }
    writeln!(out)?;
    show(out, |show| {
        show("binfmt", Value::Symbol(program::binfmt(mm)))
    })
}

fn auxv(mm: &MmWithUser, out: &mut SeqWriter<'_>) -> Result {
    writeln!(out, "# auxiliary vector")?;
    for entry in auxv::entries(&program::saved_auxv(mm), program::auxv_width(mm)) {
        writeln!(out, "{entry}")?;
    }
    Ok(())
}

/// Writes a line for each field that `fields` shows.
fn show(out: &mut SeqWriter<'_>, fields: impl FnOnce(Show<'_>) -> Result) -> Result {
    fields(&mut |field, value| {
        name(out, field)?;
        match value {
            Value::Symbol(address) if !address.is_null() => out.symbol(address)?,
            value => write!(out, "{value}")?,
        }
        writeln!(out)?;
        Ok(())
    })
}

/// Writes what is before the value.
fn name(out: &mut SeqWriter<'_>, name: &str) -> fmt::Result {
    write!(out, "{}", FieldName("", name))
}

fn line(out: &mut SeqWriter<'_>, field: &str, value: fmt::Arguments<'_>) -> fmt::Result {
    name(out, field)?;
    writeln!(out, "{value}")
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Count(n) => write!(f, "{n}"),
            Value::Signed(n) => write!(f, "{n}"),
            Value::Hex(n) => write!(f, "{n:#x}"),
            Value::Address(address) => write!(f, "{address:#018x}"),
            Value::Physical(address) => write!(f, "{address:#x} (physical)"),
            Value::Pages(n) => write!(
                f,
                "{n} pages ({} kB)",
                n.wrapping_mul(PAGE_SIZE as u64 >> 10)
            ),
            Value::Bytes(n) => write!(f, "{n} bytes ({} kB)", n >> 10),
            Value::VmaFlags(flags) => write!(f, "{flags}"),
            Value::MmFlags(flags) => write!(f, "{flags}"),
            Value::Membarrier(state) => write!(f, "{state}"),
            Value::Named(bits, names) => write!(f, "{}", Named(bits, names)),
            // What is there is written by `show()`: it takes the kernel's help.
            Value::Symbol(_) => f.write_str("none"),
            Value::Present(true) => f.write_str("present"),
            Value::Present(false) => f.write_str("none"),
            Value::Word(word) => f.write_str(word),
        }
    }
}
