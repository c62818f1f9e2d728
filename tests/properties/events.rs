//! Events of log4js, whatever they hold, however they are cut and whoever goes on with them.

use logagent::block::Block;
use logagent::framing::{Multiline, Records};
use logagent::pipeline::{LineSettings, OverLong, PartialMemory, Pipeline};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::inputs::{MEMORY, clock, cut, cuts, format, named, pipeline, raw, run};
use crate::model::{lines_of_stream, raw_line};

const HEAD: &str = "[{\"startTime\":\"1\",\"categoryName\":\"2\",\"data\":\"5\",\"level\":\"3\",\"pid\":7},\
                    \"2026-11-21T06:00:00.123Z\",\"web\",{\"levelStr\":\"4\"},\"INFO\"";

/// What stands in a value: a place, mostly one that is there.
fn item() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..14usize).prop_map(|place| format!("\"{place}\"")),
        1 => select(vec!["null", "true", "1", "-1.5e300", "[]", "\"x\""]).prop_map(str::to_owned),
    ]
}

/// A value at a place of its own: texts, arrays and objects that hold each other as it happens.
fn value() -> impl Strategy<Value = String> {
    let text = "[%sdifjoOc\\PC]{0,12}|__LOG4JS_(undefined|NaN)__|(a\n)*";
    let name = select(vec!["a", "message", "stack", "b-c", ""]);
    prop_oneof![
        2 => text.prop_map(|text| serde_json::to_string(&text).unwrap()),
        2 => vec(item(), 0..9).prop_map(|items| format!("[{}]", items.join(","))),
        2 => vec((name, item()), 0..5).prop_map(|fields| {
            let fields = fields.iter().map(|(name, item)| format!("\"{name}\":{item}"));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }),
    ]
}

fn event() -> impl Strategy<Value = String> {
    let data = vec(item(), 0..5).prop_map(|items| format!("[{}]", items.join(",")));
    (data, vec(value(), 0..9)).prop_map(|(data, values)| {
        format!("{HEAD},{data},{}]", values.join(",")).replace(",]", "]")
    })
}

/// Some events, other records, and perhaps the beginning of one at the end.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let record = prop_oneof![5 => event(), 1 => "[a_\n]{0,9}"];
    (vec(record, 0..5), any::<usize>()).prop_map(|(records, end)| {
        let mut input = records.join("__LOG4JS__").into_bytes();
        let end = input.len() - end % 20 * input.len() / 100;
        input.truncate(end);
        input
    })
}

fn records() -> impl Strategy<Value = Records> {
    let multiline = select(vec![Multiline::Lines, Multiline::Escape]);
    multiline.prop_map(|multiline| Records { multiline, ..named("log4js") })
}

/// Goes on in another pipeline with the rest of the input.
fn handed_over(records: Records, settings: &LineSettings, front: &[u8], back: &[u8]) -> Vec<u8> {
    let memory = PartialMemory::new(MEMORY);
    let (mut one, mut two): (Pipeline, Pipeline) =
        (pipeline(records, settings, &memory), pipeline(records, settings, &memory));
    let mut block = Block::default();
    one.push(front, clock, &mut block);
    two.go_on(one.unfinished(), clock, &mut block);
    assert_eq!(one.is_inside_record(), one.unfinished().is_inside_record());
    assert_eq!(one.position(), two.position());
    two.push(back, clock, &mut block);
    two.finish(clock, &mut block);
    block.bytes().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_text_of_every_event_stands_in_the_file(input in input(), records in records()) {
        let outcome = run(records, &raw(1 << 16, OverLong::Split), &[&input]);
        let lines = lines_of_stream(records, &input).0;
        let shown: Vec<u8> =
            lines.iter().flat_map(|line| [raw_line(records, line), b"\n".into()].concat()).collect();
        prop_assert_eq!(outcome.block.bytes(), shown);
        prop_assert_eq!(outcome.accepted.lines, lines.len() as u64);
        prop_assert_eq!(outcome.block.lines(), lines.len() as u64);
    }

    #[test]
    fn events_are_the_same_however_they_are_cut(
        input in input(),
        cuts in cuts(),
        records in records(),
        format in format(),
        line_bytes_max in 16..400usize,
        over_long in select(vec![OverLong::Split, OverLong::Truncate, OverLong::Drop]),
    ) {
        let settings = LineSettings { format, line_bytes_max, over_long };
        let whole = run(records, &settings, &[&input]);
        prop_assert_eq!(&run(records, &settings, &cut(&input, &cuts)), &whole);
        let single: Vec<&[u8]> = input.chunks(1).collect();
        prop_assert_eq!(&run(records, &settings, &single), &whole);
    }

    #[test]
    fn whoever_goes_on_with_half_an_event_writes_all_of_it(
        input in input(),
        records in records(),
        format in format(),
        places in vec(any::<usize>(), 20),
    ) {
        let settings = LineSettings { format, ..raw(1 << 16, OverLong::Split) };
        let whole = run(records, &settings, &[&input]);
        for at in places.iter().map(|place| place % (input.len() + 1)) {
            let (front, back) = input.split_at(at);
            let written = handed_over(records, &settings, front, back);
            prop_assert_eq!(&written, whole.block.bytes(), "at {}", at);
        }
    }

    #[test]
    fn events_fit_the_room_that_was_asked_for_them(
        input in input(),
        cuts in cuts(),
        records in records(),
        format in format(),
        line_bytes_max in 16..1000usize,
    ) {
        let settings = LineSettings { format, ..raw(line_bytes_max, OverLong::Split) };
        let memory = PartialMemory::new(MEMORY);
        let mut pipeline = pipeline(records, &settings, &memory);
        for piece in cut(&input, &cuts).iter().chain([&b"__LOG4JS___".to_vec()]) {
            let most = pipeline.expansion().bytes_max(pipeline.partial_bytes(), piece.len());
            let mut block = Block::default();
            pipeline.push(piece, clock, &mut block);
            prop_assert!(block.len() <= most, "{} bytes instead of {}", block.len(), most);
        }
        let most = pipeline.expansion().bytes_max(pipeline.partial_bytes(), 0);
        let mut block = Block::default();
        pipeline.finish(clock, &mut block);
        prop_assert!(block.len() <= most, "{} bytes at the end, not {}", block.len(), most);
    }
}

#[test]
fn behind_half_an_event_that_a_crash_took_the_next_one_is_whole() {
    let (records, settings) = (named("log4js"), raw(1 << 16, OverLong::Split));
    let event = format!("{HEAD},[\"6\"],\"text\"]");
    let input = format!("{event}__LOG4JS__{event}__LOG4JS__");
    let shown = b"[2026-11-21T06:00:00.123Z] [INFO] web - text\n";
    for at in 1..event.len() + 10 {
        let memory = PartialMemory::new(MEMORY);
        let mut before = pipeline(records, &settings, &memory);
        let mut block = Block::default();
        before.push(&input.as_bytes()[..at], clock, &mut block);
        assert!(before.is_inside_record() && block.is_empty(), "at {at}");
        let mut after = pipeline(records, &settings, &memory);
        after.go_on_in_lost(before.position());
        let accepted = after.push(&input.as_bytes()[at..], clock, &mut block);
        assert_eq!((accepted.lines, accepted.lines_crashed), (1, 1), "at {at}");
        let end = block.len() - shown.len();
        assert_eq!(&block.bytes()[end..], shown, "at {at}");
        assert!(block.bytes()[..end].starts_with(b"logagent: gap: "));
    }
}
