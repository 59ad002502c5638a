// SPDX-License-Identifier: GPL-2.0

//! Colors, by what they mean.

use anstyle::{AnsiColor, Style};
use std::fmt::{self, Display};

/// When to use them. `auto`: on a terminal, unless `NO_COLOR` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

impl From<When> for anstream::ColorChoice {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}

/// What stands above others.
pub const TITLE: Style = Style::new().bold();
/// What is seldom of interest: holes.
pub const QUIET: Style = AnsiColor::BrightBlack.on_default();
pub const ADDRESS: Style = AnsiColor::Cyan.on_default();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const CARE: Style = AnsiColor::Yellow.on_default();
/// What should not be: W+X.
pub const BAD: Style = AnsiColor::Red.on_default().bold();

/// A value in a color.
pub struct Painted<T>(pub Style, pub T);

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(style, value) = self;
        write!(f, "{style}{value}{style:#}")
    }
}

/// The color of rights such as `rw-p`.
pub fn of_rights(rights: &str) -> Style {
    match (rights.contains('w'), rights.contains('x')) {
        (true, true) => BAD,
        (true, false) => CARE,
        (false, true) => GOOD,
        (false, false) if !rights.contains('r') => QUIET,
        _ => Style::new(),
    }
}
