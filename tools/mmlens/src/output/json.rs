// SPDX-License-Identifier: GPL-2.0

//! What all JSON documents have in common.

use mmlens_core::pt::facts::Facts;
use mmlens_device::Machine;
use serde::Serialize;

/// The version of the schema. Members may be added in one version, never changed or taken away.
pub const SCHEMA: u32 = 1;

#[derive(Serialize)]
pub struct Document<'a, T> {
    pub schema: u32,
    pub command: &'a str,
    pub machine: Option<&'a Machine>,
    pub data: &'a T,
}

/// An address or a raw value: `"0x7f00"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Hex(#[serde(with = "mmlens_device::hex")] pub u64);

/// Facts as words.
pub fn words(facts: Facts) -> Vec<&'static str> {
    facts.words().collect()
}
