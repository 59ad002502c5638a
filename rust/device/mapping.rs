// SPDX-License-Identifier: GPL-2.0

//! The VMAs of a buffer: what happens at a fault.
//!
//! The pages are normal ones: counted, in the process' RSS, found by `get_user_pages()`. Shared
//! mappings map them read-only until the first write, which `page_mkwrite` sees. Private mappings
//! read them and copy on write, which is the core's affair.

use super::buffer::Buffer;
use crate::vm::{
    fault::{
        Failure,
        Mkwrite,
        MkwriteFault,
        Outcome,
        VmFault, //
    },
    ops::{
        VmOperations,
        VmOperationsTable, //
    },
    vma::DriverVma, //
};
use kernel::prelude::*;

static OPERATIONS: VmOperationsTable<Buffer> = VmOperationsTable::new();

#[vtable]
impl VmOperations for Buffer {
    fn table() -> &'static VmOperationsTable<Self> {
        &OPERATIONS
    }

    fn open(&self, _vma: &DriverVma<Self>) {
        self.stats.open.bump();
    }

    fn close(&self, _vma: &DriverVma<Self>) {
        self.stats.close.bump();
    }

    fn fault(&self, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
        // `mmap` has checked the bounds, and a VMA cannot grow. Still, what is asked for here
        // decides.
        let page = self.memory().and_then(|m| m.page(fault.pgoff()));
        match page {
            Some(page) => {
                self.stats.fault.bump();
                Ok(Outcome::Page(page))
            }
            None => {
                self.stats.fault_refused.bump();
                Err(Failure::Sigbus)
            }
        }
    }

    fn page_mkwrite<'a>(&self, fault: &MkwriteFault<'a, Self>) -> Result<Mkwrite<'a>, Failure> {
        let Some(page) = fault.lock_page() else {
            return Ok(Mkwrite::Retry);
        };
        self.stats.page_mkwrite.bump();
        Ok(Mkwrite::Locked(page))
    }
}
