// SPDX-License-Identifier: GPL-2.0

//! `mmlens maps`: the VMAs.

use crate::{
    context::Context,
    error::{Outcome, Result},
    output::{
        color::{of_rights, ADDRESS, QUIET},
        table::{Cell, Table},
    },
    space,
    target::Target,
};
use mmlens_core::text::Size;
use serde::Serialize;

/// Lists the VMAs: names, rights, flags, and what is mapped in them
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which process
    pid: String,
}

#[derive(Serialize)]
struct Data {
    pid: i32,
    comm: String,
    vmas: Vec<space::VmaJson>,
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = Target::find(&self.pid)?;
        let (vmas, _) = space::vmas(context, target.pid)?;
        let machine = context.machine()?.clone();
        if context.json {
            let vmas = vmas
                .iter()
                .map(|vma| space::VmaJson::new(&machine, vma))
                .collect();
            let data = Data {
                pid: target.pid,
                comm: target.comm,
                vmas,
            };
            context.print_json("maps", &data)?;
            return Ok(Outcome::Done);
        }
        let mut table = Table::new(&["range", ">size", "rights", "name", "flags"]);
        for vma in &vmas {
            let rights = space::rights_of(vma);
            let style = of_rights(&rights);
            table.row([
                Cell::styled(format!("{:016x}-{:016x}", vma.start, vma.end), ADDRESS),
                Size(vma.end - vma.start).to_string().into(),
                Cell::styled(rights, style),
                space::name_of(vma).into(),
                Cell::styled(space::flags_of(&machine, vma).join(" "), QUIET),
            ]);
        }
        table.print(&mut context.out)?;
        Ok(Outcome::Done)
    }
}
