// SPDX-License-Identifier: GPL-2.0

//! What a picture is made of: texts, rectangles and lines.

/// How large text is, and what it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Font {
    Title,
    Heading,
    Plain,
    Mono,
    Small,
}

impl Font {
    pub const fn class(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Heading => "heading",
            Self::Plain => "plain",
            Self::Mono => "mono",
            Self::Small => "small",
        }
    }

    /// Pixels of its height.
    pub const fn size(self) -> f64 {
        match self {
            Self::Title => 20.0,
            Self::Heading => 14.0,
            Self::Plain | Self::Mono => 11.0,
            Self::Small => 9.0,
        }
    }

    /// How wide a character is, at most in the mean: bold DejaVu Sans is wide.
    const fn per_character(self) -> f64 {
        self.size()
            * match self {
                Self::Title | Self::Heading => 0.7,
                Self::Plain | Self::Mono => 0.61,
                Self::Small => 0.64,
            }
    }

    pub fn width(self, text: &str) -> f64 {
        self.per_character() * text.chars().count() as f64
    }

    /// The text, with its middle left out if it is too wide: of a path the end says more.
    pub fn fit(self, text: &str, width: f64) -> String {
        let room = (width / self.per_character()).floor().max(3.0) as usize;
        let all: Vec<char> = text.chars().collect();
        if all.len() <= room {
            return text.to_string();
        }
        let head = room / 4;
        let tail = room.saturating_sub(head + 1);
        let (start, end) = (all.iter().take(head), all.iter().skip(all.len() - tail));
        start.chain(['\u{2026}'].iter()).chain(end).collect()
    }
}

/// A text. `x` is its left end, or its right one.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    pub x: f64,
    /// The line it stands on.
    pub y: f64,
    pub font: Font,
    pub is_right: bool,
    pub class: &'static str,
    pub text: String,
}

/// A rectangle of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub class: &'static str,
    /// What it says when the mouse is on it.
    pub hint: Option<String>,
}

/// A line through points.
#[derive(Clone, Debug, PartialEq)]
pub struct Stroke {
    pub class: &'static str,
    pub points: Vec<(f64, f64)>,
}

/// Neighbours that are equal: the first one, how many, and what they are.
pub fn pieces<T: Copy + PartialEq>(all: &[T]) -> Vec<(usize, usize, T)> {
    let mut first = 0;
    let chunks = all.chunk_by(|a, b| a == b).filter_map(|chunk| {
        let piece = (first, chunk.len(), *chunk.first()?);
        first += chunk.len();
        Some(piece)
    });
    chunks.collect()
}

/// A number of bytes in four or five characters, rounded down: `132K`, `1.5M`.
pub fn human(bytes: u64) -> String {
    const UNITS: [(u32, char); 5] = [(50, 'P'), (40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')];
    let unit = UNITS.into_iter().find(|&(shift, _)| bytes >> shift > 0);
    let Some((shift, letter)) = unit else {
        return bytes.to_string();
    };
    let whole = bytes >> shift;
    let tenths = (bytes >> (shift - 10) & 0x3ff) * 10 / 1024;
    if tenths == 0 || whole >= 100 {
        format!("{whole}{letter}")
    } else {
        format!("{whole}.{tenths}{letter}")
    }
}
