// SPDX-License-Identifier: GPL-2.0

//! `mmlens man`: manual pages.

use crate::{
    cli::Cli,
    context::Context,
    error::{text, Error, Outcome, Result},
};
use clap::{Command, CommandFactory};
use serde::Serialize;
use std::{fs, path::PathBuf};

/// Writes manual pages into a folder: mmlens.1, and one for each command
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

#[derive(Serialize)]
struct Data {
    files: Vec<String>,
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let mut root = Cli::command();
        root.build();
        let mut files = Vec::new();
        let pages = root
            .get_subcommands()
            .filter(|command| command.get_name() != "help");
        for command in pages {
            let name = format!("mmlens-{}", command.get_name());
            files.push(self.write(&name, command.clone())?);
        }
        files.push(self.write("mmlens", root)?);
        if context.json {
            context.out.json("man", None, &Data { files })?;
        } else {
            for file in files {
                context.out.line(file)?;
            }
        }
        Ok(Outcome::Done)
    }

    fn write(&self, name: &str, command: Command) -> Result<String> {
        let path = self.folder.join(format!("{name}.1"));
        let mut page = Vec::new();
        let man = clap_mangen::Man::new(command).title(name);
        man.render(&mut page).map_err(Error::of_output)?;
        fs::write(&path, page).map_err(|error| {
            Error::other(format_args!("{}: {}", path.display(), text(&error)))
                .hint("a folder that is there and can be written to")
        })?;
        Ok(path.display().to_string())
    }
}
