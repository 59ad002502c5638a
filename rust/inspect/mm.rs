// SPDX-License-Identifier: GPL-2.0

//! The file `mm`: the task and the fields of its `mm_struct`.

use super::target::{
    Subject,
    Target, //
};
use crate::{
    debugfs::Records,
    mm::{
        fields::{
            self,
            Value, //
        },
        tables, //
    },
    seq::SeqWriter,
    text::Escaped, //
};
use core::fmt::{
    self,
    Write, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::ArcBorrow, //
};

/// One record with all fields.
pub(super) struct Fields(Subject);

impl Records for Fields {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self(target.subject()?))
    }

    fn emit(&mut self, _pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let info = &self.0.info;
        line(out, "pid", format_args!("{}", info.pid))?;
        line(out, "tgid", format_args!("{}", info.tgid))?;
        line(out, "comm", format_args!("{}", Escaped(info.comm())))?;
        if self.0.is_kernel_thread() {
            line(
                out,
                "mm",
                format_args!("none: a kernel thread has no user memory"),
            )?;
            if info.active_mm.is_null() {
                line(
                    out,
                    "active_mm",
                    format_args!("none: not running, it borrows one while it does"),
                )?;
                return Ok(None);
            }
            write!(out, "{:<16}", "active_mm:")?;
            out.hashed(info.active_mm)?;
            writeln!(
                out,
                " (hashed): borrowed from what ran before on its processor"
            )?;
            return Ok(None);
        }
        let Some(mm) = self.0.memory() else {
            line(out, "mm", format_args!("gone: the process has exited"))?;
            return Ok(None);
        };

        let (geometry, _) = tables::native()?;
        write!(out, "{:<15}", "levels:")?;
        for level in geometry.levels() {
            write!(out, " {}", level.name())?;
        }
        writeln!(out)?;
        line(
            out,
            "page_size",
            format_args!("{} bytes", geometry.page_size()),
        )?;
        fields::for_each(&mm, |name, value| {
            Ok(line(out, name, format_args!("{value}"))?)
        })?;
        Ok(None)
    }
}

fn line(out: &mut SeqWriter<'_>, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
    writeln!(
        out,
        "{name}:{:width$}{value}",
        "",
        width = 15usize.saturating_sub(name.len())
    )
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Count(n) => write!(f, "{n}"),
            Value::Address(address) => write!(f, "{address:#018x}"),
            Value::Physical(address) => write!(f, "{address:#x} (physical)"),
            Value::Pages(n) => write!(
                f,
                "{n} pages ({} kB)",
                n.wrapping_mul(PAGE_SIZE as u64 >> 10)
            ),
            Value::Bytes(n) => write!(f, "{n} bytes ({} kB)", n >> 10),
        }
    }
}
