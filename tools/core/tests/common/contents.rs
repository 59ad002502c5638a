// SPDX-License-Identifier: GPL-2.0

//! Machines of every shape, and tables with anything in them.

use super::{machine, Arm, Encode, Machine, Memory, Node, X86};
use mmlens_core::pt::level::Level;
use proptest::prelude::*;

/// Machines of every shape: (encoding, page shift, levels, bits of an address).
pub fn x86_machines() -> impl Strategy<Value = Machine<X86>> {
    prop_oneof![Just(machine(X86, 12, 4, 47)), Just(machine(X86, 12, 5, 56))]
}

pub fn arm_machines() -> impl Strategy<Value = Machine<Arm>> {
    let arm = |page_shift, levels, va_bits, pa52| {
        let encode = Arm {
            page_shift,
            pa52,
            levels,
        };
        Just(machine(encode, page_shift, levels, va_bits))
    };
    prop_oneof![
        arm(12, 3, 39, false),
        arm(12, 4, 48, false),
        arm(12, 5, 52, true),
        arm(14, 2, 36, false),
        arm(14, 3, 47, false),
        arm(14, 4, 52, true),
        arm(16, 2, 42, false),
        arm(16, 3, 52, true),
    ]
}

/// Things to map: (a place among few, so that they meet; level; what).
pub fn contents() -> impl Strategy<Value = Vec<(u64, u64, u8, Node)>> {
    let node = prop_oneof![
        4 => (0u64..64, any::<bool>(), any::<bool>())
            .prop_map(|(pfn, write, exec)| Node::Leaf { pfn: 0x10_0000 + pfn, write, exec }),
        1 => (0u64..64).prop_map(|pfn| Node::ProtNone { pfn: 0x10_0000 + pfn }),
        1 => (0u8..32, 1u64..99).prop_map(|(number, offset)| Node::Soft { number, offset }),
    ];
    let place = (
        0u64..3,
        0u64..40,
        prop_oneof![8 => Just(0u8), 1 => Just(1u8)],
        node,
    );
    proptest::collection::vec(place, 1..60)
}

pub fn fill<E: Encode>(machine: Machine<E>, contents: &[(u64, u64, u8, Node)]) -> Memory<E> {
    let mut memory = Memory::new(machine);
    let page = machine.geometry.page_size();
    for &(region, index, level, node) in contents {
        // Around the bounds of the lowest table and near the end of the address space.
        let table = machine.geometry.size(
            machine
                .geometry
                .levels()
                .filter(|&l| l > Level::Pte)
                .last()
                .unwrap(),
        );
        let end = 1u64 << machine.va_bits;
        let base = match region {
            0 => table,
            1 => 3 * table - 20 * page,
            _ => end - 40 * page,
        };
        let huge = level == 1 && !machine.geometry.is_folded(Level::Pmd);
        let level = if huge { Level::Pmd } else { Level::Pte };
        let node = match node {
            Node::Leaf { write, exec, .. } if huge => {
                let pfn = machine.geometry.size(Level::Pmd) / page * (index + 1);
                Node::Leaf { pfn, write, exec }
            }
            _ if huge => continue,
            node => node,
        };
        memory.map(base + index * page, level, node);
    }
    memory
}
