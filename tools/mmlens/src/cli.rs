// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::{
    commands::*,
    context::Context,
    error::{Error, Outcome, Result},
    output::color::When,
};
use clap::{error::ErrorKind, Parser, Subcommand};
use std::io::Write;

/// Shows address spaces: page tables, VMAs, and why they are as they are.
///
/// PID is a number, `self`, or the name of a process if there is one of that name. ADDR is hexadecimal,
/// with or without 0x; lengths may end in K, M, G or T.
///
/// Exit status: 0 done; 1 nothing found, or something that should not be; 2 usage; 3 no right; 4 no
/// such process, or it is gone; 5 no device; 6 anything else.
#[derive(Debug, Parser)]
#[command(name = "mmlens", version, arg_required_else_help = true)]
pub struct Cli {
    /// Prints one JSON document: Documentation/command.rst has the schema
    #[arg(long, global = true)]
    pub json: bool,

    /// When to use colors: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,

    #[command(subcommand)]
    pub command: Command,
}

/// The commands. Each is a file of its name in commands/.
#[derive(Debug, Subcommand)]
pub enum Command {
    Show(show::Args),
    Maps(maps::Args),
    Tables(tables::Args),
    Explain(explain::Args),
    Translate(translate::Args),
    Find(find::Args),
    Gaps(gaps::Args),
    Rmap(rmap::Args),
    Kernel(kernel::Args),
    Events(events::Args),
    Completions(completions::Args),
    Man(man::Args),
    Filter(filter::Args),
    Scan(scan::Args),
    Save(save::Args),
    Diff(diff::Args),
    Audit(audit::Args),
    Picture(picture::Args),
    Watch(watch::Args),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> Result<Outcome> {
        let mut context = Context::new(self.json, self.color);
        let outcome = match self.command {
            Command::Show(args) => args.run(&mut context),
            Command::Maps(args) => args.run(&mut context),
            Command::Tables(args) => args.run(&mut context),
            Command::Explain(args) => args.run(&mut context),
            Command::Translate(args) => args.run(&mut context),
            Command::Find(args) => args.run(&mut context),
            Command::Gaps(args) => args.run(&mut context),
            Command::Rmap(args) => args.run(&mut context),
            Command::Kernel(args) => args.run(&mut context),
            Command::Events(args) => args.run(&mut context),
            Command::Completions(args) => args.run(&mut context),
            Command::Man(args) => args.run(&mut context),
            Command::Filter(args) => args.run(&mut context),
            Command::Scan(args) => args.run(&mut context),
            Command::Save(args) => args.run(&mut context),
            Command::Diff(args) => args.run(&mut context),
            Command::Audit(args) => args.run(&mut context),
            Command::Picture(args) => args.run(&mut context),
            Command::Watch(args) => args.run(&mut context),
        };
        // Also of what went wrong in the middle: what is known was worth reading.
        let flushed = context.out.flush();
        let outcome = outcome?;
        flushed.and(Ok(outcome))
    }
}

/// Reads the command line. Help and version are printed here.
pub fn parse() -> Result<Cli> {
    Cli::try_parse().or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let mut out = anstream::stdout().lock();
            write!(out, "{}", error.render().ansi()).map_err(Error::of_output)?;
            std::process::exit(0);
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Error::usage("no command").hint("mmlens --help"))
        }
        _ => Err(one_line(&error.render().to_string())),
    })
}

/// All that clap says in its first paragraph, in one line.
fn one_line(text: &str) -> Error {
    let paragraph = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty());
    let words = paragraph.collect::<Vec<_>>().join(" ");
    let what = words.strip_prefix("error: ").unwrap_or(&words);
    Error::usage(what).hint("mmlens --help")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn clap_finds_nothing_wrong() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_are_one_line() {
        let error = Cli::try_parse_from(["mmlens", "maps"])
            .err()
            .map(|e| e.render().to_string());
        let line = one_line(&error.unwrap_or_default()).to_string();
        assert_eq!(
            line,
            "the following required arguments were not provided: <PID>; try: mmlens --help"
        );
    }
}
