// SPDX-License-Identifier: GPL-2.0

//! `mmlens completions`: for a shell.

use crate::{
    cli::Cli,
    context::Context,
    error::{Outcome, Result},
};
use clap::CommandFactory;
use clap_complete::Shell;
use serde::Serialize;

/// Prints what a shell needs to complete the command line
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which shell
    shell: Shell,
}

#[derive(Serialize)]
struct Data {
    shell: String,
    script: String,
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "mmlens", &mut script);
        if context.json {
            let data = Data {
                shell: self.shell.to_string(),
                script: String::from_utf8_lossy(&script).into_owned(),
            };
            context.out.json("completions", None, &data)?;
        } else {
            context.out.raw(&script)?;
        }
        Ok(Outcome::Done)
    }
}
