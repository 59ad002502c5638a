// SPDX-License-Identifier: GPL-2.0

//! What the samples of `bench` say: tables, the targets, and plots. Runs on the host.

mod data;
mod plots;
mod stats;
mod svg;
mod table;
mod targets;
#[cfg(test)]
mod tests;

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
    if let Some(folder) = &options.plots {
        let prefix = options
            .csv
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        println!();
        for path in plots::all(&data, folder, &prefix)? {
            println!("plot: {path}");
        }
    }
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
