// SPDX-License-Identifier: GPL-2.0

//! The last operations on the VMAs of a buffer: a ring.

use crate::{
    ffi::uapi::mmlens_event,
    sys::scratch::accounted, //
};
use kernel::{
    prelude::*,
    sync::{
        new_spinlock,
        SpinLock, //
    },
};

/// Room for so many events, if nobody says.
pub(crate) const DEFAULT_ROOM: u32 = 256;

/// The most events that there may be room for.
pub(crate) const MAX_ROOM: u32 = 1 << 16;

/// Where the ring has got to. Events are numbered from 0 on, for ever.
struct Ring {
    slots: KVVec<mmlens_event>,
    /// The oldest one that is there.
    head: u64,
    /// The next one that will be.
    tail: u64,
    /// How many were dropped since somebody asked.
    dropped: u64,
}

impl Ring {
    fn slot(&mut self, number: u64) -> Option<&mut mmlens_event> {
        let room = self.slots.len() as u64;
        let index = number.checked_rem(room)?;
        self.slots.get_mut(index as usize)
    }

    /// Drops the oldest ones that have no room any more.
    fn drop_oldest(&mut self) {
        let oldest = self.tail.saturating_sub(self.slots.len() as u64);
        if self.head < oldest {
            self.dropped += oldest - self.head;
            self.head = oldest;
        }
    }
}

/// Room for events, to be installed.
pub(super) struct Room(KVVec<mmlens_event>);

impl Room {
    /// Errors: `ENOMEM`.
    pub(super) fn new(count: u32) -> Result<Self> {
        let mut slots = accounted(count as usize)?;
        for _ in 0..count {
            slots.push(mmlens_event::default(), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(slots))
    }
}

/// The events of a buffer.
#[pin_data]
pub(crate) struct Events {
    /// Taken by handlers, also under RCU: nothing sleeps in it.
    #[pin]
    ring: SpinLock<Ring>,
}

/// Events that were taken out of the ring.
pub(crate) struct Taken {
    /// The oldest first.
    pub(crate) events: KVVec<mmlens_event>,
    /// How many were dropped before.
    pub(crate) dropped: u64,
    /// How many are left.
    pub(crate) left: u64,
    first: u64,
}

impl Events {
    /// No room yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            ring <- new_spinlock!(
                Ring {
                    slots: KVVec::new(),
                    head: 0,
                    tail: 0,
                    dropped: 0,
                },
                "mmlens_events"
            ),
        })
    }

    /// Takes what there is room for from now on: before that, nothing is noted.
    pub(super) fn install(&self, room: Room) {
        let mut room = room.0;
        let mut ring = self.ring.lock();
        if ring.slots.is_empty() {
            core::mem::swap(&mut ring.slots, &mut room);
        }
        // What was not needed is freed without the lock.
        drop(ring);
        drop(room);
    }

    /// Adds an event. Says whether there was none before.
    pub(crate) fn add(&self, event: &mmlens_event) -> bool {
        let mut ring = self.ring.lock();
        let was_empty = ring.head == ring.tail;
        let number = ring.tail;
        match ring.slot(number) {
            Some(slot) => *slot = *event,
            // No room at all: there is no mapping yet whose events would be asked for.
            None => return false,
        }
        ring.tail += 1;
        ring.drop_oldest();
        was_empty
    }

    /// Whether there is any.
    pub(crate) fn is_empty(&self) -> bool {
        let ring = self.ring.lock();
        ring.head == ring.tail
    }

    /// Takes the oldest events, `most` at most. Sleeps.
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn take(&self, most: u32) -> Result<Taken> {
        // Nothing is allocated with the lock held. There may be more by then: another time.
        let room = {
            let ring = self.ring.lock();
            (ring.tail - ring.head).min(most.into()) as usize
        };
        let mut events = KVVec::with_capacity(room, GFP_KERNEL_ACCOUNT)?;
        let mut ring = self.ring.lock();
        let first = ring.head;
        while events.len() < room && ring.head < ring.tail {
            let head = ring.head;
            let Some(event) = ring.slot(head).copied() else {
                break;
            };
            if events.push_within_capacity(event).is_err() {
                break;
            }
            ring.head += 1;
        }
        Ok(Taken {
            events,
            dropped: core::mem::take(&mut ring.dropped),
            left: ring.tail - ring.head,
            first,
        })
    }

    /// Puts events back that could not be delivered. Those that have no room any more, or that came
    /// before others which were taken since, count as dropped. Says whether there was none before, and
    /// is now.
    pub(crate) fn put_back(&self, taken: &Taken) -> bool {
        let count = taken.events.len() as u64;
        let mut ring = self.ring.lock();
        let was_empty = ring.head == ring.tail;
        ring.dropped += taken.dropped;
        if ring.head == taken.first + count {
            // Slots are not cleared: what was not overwritten still is where it was.
            ring.head = taken.first;
            ring.drop_oldest();
        } else {
            ring.dropped += count;
        }
        was_empty && ring.head != ring.tail
    }
}
