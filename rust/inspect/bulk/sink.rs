// SPDX-License-Identifier: GPL-2.0

//! Where pieces of tables go: into runs, or into totals.

use super::{
    Form,
    Walk, //
};
use crate::{
    pt::{
        facts::Facts,
        scan::{
            Piece,
            Reader,
            Totals, //
        },
        Native, //
    },
    sys::uaccess::UserWords, //
};
use kernel::prelude::*;

/// Where pieces go.
pub(super) enum Sink {
    /// A run for each record; this one may go on.
    Runs(Option<Piece>),
    /// One record of totals.
    Counts(KBox<Totals>),
}

/// Whether there was room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    /// The record that begins here did not fit.
    None(u64),
}

impl Sink {
    pub(super) fn new(form: Form) -> Result<Self> {
        Ok(match form {
            Form::Counts => Self::Counts(KBox::new(Totals::default(), GFP_KERNEL)?),
            _ => Self::Runs(None),
        })
    }

    /// Takes a piece that has passed the filter.
    pub(super) fn take(
        &mut self,
        walk: &mut Walk<'_>,
        reader: &Reader<Native>,
        piece: Piece,
    ) -> Result<Room> {
        let run = match self {
            Self::Counts(totals) => {
                totals.add(&piece);
                return Ok(Room::Enough);
            }
            Self::Runs(run) => run,
        };
        if let Some(run) = run {
            if reader.join(run, &piece) {
                return Ok(Room::Enough);
            }
        }
        match run.replace(piece) {
            Some(done) => walk.put_run(&done),
            None => Ok(Room::Enough),
        }
    }

    /// Puts what is left.
    pub(super) fn finish(self, walk: &mut Walk<'_>) -> Result<Room> {
        match self {
            Self::Runs(Some(run)) => walk.put_run(&run),
            Self::Runs(None) => Ok(Room::Enough),
            Self::Counts(mut totals) => {
                totals.finish();
                put_totals(&mut walk.out, &totals)?;
                walk.records = 1;
                Ok(Room::Enough)
            }
        }
    }
}

impl Walk<'_> {
    /// Puts a `struct mmlens_run`.
    fn put_run(&mut self, run: &Piece) -> Result<Room> {
        let Facts(facts) = run.facts;
        let place = run.place.unwrap_or(u64::MAX);
        let record = [run.start, run.end, run.raw.0, place, facts];
        if self.out.room() < record.len() {
            return Ok(Room::None(run.start));
        }
        self.out.put(&record)?;
        self.records += 1;
        Ok(Room::Enough)
    }
}

/// Puts a `struct mmlens_counts`.
fn put_totals(out: &mut UserWords, totals: &Totals) -> Result {
    out.put(&totals.entries)?;
    out.put(&[totals.bytes])?;
    out.put(&totals.bytes_with)
}
