// SPDX-License-Identifier: GPL-2.0

//! The samples, by what was measured and by who did it.

use std::collections::HashMap;

/// A line of the file.
#[derive(Clone)]
pub struct Sample {
    pub round: usize,
    /// Of one pass, in ns or instructions.
    pub ns: f64,
}

/// Somebody who took part in a cell.
pub struct Entrant {
    pub name: String,
    /// How many of its unit it did in one pass: not all do the same number.
    pub units: f64,
    pub samples: Vec<Sample>,
    pub calls: u64,
    pub records: u64,
    pub out_bytes: u64,
    pub checked: String,
}

impl Entrant {
    /// Of each round: the cost of one unit.
    pub fn costs(&self) -> Vec<f64> {
        self.samples.iter().map(|s| s.ns / self.units).collect()
    }
}

/// What is compared with each other.
pub struct Cell {
    pub contest: String,
    pub case: String,
    pub bytes: u64,
    pub unit: String,
    pub entrants: Vec<Entrant>,
}

impl Cell {
    pub fn entrant(&self, name: &str) -> Option<&Entrant> {
        self.entrants.iter().find(|e| e.name == name)
    }
}

/// The whole file.
pub struct Data {
    pub remarks: HashMap<String, String>,
    pub cells: Vec<Cell>,
}

impl Data {
    /// Errors: what does not look like the output of `bench`, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut data = Self {
            remarks: HashMap::new(),
            cells: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            if let Some(remark) = line.strip_prefix("# ") {
                if let Some((key, value)) = remark.split_once(": ") {
                    data.remarks.insert(key.to_string(), value.to_string());
                }
            } else if !line.starts_with("contest,") && !line.is_empty() {
                data.add(line)
                    .ok_or_else(|| format!("line {}: {line}", index + 1))?;
            }
        }
        Ok(data)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(',').collect();
        let [contest, case, bytes, units, unit, name, round, reps, ns, calls, records, out_bytes, checked] =
            words[..]
        else {
            return None;
        };
        let bytes: u64 = bytes.parse().ok()?;
        let at = self
            .cells
            .iter()
            .position(|c| (&*c.contest, &*c.case, c.bytes) == (contest, case, bytes))
            .unwrap_or_else(|| {
                self.cells.push(Cell {
                    contest: contest.to_string(),
                    case: case.to_string(),
                    bytes,
                    unit: unit.to_string(),
                    entrants: Vec::new(),
                });
                self.cells.len() - 1
            });
        let cell = self.cells.get_mut(at)?;
        let at = cell
            .entrants
            .iter()
            .position(|e| e.name == name)
            .unwrap_or(cell.entrants.len());
        if at == cell.entrants.len() {
            cell.entrants.push(Entrant {
                name: name.to_string(),
                units: units.parse().ok()?,
                samples: Vec::new(),
                calls: calls.parse().ok()?,
                records: records.parse().ok()?,
                out_bytes: out_bytes.parse().ok()?,
                checked: checked.to_string(),
            });
        }
        let reps: f64 = reps.parse().ok()?;
        let total: f64 = ns.parse().ok()?;
        cell.entrants[at].samples.push(Sample {
            round: round.parse().ok()?,
            ns: total / reps,
        });
        Some(())
    }

    /// The cells of a contest.
    pub fn of<'a>(&'a self, contest: &'a str) -> impl Iterator<Item = &'a Cell> {
        self.cells.iter().filter(move |c| c.contest == contest)
    }
}
