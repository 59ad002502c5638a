// SPDX-License-Identifier: GPL-2.0

//! The ioctls of `/dev/mmlens`: decoding and answers.
//!
//! The numbers and structs are in `uapi/mmlens.h`, the rules of their sizes in [`super::uapi`].

use super::{
    buffer::Buffer,
    events::{
        DEFAULT_ROOM,
        MAX_ROOM, //
    },
    uapi::Request, //
};
use crate::{
    backing::{
        self,
        Backing, //
    },
    compat,
    ffi::uapi::{
        mmlens_attach,
        mmlens_dirty,
        mmlens_event,
        mmlens_events,
        mmlens_info,
        mmlens_machine,
        mmlens_query,
        mmlens_revoke,
        mmlens_setup,
        mmlens_stats,
        mmlens_text,
        mmlens_walk,
        MMLENS_AREA_ALLOC,
        MMLENS_AREA_IOREMAP,
        MMLENS_AREA_MAP,
        MMLENS_AREA_NONE,
        MMLENS_BACKING_NONE,
        MMLENS_DIRTY_PEEK,
        MMLENS_IOC_MAGIC,
        MMLENS_REVOKE_COWS,
        MMLENS_SETUP_NOSPLIT,
        MMLENS_SETUP_TRACK, //
    },
    inspect,
    mm::tables,
    rights::{
        may_look,
        may_show_addresses, //
    },
    setup::{
        self,
        is_around,
        Cache,
        PageKind,
        Setup,
        Strategy,
        DEFAULT_AROUND, //
    },
    sys::params, //
};
use kernel::{
    ioctl::{
        _IOC_NR,
        _IOC_SIZE,
        _IOC_TYPE, //
    },
    page::PAGE_SIZE,
    prelude::*,
    transmute::AsBytes,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceWriter, //
    },
};

const NR_INFO: u32 = 0x00;
const NR_STATS: u32 = 0x01;
const NR_SETUP: u32 = 0x02;
const NR_EVENTS: u32 = 0x03;
const NR_DIRTY: u32 = 0x04;
const NR_REVOKE: u32 = 0x05;
const NR_RESTORE: u32 = 0x06;
const NR_WALK: u32 = 0x07;
const NR_QUERY: u32 = 0x08;
const NR_TEXT: u32 = 0x09;
const NR_ATTACH: u32 = 0x0a;
const NR_DETACH: u32 = 0x0b;
const NR_MACHINE: u32 = 0x0c;

/// Pages that are harvested at a time: what fills a buffer for the bitmap.
const CHUNK: usize = 1 << 15;

/// Carries out an ioctl.
///
/// The number is recognised without the size in it, which differs between versions of a struct.
///
/// Errors: `ENOTTY` for a number that is not ours; `EINVAL` for a size below the first version or a
/// reserved member that is not zero; `E2BIG` for a larger struct with something in what we do not
/// know; `EFAULT`.
pub(super) fn dispatch(buffer: &Buffer, cmd: u32, arg: usize) -> Result<isize> {
    if _IOC_TYPE(cmd) != MMLENS_IOC_MAGIC {
        return Err(ENOTTY);
    }
    let size = _IOC_SIZE(cmd);
    match _IOC_NR(cmd) {
        NR_INFO => info(buffer, Request::from_user(arg, size)?)?,
        NR_STATS => stats(buffer, Request::from_user(arg, size)?)?,
        NR_SETUP => setup(buffer, Request::from_user(arg, size)?)?,
        NR_EVENTS => events(buffer, Request::from_user(arg, size)?)?,
        NR_DIRTY => dirty(buffer, Request::from_user(arg, size)?)?,
        NR_REVOKE => revoke(buffer, Request::from_user(arg, size)?)?,
        NR_RESTORE => restore(buffer, Request::from_user(arg, size)?)?,
        NR_WALK => walk(Request::from_user(arg, size)?)?,
        NR_QUERY => query(Request::from_user(arg, size)?)?,
        NR_TEXT => return text(Request::from_user(arg, size)?),
        NR_ATTACH => inspect::attach(attachment(Request::from_user(arg, size)?))?,
        NR_DETACH => inspect::detach(attachment(Request::from_user(arg, size)?))?,
        NR_MACHINE => machine(Request::from_user(arg, size)?)?,
        _ => return Err(ENOTTY),
    }
    Ok(0)
}

