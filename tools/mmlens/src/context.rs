// SPDX-License-Identifier: GPL-2.0

//! What every command gets: the device, and the output.

use crate::{
    error::{Error, Result},
    output::{color::When, Output},
};
use mmlens_device::{Device, Machine};
use serde::Serialize;
use std::cell::OnceCell;

pub struct Context {
    device: OnceCell<Device>,
    machine: OnceCell<Machine>,
    pub out: Output,
    /// Whether one JSON document is wanted instead of text.
    pub json: bool,
}

impl Context {
    pub fn new(json: bool, color: When) -> Self {
        Self {
            device: OnceCell::new(),
            machine: OnceCell::new(),
            out: Output::new(color, json),
            json,
        }
    }

    /// The device, opened when somebody first wants it.
    pub fn device(&self) -> Result<&Device> {
        if let Some(device) = self.device.get() {
            return Ok(device);
        }
        let device = Device::open().map_err(Error::of_device)?;
        Ok(self.device.get_or_init(|| device))
    }

    /// The machine that the device is of.
    pub fn machine(&self) -> Result<&Machine> {
        if let Some(machine) = self.machine.get() {
            return Ok(machine);
        }
        let machine = self.device()?.machine().map_err(Error::of_ioctl)?;
        Ok(self.machine.get_or_init(|| machine))
    }

    /// The output, for somebody who borrows the rest meanwhile; to be given back.
    pub fn take_output(&mut self) -> Output {
        std::mem::replace(&mut self.out, Output::new(When::Never, true))
    }

    /// Prints the document of a command that has asked the device.
    pub fn print_json(&mut self, command: &str, data: &impl Serialize) -> Result<()> {
        let machine = self.machine()?.clone();
        self.out.json(command, Some(&machine), data)
    }
}
