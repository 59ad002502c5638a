// SPDX-License-Identifier: GPL-2.0

//! What the samples of `bench` say: tables, the targets, and plots. Runs on the host.

mod data;
mod stats;
mod table;
mod targets;

use clap::Parser;
use data::Data;
use std::{
    fs,
    path::PathBuf,
    process::ExitCode, //
};

#[derive(Parser)]
#[command(about = "Tables and plots of what bench has measured")]
struct Options {
    /// What bench printed
    csv: PathBuf,
    /// Where to put the plots
    #[arg(long)]
    plots: Option<PathBuf>,
}

fn run(options: &Options) -> Result<(), String> {
    let path = options.csv.display();
    let text = fs::read_to_string(&options.csv).map_err(|error| format!("{path}: {error}"))?;
    let data = Data::parse(&text).map_err(|error| format!("{path}: {error}"))?;
    print!("{}", table::all(&data));
    print!("{}", targets::all(&data));
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-report: {error}");
            ExitCode::FAILURE
        }
    }
}
