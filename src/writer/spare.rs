//! Memory of written blocks, for the next ones of any queue: a stream that is busy for a moment
//! does not keep what it used.

use std::sync::{Mutex, PoisonError};

use crate::limits::{BLOCK_CAPACITY, SPARE_BLOCKS_MAX};

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

pub(super) fn take() -> Vec<u8> {
    let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    // The kernel gives the pages of it that are used, as they are used.
    spare.unwrap_or_else(|| Vec::with_capacity(BLOCK_CAPACITY))
}

pub(super) fn give_back(memory: Vec<u8>) {
    // A larger one is one stream's exception.
    if memory.capacity() != BLOCK_CAPACITY {
        return;
    }
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < SPARE_BLOCKS_MAX {
        spare.push(memory);
    }
}
