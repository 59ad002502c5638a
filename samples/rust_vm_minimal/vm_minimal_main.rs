// SPDX-License-Identifier: GPL-2.0

//! The smallest whole driver with an `mmap`, over the layer of mmlens: `/dev/vm_minimal`.
//!
//! Each open file has some pages of zeros. A mapping of it gets one when it is touched; shared
//! mappings of the same open file see the same bytes, private ones copy what they write. All of it
//! is freed with the last descriptor or mapping, whichever is later, and until then the module
//! cannot be unloaded.
//!
//! What is not here is what the layer does: the count of the owner for each VMA, by fork, split and
//! exit; the flags; the `owner` of the file; and every `unsafe`.
//!
//! To build: `make samples`, or `make -C <kernel tree> M=$PWD/samples/rust_vm_minimal modules`.

#![crate_name = "vm_minimal"]

mod ffi;
/// Four parts of mmlens, as they are there. A driver uses some of what they have.
#[allow(dead_code)]
#[path = "../../rust"]
mod layer {
    pub(crate) mod compat;
    pub(crate) mod sys {
        pub(crate) mod chardev;
        pub(crate) mod seq;
    }
    pub(crate) mod vm;
}
// In mmlens they are at the root.
use layer::{
    compat,
    sys,
    vm, //
};

use kernel::{
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};
use sys::chardev::{
    CharDevice,
    FileOperations,
    NewFile, //
};
use vm::{
    fault::{
        Failure,
        Outcome,
        VmFault, //
    },
    kind::Pages,
    ops::{
        VmOperations,
        VmOperationsTable, //
    },
    page::PageRef,
    vma::{
        Mapped,
        NewVma, //
    },
};

/// How many pages a file has.
const PAGES: usize = 16;

/// What is behind an open file and its mappings: each of them owns an [`Arc`] of it.
struct Memory {
    pages: KVec<PageRef>,
}

#[vtable]
impl FileOperations for Memory {
    fn open(_file: &NewFile<'_>) -> Result<Arc<Self>> {
        let mut pages = KVec::with_capacity(PAGES, GFP_KERNEL)?;
        for _ in 0..PAGES {
            // Charged to who opens the file.
            pages.push(PageRef::zeroed()?, GFP_KERNEL)?;
        }
        Ok(Arc::new(Self { pages }, GFP_KERNEL)?)
    }

    fn mmap<'v>(this: ArcBorrow<'_, Self>, vma: NewVma<'v>) -> Result<Mapped<'v>> {
        // The mapping must lie inside of the file. It cannot grow later: `prepare` sees to that.
        let pages = this.pages.get(vma.pgoff()..).ok_or(EINVAL)?;
        if vma.pages() > pages.len() {
            return Err(EINVAL);
        }
        Ok(vma.prepare::<Mapping>()?.done(this.into()))
    }
}

/// Stands for the table of operations; there are no values of it.
enum Mapping {}

static TABLE: VmOperationsTable<Mapping> = VmOperationsTable::new();

#[vtable]
impl VmOperations for Mapping {
    type Owner = Memory;
    // Normal memory: counted, in the RSS, found by `get_user_pages()`.
    type Kind = Pages;

    fn table() -> &'static VmOperationsTable<Self> {
        &TABLE
    }

    // A page that is not mapped was touched. The core maps what is returned.
    fn fault(memory: &Memory, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
        let page = memory.pages.get(fault.pgoff()).ok_or(Failure::Sigbus)?;
        Ok(Outcome::Page(page.clone()))
    }
}

module! {
    type: VmMinimal,
    name: "vm_minimal",
    authors: ["The mmlens authors"],
    description: "The smallest driver with an mmap, over the layer of mmlens",
    license: "GPL",
}

#[pin_data]
struct VmMinimal {
    #[pin]
    _device: CharDevice<Memory>,
}

impl kernel::InPlaceModule for VmMinimal {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _device <- CharDevice::register(c"vm_minimal"),
        })
    }
}