fn info(buffer: &Buffer, request: Request<mmlens_info>) -> Result {
    if request.value().reserved != 0 {
        return Err(EINVAL);
    }
    let setup = buffer.setup();
    let memory = buffer.memory();
    let area = memory.and_then(|m| m.backing.area());
    let flags = [
        (setup.track, MMLENS_SETUP_TRACK),
        (setup.nosplit, MMLENS_SETUP_NOSPLIT), //
    ];
    let may_see = |number: u64| may_look().map_or(0, |()| number);
    request.answer(|size| mmlens_info {
        size,
        backing: memory.map_or(MMLENS_BACKING_NONE, |m| m.setup.backing as u32),
        bytes: buffer.bytes(),
        mappings: buffer.stats.mappings(),
        max_bytes: Buffer::max_bytes(),
        page_size: PAGE_SIZE as u32,
        reserved: 0,
        strategy: setup.strategy as u32,
        page_kind: setup.kind as u32,
        cache: setup.cache as u32,
        flags: flags.iter().filter(|f| f.0).fold(0, |all, f| all | f.1),
        around: match setup.strategy {
            Strategy::Around => setup.around,
            _ => 0,
        },
        revoked: buffer.is_revoked().into(),
        area: match memory.map(|m| &m.backing) {
            None | Some(Backing::Sparse(_)) => MMLENS_AREA_NONE,
            Some(Backing::Vmalloc(_)) => MMLENS_AREA_ALLOC,
            Some(Backing::Blocks(_)) => MMLENS_AREA_MAP,
            Some(Backing::Device(_)) => MMLENS_AREA_IOREMAP,
        },
        area_cache: area.map_or(Cache::Wb, |a| a.cache) as u32,
        area_address: may_show_addresses().map_or(0, |()| may_see(area.map_or(0, |a| a.number()))),
        phys: may_see(memory.and_then(|m| m.backing.device_address()).unwrap_or(0)),
        allocated_pages: memory.map_or(0, |m| m.backing.allocated() as u64),
        dirty_pages: memory
            .and_then(|m| m.dirty.as_ref())
            .map_or(0, |d| d.count()),
        id: buffer.id,
    })
}

fn stats(buffer: &Buffer, request: Request<mmlens_stats>) -> Result {
    let op = request.value().op;
    let size = request.size();
    let stats = buffer.stats.fill(op, size)?;
    request.answer(|_| stats)
}

/// Errors: `EINVAL` for what is not in the header; `EOPNOTSUPP` for what does not go together; those
/// of [`Buffer::set_up`].
fn setup(buffer: &Buffer, request: Request<mmlens_setup>) -> Result {
    let wanted = request.value();
    let flags = wanted.flags;
    if wanted.reserved != 0 || flags & !(MMLENS_SETUP_TRACK | MMLENS_SETUP_NOSPLIT) != 0 {
        return Err(EINVAL);
    }
    let backing = match wanted.backing {
        MMLENS_BACKING_NONE => Setup::default().backing,
        number => setup::Backing::from_number(number).ok_or(EINVAL)?,
    };
    let strategy = Strategy::from_number(wanted.strategy).ok_or(EINVAL)?;
    let around = match (strategy, wanted.around) {
        (_, 0) => DEFAULT_AROUND,
        (Strategy::Around, pages) if is_around(pages) => pages,
        _ => return Err(EINVAL),
    };
    if wanted.region != 0 && backing != setup::Backing::Ioremap {
        return Err(EINVAL);
    }
    let setup = Setup {
        backing,
        strategy,
        around,
        kind: PageKind::from_number(wanted.page_kind).ok_or(EINVAL)?,
        cache: Cache::from_number(wanted.cache).ok_or(EINVAL)?,
        track: flags & MMLENS_SETUP_TRACK != 0,
        nosplit: flags & MMLENS_SETUP_NOSPLIT != 0,
        region: wanted.region,
    };
    let events = match wanted.events {
        0 => DEFAULT_ROOM,
        count if count <= MAX_ROOM => count,
        _ => return Err(EINVAL),
    };
    let pages = wanted.bytes.div_ceil(PAGE_SIZE as u64);
    setup.check(backing::machine()).map_err(params::errno)?;
    buffer.set_up(setup, usize::try_from(pages)?, events)
}

/// Errors: `EINVAL` for another size of a record; `EFAULT`, and then no event is taken.
fn events(buffer: &Buffer, request: Request<mmlens_events>) -> Result {
    let mut answer = *request.value();
    if answer.record_size as usize != size_of::<mmlens_event>() {
        return Err(EINVAL);
    }
    let taken = buffer.events.take(answer.count)?;
    let at = UserPtr::from_addr(usize::try_from(answer.records)?);
    let bytes = taken.events.len() * size_of::<mmlens_event>();
    let mut writer = UserSlice::new(at, bytes).writer();
    let result = taken
        .events
        .iter()
        .try_for_each(|event| writer.write_slice(event.as_bytes()))
        .and_then(|()| {
            answer.count = taken.events.len() as u32;
            answer.dropped = taken.dropped;
            answer.left = u32::try_from(taken.left)?;
            request.answer(|_| answer)
        });
    if result.is_err() && buffer.events.put_back(&taken) {
        buffer.notify();
    }
    result
}

