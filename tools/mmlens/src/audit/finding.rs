// SPDX-License-Identifier: GPL-2.0

//! What an audit finds, and why it matters.

use crate::output::json::Hex;
use serde::Serialize;

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    Wx,
    Alias,
    Types,
    Text,
    DevMem,
    Device,
    Ram,
    ProtNone,
    Bad,
}

impl Why {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wx => "wx",
            Self::Alias => "alias",
            Self::Types => "types",
            Self::Text => "text",
            Self::DevMem => "dev-mem",
            Self::Device => "device",
            Self::Ram => "ram",
            Self::ProtNone => "prot-none",
            Self::Bad => "bad",
        }
    }

    /// Why it matters.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Wx => "writable and executable: who can write there can run code of his own",
            Self::Alias => {
                "frames writable in one place and executable in another: W^X is kept in name only"
            }
            Self::Types => {
                "frames with two memory types: what is written by one may not be seen by the other"
            }
            Self::Text => {
                "a file that is run, mapped shared and writable: code changes for everybody"
            }
            Self::DevMem => "physical memory by /dev/mem: no rights of processes hold there",
            Self::Device => "memory of a device: a write may be a command to it",
            Self::Ram => {
                "RAM mapped by number: it may be freed and given to others while it is mapped"
            }
            Self::ProtNone => "pages behind PROT_NONE: their contents are still there",
            Self::Bad => {
                "entries that the kernel would not follow: corruption, or a driver's mistake"
            }
        }
    }
}

/// Something that should not be, or that one should know of.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub kind: Why,
    /// Of one process; of frames that several map, there is a list below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// The addresses, or physical ones.
    pub start: Hex,
    pub end: Hex,
    /// Bytes that are so.
    pub bytes: u64,
    /// Rights and name of the VMA.
    pub what: String,
    /// Who maps the frames.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<String>,
}
