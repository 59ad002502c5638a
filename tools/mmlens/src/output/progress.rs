// SPDX-License-Identifier: GPL-2.0

//! How far a long command is: on a terminal, after a second.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(1);

pub struct Progress {
    since: Instant,
    what: String,
    length: u64,
    bar: Option<ProgressBar>,
    is_terminal: bool,
}

impl Progress {
    /// Of `what`, up to `length`.
    pub fn new(what: impl Into<String>, length: u64) -> Self {
        Self {
            since: Instant::now(),
            what: what.into(),
            length,
            bar: None,
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// It is at `position` now.
    pub fn at(&mut self, position: u64) {
        if !self.is_terminal || self.since.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar =
                ProgressBar::with_draw_target(Some(self.length), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3}% {eta}")
            {
                bar.set_style(style);
            }
            bar.set_message(self.what.clone());
            bar
        });
        bar.set_position(position.min(self.length));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
