//! What an agent that has ended left in memory: by another version, perhaps, or cut.

use std::sync::Arc;

use logagent::block::Block;
use logagent::clock;
use logagent::config::defaults;
use logagent::framing::{FRAMINGS, Position, Records};
use logagent::limits::LINE_BYTES_MAX_LIMIT;
use logagent::pipeline::{PartialMemory, Pipeline, Unfinished};
use logagent::store::{Entry, Handover, ledger};

/// A ledger.
pub fn ledger(bytes: &[u8]) {
    for found in ledger::read(bytes) {
        if let Entry::Connection { whose, .. } = &found.entry {
            assert!(!whose.stream.as_str().is_empty());
        }
        if let Some(position) = found.inside() {
            go_on(|pipeline, _| pipeline.go_on_in_lost(position));
            let again = Position::from_word(position.to_word());
            assert_eq!(again.part, position.part);
        }
    }
}

/// A handover.
pub fn handover(bytes: &[u8]) {
    let Some(handover) = Handover::read(bytes) else { return };
    let all: Vec<Unfinished> =
        handover.connections.values().chain(handover.fifos.values()).cloned().collect();
    assert!(all.iter().map(|unfinished| unfinished.bytes.len()).sum::<usize>() <= bytes.len());
    for unfinished in all {
        go_on(|pipeline, block| {
            let length = unfinished.bytes.len();
            pipeline.go_on(unfinished.clone(), clock::now, block);
            assert!(pipeline.partial_bytes() <= length);
        });
    }
    let mut written = Vec::new();
    handover.write(&mut written).unwrap();
    assert!(Handover::read(&written).is_some());
}

/// Whatever was left, each framing goes on with it, and every line that comes of it is one.
fn go_on(begin: impl Fn(&mut Pipeline, &mut Block)) {
    for framing in FRAMINGS {
        let memory = PartialMemory::new(LINE_BYTES_MAX_LIMIT);
        let settings = defaults::stream("/x".into()).lines;
        let (records, stream) = (Records::of(framing), "web".parse().unwrap());
        let mut pipeline = Pipeline::new(records, Arc::default(), &settings, &stream, &memory);
        let mut block = Block::default();
        begin(&mut pipeline, &mut block);
        pipeline.push(b"the rest\n12 and another\n\0last", clock::now, &mut block);
        pipeline.finish(clock::now, &mut block);
        assert!(block.is_empty() || block.bytes().ends_with(b"\n"));
    }
}
