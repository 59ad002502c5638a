// SPDX-License-Identifier: GPL-2.0

//! Knobs of the kernel.

use crate::sys::{
    Context,
    Res, //
};
use std::fs;

/// Sets a knob of the kernel while it lives.
pub struct Knob {
    path: &'static str,
    before: String,
}

impl Knob {
    pub fn set(path: &'static str, value: &str) -> Res<Self> {
        let text = fs::read_to_string(path).context(path)?;
        // Of several words the one in brackets is what is set.
        let before = match text
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'))
        {
            Some((word, _)) => word.to_string(),
            None => text.trim().to_string(),
        };
        fs::write(path, value).context(path)?;
        Ok(Self { path, before })
    }
}

impl Drop for Knob {
    fn drop(&mut self) {
        // It is as it was, or the next guest has it as it was.
        let _ = fs::write(self.path, &self.before);
    }
}

/// Lets those rest who work on processes that are stopped too: khugepaged makes huge pages, DAMON
/// clears bits. The balancing of NUMA nodes takes pages away for a moment, and each is a fault more.
pub fn rest() -> Vec<Knob> {
    let knobs = [
        (
            "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs",
            "1000000",
        ),
        ("/sys/module/damon_stat/parameters/enabled", "N"),
        ("/proc/sys/kernel/numa_balancing", "0"),
    ];
    // Where there is no such knob nobody works.
    knobs
        .into_iter()
        .filter_map(|(path, value)| Knob::set(path, value).ok())
        .collect()
}
