// SPDX-License-Identifier: GPL-2.0

//! Medians, spreads, ratios and lines.

use crate::data::Entrant;

const RESAMPLES: usize = 2000;

/// A value between those at whose place `q` falls.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = q * last as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (place - low as f64)
}

pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The distance of the quartiles, as a part of the median.
pub fn spread(values: &[f64]) -> f64 {
    (quantile(values, 0.75) - quantile(values, 0.25)) / median(values)
}

/// A ratio, and between what it lies with 95 % confidence.
#[derive(Clone, Copy)]
pub struct Ratio {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// How many times as much `a` takes as `b`: the median of the ratios round by round, because what
/// disturbs a round disturbs both; its confidence by drawing rounds again and again (bootstrap).
pub fn ratio(a: &Entrant, b: &Entrant) -> Ratio {
    let ratios: Vec<f64> = a
        .samples
        .iter()
        .filter_map(|sample| {
            let other = b.samples.iter().find(|other| other.round == sample.round)?;
            Some(sample.ns / a.units / (other.ns / b.units))
        })
        .collect();
    let mut draw = Draw::new();
    let medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| median(&draw.again(&ratios)))
        .collect();
    Ratio {
        value: median(&ratios),
        low: quantile(&medians, 0.025),
        high: quantile(&medians, 0.975),
    }
}

/// The least of all rounds: for what is only ever made worse by others on the host.
pub fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// How many times the least of `a` is that of `b`.
pub fn ratio_of_least(a: &Entrant, b: &Entrant) -> Ratio {
    let (a, b) = (a.costs(), b.costs());
    let mut draw = Draw::new();
    let ratios: Vec<f64> = (0..RESAMPLES)
        .map(|_| least(&draw.again(&a)) / least(&draw.again(&b)))
        .collect();
    Ratio {
        value: least(&a) / least(&b),
        low: quantile(&ratios, 0.025),
        high: quantile(&ratios, 0.975),
    }
}

/// Draws from what there is. The same each time, so that a report is.
struct Draw(u64);

impl Draw {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// As many as there are, some of them more than once.
    fn again(&mut self, values: &[f64]) -> Vec<f64> {
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % values.len().max(1) as u64
        };
        values.iter().map(|_| values[next() as usize]).collect()
    }
}

/// A line through points, by least squares.
pub struct Line {
    pub slope: f64,
    pub base: f64,
    /// How much of the variance it explains: 1 is all of it.
    pub r2: f64,
}

pub fn fit(points: &[(f64, f64)]) -> Line {
    let count = points.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let xy: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let xx: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    let yy: f64 = points.iter().map(|p| (p.1 - y).powi(2)).sum();
    let slope = xy / xx;
    Line {
        slope,
        base: y - slope * x,
        r2: slope * xy / yy,
    }
}
