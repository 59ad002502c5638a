// SPDX-License-Identifier: GPL-2.0

//! `mmlens completions`: for a shell.

use crate::{
    cli::Cli,
    context::Context,
    error::{Outcome, Result},
    filter,
};
use clap::{builder::PossibleValuesParser, Command, CommandFactory};
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
        clap_complete::generate(self.shell, &mut command(), "mmlens", &mut script);
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

/// The command line with the words of the filter language for what takes an expression. Not for reading one:
/// a word is only its beginning.
fn command() -> Command {
    let mut command = Cli::command();
    let takers: Vec<(String, String)> = command
        .get_subcommands()
        .flat_map(|sub| {
            let filters = sub.get_arguments().filter(|argument| {
                let names = argument.get_value_names().unwrap_or_default();
                names.iter().any(|name| name == "EXPR")
            });
            filters.map(|argument| (sub.get_name().into(), argument.get_id().to_string()))
        })
        .collect();
    for (name, argument) in takers {
        command = command.mut_subcommand(name, |sub| {
            sub.mut_arg(argument, |argument| {
                argument.value_parser(PossibleValuesParser::new(filter::plain()))
            })
        });
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_filter_language() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "mmlens", &mut script);
            let script = String::from_utf8_lossy(&script).into_owned();
            for word in ["page-anon", "protnone", "wx"] {
                // For --filter of scan and of tables.
                assert!(script.matches(word).count() >= 2, "{word} for {shell}");
            }
        }
    }
}
