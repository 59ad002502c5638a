// SPDX-License-Identifier: GPL-2.0

//! The tests, by what they are about.

mod audit;
mod errors;
mod events;
mod kernel;
mod maps;
mod output;
mod questions;
mod scan;
mod snapshot;
mod tables;

use crate::check::Test;

pub fn all() -> impl Iterator<Item = &'static Test> {
    [
        maps::TESTS,
        tables::TESTS,
        questions::TESTS,
        kernel::TESTS,
        events::TESTS,
        scan::TESTS,
        audit::TESTS,
        snapshot::TESTS,
        errors::TESTS,
        output::TESTS,
    ]
    .into_iter()
    .flatten()
}