/// Errors: `EOPNOTSUPP` if writes are not recorded; `EINVAL` for a range that is not inside of the
/// buffer, or a flag that is not known; `EFAULT`, `EINTR` if nothing was done.
fn dirty(buffer: &Buffer, request: Request<mmlens_dirty>) -> Result {
    let mut answer = *request.value();
    if answer.flags & !MMLENS_DIRTY_PEEK != 0 {
        return Err(EINVAL);
    }
    if !buffer.setup().track {
        return Err(compat::eopnotsupp());
    }
    let total = buffer.memory().map_or(0, |m| m.pages() as u64);
    if answer.first > total || answer.pages > total - answer.first {
        return Err(EINVAL);
    }
    let (first, pages) = (answer.first as usize, answer.pages as usize);
    let peek = answer.flags & MMLENS_DIRTY_PEEK != 0;
    let mut bitmap = match answer.bitmap {
        0 => None,
        address => {
            let at = UserPtr::from_addr(usize::try_from(address)?);
            Some(UserSlice::new(at, pages.div_ceil(64) * size_of::<u64>()).writer())
        }
    };
    answer.dirty = 0;
    answer.protected = 0;
    // What cannot be told afterwards must not be harvested.
    answer.pages = 0;
    request.answer(|_| answer)?;
    let mut done = 0;
    while done < pages {
        let chunk = CHUNK.min(pages - done);
        let told = buffer.harvest_chunk(first + done, chunk, peek, bitmap.as_mut(), |found| {
            let mut next = answer;
            next.dirty += found.dirty;
            next.protected += found.protected;
            next.pages = (done + chunk) as u64;
            request.answer(|_| next)?;
            answer = next;
            Ok(())
        });
        match told {
            Ok(()) => done += chunk,
            Err(error) if done == 0 => {
                // As it came: who tries again with the same struct means the same pages.
                let _ = request.answer(|_| *request.value());
                return Err(error);
            }
            // What was done has been told; the rest is as it was.
            Err(_) => break,
        }
    }
    Ok(())
}

/// What was found in a part of a range.
struct Found {
    dirty: u64,
    protected: u64,
}

impl Buffer {
    /// Harvests `pages` pages from `first` on, tells of them in the bitmap, and has the rest told by
    /// `tell`; on an error they are dirty again.
    fn harvest_chunk(
        &self,
        first: usize,
        pages: usize,
        peek: bool,
        bitmap: Option<&mut UserSliceWriter>,
        tell: impl FnOnce(&Found) -> Result,
    ) -> Result {
        let memory = self.memory().ok_or(EINVAL)?;
        let dirty = memory.dirty.as_ref().ok_or_else(compat::eopnotsupp)?;
        let mut words = KVec::<u64>::with_capacity(pages.div_ceil(64), GFP_KERNEL)?;
        let mut found = Found {
            dirty: 0,
            protected: 0,
        };
        let result = (0..pages)
            .step_by(64)
            .try_for_each(|at| {
                let word = self.harvest(memory, dirty, first + at, pages - at, peek)?;
                words.push_within_capacity(word.bits).map_err(|_| EINVAL)?;
                found.dirty += u64::from(word.bits.count_ones());
                found.protected += word.protected;
                Ok(())
            })
            .and_then(|()| match bitmap {
                Some(bitmap) => bitmap.write_slice(AsBytes::as_bytes(words.as_slice())),
                None => Ok(()),
            })
            .and_then(|()| tell(&found));
        if result.is_err() && !peek {
            for (index, &bits) in words.iter().enumerate() {
                self.unharvest(dirty, first + 64 * index, bits);
            }
        }
        result
    }
}

/// Errors: `EINVAL` for a flag that is not known; `EINTR`.
fn revoke(buffer: &Buffer, request: Request<mmlens_revoke>) -> Result {
    let flags = request.value().flags;
    if flags & !MMLENS_REVOKE_COWS != 0 {
        return Err(EINVAL);
    }
    buffer.revoke(flags & MMLENS_REVOKE_COWS != 0)
}

/// Errors: `EINVAL` for any flag; `EINTR`.
fn restore(buffer: &Buffer, request: Request<mmlens_revoke>) -> Result {
    if request.value().flags != 0 {
        return Err(EINVAL);
    }
    buffer.restore()
}

/// Errors: those of [`may_look`] and of [`inspect::walk`].
fn walk(request: Request<mmlens_walk>) -> Result {
    may_look()?;
    let answer = inspect::walk(request.value())?;
    request.answer(|_| answer)
}

/// Errors: those of [`inspect::ask`].
fn query(request: Request<mmlens_query>) -> Result {
    let answer = inspect::ask(request.value())?;
    request.answer(|_| answer)
}

/// Returns a descriptor. Errors: `EINVAL` for a reserved member that is not zero; those of
/// [`inspect::open_text`].
fn text(request: Request<mmlens_text>) -> Result<isize> {
    let wanted = request.value();
    if wanted.reserved != 0 {
        return Err(EINVAL);
    }
    Ok(inspect::open_text(wanted.what, wanted.pid)? as isize)
}

/// Which process to attach or to detach.
fn attachment(request: Request<mmlens_attach>) -> i32 {
    request.value().pid
}

/// Errors: `EINVAL` for a reserved member that is not zero.
fn machine(request: Request<mmlens_machine>) -> Result {
    if request.value().reserved != [0; 3] {
        return Err(EINVAL);
    }
    request.answer(|size| mmlens_machine {
        size,
        ..tables::machine()
    })
}
