//! The other side of the path: what logrotate, an administrator and a full disk do to a log file.

use std::path::{Path, PathBuf};

use logagent::place::Place;

use crate::seeds::Random;
use crate::world::{Faults, World};

const ARCHIVES: usize = 4;
const FRAGMENT: &[u8] = b"an old line\nand the beginning of anoth";
const CONTENTS: [&[u8]; 3] = [b"", b"an old line\n", FRAGMENT];

/// The place of a simulated log file; there are two, since a stream can be moved.
pub fn place(number: usize) -> Place {
    let path = PathBuf::from(format!("/log/{number}.log"));
    Place { path, mode: 0o640, owner: None, group: None }
}

fn archive(random: &mut Random) -> PathBuf {
    PathBuf::from(format!("/log/archive.{}", random.below(ARCHIVES)))
}

/// One random thing that moves, replaces or guards the file at `path`, and truncates none.
pub fn meddle(world: &mut World, path: &Path, random: &mut Random) {
    let content = random.pick(&CONTENTS);
    match random.below(12) {
        0..3 => world.rename(path, &archive(random)),
        3..6 => {
            world.rename(path, &archive(random));
            world.create(path, content);
        }
        6 => world.unlink(path),
        7 => {
            world.unlink(path);
            world.create(path, content);
        }
        8 => {
            // Back again, over what is there.
            let archive = archive(random);
            if world.inode_at(&archive).is_some() {
                world.rename(&archive, path);
            }
        }
        9 => world.set_locked(path, true),
        10 => world.set_locked(path, false),
        _ if random.percent(30) => world.make_other_kind(path, "a FIFO"),
        _ => {
            world.create(path, content);
        }
    }
}

/// Other faults from here on: none, of one kind, or of all kinds.
pub fn change_faults(world: &mut World, random: &mut Random) {
    world.faults = Faults::default();
    world.capacity = usize::MAX;
    let mut percent = || random.pick(&[0, 5, 30, 80]);
    world.faults = Faults {
        identity_at: percent(),
        open: percent(),
        append_error: percent(),
        short_append: percent(),
        truncated_before_error: percent() / 10,
        size: percent(),
        sync: percent(),
        close: percent(),
        archives: percent(),
        panic: 0,
    };
    match random.below(6) {
        0 => world.faults = Faults::default(),
        1 => world.faults = Faults { short_append: 90, append_error: 60, ..Faults::default() },
        2 => world.faults = Faults { open: 90, identity_at: 50, ..Faults::default() },
        3 => world.capacity = world.used() + random.below(300),
        _ => {}
    }
}

/// Somebody makes room for a while, or for good.
pub fn make_room(world: &mut World, random: &mut Random) {
    let (one, two) = (place(0).path, place(1).path);
    world.delete_all_but(&[&one, &two]);
    world.capacity = world.used() + random.pick(&[10, 100, 1000, usize::MAX / 2]);
}
