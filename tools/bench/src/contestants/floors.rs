// SPDX-License-Identifier: GPL-2.0

//! What nobody can be faster than.

use super::{
    Contestant,
    Kind,
    Pass, //
};
use crate::{
    device::{
        self,
        Device,
        Info, //
    },
    sys::{
        ioctl,
        Context,
        Res, //
    },
    target::Target,
};
use std::hint::black_box;

pub fn kinds() -> Vec<Kind> {
    let kind = |name, returns, make| Kind {
        name,
        returns,
        make,
        sees_frames: true,
    };
    vec![
        kind(
            "sum",
            "floor: adds up as many u64 as there are entries",
            |target| Ok(Box::new(Sum(words(target)))),
        ),
        kind(
            "memcpy",
            "floor: copies as many u64 as there are entries",
            |target| Ok(Box::new(Copy(words(target), words(target)))),
        ),
        kind("ioctl", "floor: one ioctl that gives 40 bytes", |_| {
            Ok(Box::new(Empty(Device::open(device::NODE)?)))
        }),
        kind("enotty", "floor: one ioctl that does not exist", |_| {
            Ok(Box::new(Unknown(Device::open(device::NODE)?)))
        }),
    ]
}

fn words(target: &Target) -> Vec<u64> {
    (0..target.slots).collect()
}

struct Sum(Vec<u64>);

impl Contestant for Sum {
    fn pass(&mut self, _check: bool) -> Res<Pass> {
        let mut sum = 0_u64;
        for word in black_box(&self.0) {
            // One load and one addition each: without black_box() the compiler would take eight at
            // a time, which no walker can.
            sum = black_box_register(sum.wrapping_add(*word));
        }
        black_box(sum);
        Ok(Pass::default())
    }
}

/// As `black_box`, but the value stays in a register.
#[inline(always)]
fn black_box_register(mut value: u64) -> u64 {
    // SAFETY: Not one instruction.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) value, options(pure, nomem, nostack, preserves_flags))
    };
    value
}

struct Copy(Vec<u64>, Vec<u64>);

impl Contestant for Copy {
    fn pass(&mut self, _check: bool) -> Res<Pass> {
        black_box(&mut self.1).copy_from_slice(black_box(&self.0));
        Ok(Pass::default())
    }
}

struct Empty(Device);

impl Contestant for Empty {
    fn pass(&mut self, _check: bool) -> Res<Pass> {
        let mut info = Info {
            size: size_of::<Info>() as u32,
            ..Info::default()
        };
        ioctl(&self.0 .0, device::INFO, &mut info).context("INFO")?;
        Ok(Pass {
            calls: 1,
            ..Pass::default()
        })
    }
}

struct Unknown(Device);

impl Contestant for Unknown {
    fn pass(&mut self, _check: bool) -> Res<Pass> {
        let mut info = Info::default();
        // It fails, which is what is measured.
        let _ = ioctl(&self.0 .0, device::NONE, &mut info);
        Ok(Pass {
            calls: 1,
            ..Pass::default()
        })
    }
}
