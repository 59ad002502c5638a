// SPDX-License-Identifier: GPL-2.0

//! Just enough of SVG for the plots.

use std::fmt::Write;

/// What a dark text on a white ground looks like everywhere.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";

/// A picture that is being drawn, in pixels.
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Which end of a text is at its place.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            body: String::new(),
        }
    }

    pub fn text(&mut self, x: f64, y: f64, size: f64, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let _ = writeln!(
            self.body,
            r##"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="#222">{text}</text>"##
        );
    }

    pub fn bold(&mut self, x: f64, y: f64, size: f64, text: &str) {
        let _ = write!(self.body, r#"<g font-weight="bold">"#);
        self.text(x, y, size, Anchor::Start, text);
        let _ = writeln!(self.body, "</g>");
    }

    pub fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, fill: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{:.1}" height="{height:.1}" fill="{fill}"/>"#,
            width.max(0.0)
        );
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str, width: f64) {
        let _ = writeln!(
            self.body,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{stroke}" stroke-width="{width}"/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    /// Points, and lines from each to the next.
    pub fn curve(&mut self, points: &[(f64, f64)], stroke: &str, dashes: &str) {
        let mut path = String::new();
        for (x, y) in points {
            let _ = write!(path, "{x:.1},{y:.1} ");
        }
        let _ = writeln!(
            self.body,
            r#"<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="2" stroke-dasharray="{dashes}"/>"#
        );
        for (x, y) in points {
            let _ = writeln!(
                self.body,
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{stroke}"/>"#
            );
        }
    }

    /// The file.
    pub fn finish(self) -> String {
        let Self {
            width,
            height,
            body,
        } = self;
        format!(
            "<!-- SPDX-License-Identifier: GPL-2.0 -->\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{FONT}\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }
}

/// A scale from numbers to pixels.
#[derive(Clone, Copy)]
pub struct Scale {
    is_log: bool,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

/// Up to so many times the least the greatest is drawn from 0 on.
const LINEAR: f64 = 40.0;

impl Scale {
    /// By powers of ten; as many of them as the numbers need.
    pub fn log(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = match range(values) {
            Some((low, high)) => (low.log10().floor(), high.log10().ceil()),
            None => (0.0, 1.0),
        };
        Self {
            is_log: true,
            low,
            high: high.max(low + 1.0),
            from,
            to,
        }
    }

    /// From 0 on, so that one sees how many times as much one is as another; by powers of ten if that
    /// would leave nothing of the least.
    pub fn bars(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        match range(values.clone()) {
            Some((low, high)) if high / low < LINEAR => Self {
                is_log: false,
                low: 0.0,
                high: high * 1.05,
                from,
                to,
            },
            _ => Self::log(values, from, to),
        }
    }

    pub fn at(self, value: f64) -> f64 {
        let value = match self.is_log {
            true => value.max(f64::MIN_POSITIVE).log10(),
            false => value,
        };
        let part = (value - self.low) / (self.high - self.low);
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Round numbers.
    pub fn ticks(self) -> Vec<f64> {
        if self.is_log {
            let exponents = self.low as i32..=self.high as i32;
            return exponents.map(|exponent| 10_f64.powi(exponent)).collect();
        }
        let step = 10_f64.powf((self.high / 2.0).log10().floor());
        let step = match self.high / step {
            steps if steps > 10.0 => 5.0 * step,
            steps if steps > 5.0 => 2.0 * step,
            _ => step,
        };
        (0..=(self.high / step) as u32)
            .map(|index| f64::from(index) * step)
            .collect()
    }
}

/// The least and the greatest.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let good = values.filter(|v| v.is_finite() && *v > 0.0);
    let found = good.fold((f64::MAX, f64::MIN), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    (found.0 <= found.1).then_some(found)
}

/// 0.01, 10, 10K, 1M.
pub fn short(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{}G", v / 1e9),
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e3 => format!("{}K", v / 1e3),
        v => format!("{v}"),
    }
}

/// A number with three digits that matter, as a person would write it.
pub fn rounded(value: f64) -> String {
    match value {
        v if !v.is_finite() => "-".to_string(),
        v if v >= 1e6 => format!("{:.1}M", v / 1e6),
        v if v >= 1e4 => format!("{:.1}K", v / 1e3),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}
