//! What stands in the file is read back, every byte of it.

use logagent::formatting::Format;
use logagent::pipeline::{LineSettings, OverLong};
use proptest::prelude::*;

use crate::inputs::{
    bytes, cut, cuts, json, line_bytes_max, of_packets, of_stream, packets, run, run_packets,
};
use crate::model::{lines_of_packets, lines_of_stream, raw_line};
use crate::readers::{read_cri, read_json};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_of_a_stream_is_read_back(
        input in bytes(200),
        cuts in cuts(),
        records in of_stream(),
        format in json(),
        line_bytes_max in line_bytes_max(),
    ) {
        let Format::Json { fields } = &format else { unreachable!() };
        let fields = fields.clone();
        let settings = LineSettings { format, line_bytes_max, over_long: OverLong::Split };
        let outcome = run(records, &settings, &cut(&input, &cuts));
        let lines = read_json(outcome.block.bytes(), &fields, records.framing.heads);
        prop_assert_eq!(lines, lines_of_stream(records, &input).0);
    }

    #[test]
    fn json_of_packets_is_read_back(
        packets in packets(),
        records in of_packets(),
        format in json(),
        line_bytes_max in line_bytes_max(),
    ) {
        let Format::Json { fields } = &format else { unreachable!() };
        let fields = fields.clone();
        let settings = LineSettings { format, line_bytes_max, over_long: OverLong::Split };
        let outcome = run_packets(records, &settings, &[&packets]);
        let lines = read_json(outcome.block.bytes(), &fields, records.framing.heads);
        prop_assert_eq!(lines, lines_of_packets(records, &packets));
    }

    #[test]
    fn cri_of_a_stream_is_read_back(
        input in bytes(200),
        cuts in cuts(),
        records in of_stream(),
        line_bytes_max in line_bytes_max(),
    ) {
        let settings =
            LineSettings { format: Format::Cri, line_bytes_max, over_long: OverLong::Split };
        let outcome = run(records, &settings, &cut(&input, &cuts));
        let lines = lines_of_stream(records, &input).0;
        let lines: Vec<_> = lines.iter().map(|line| raw_line(records, line)).collect();
        prop_assert_eq!(read_cri(outcome.block.bytes()), lines);
    }

    #[test]
    fn cri_of_packets_is_read_back(
        packets in packets(),
        records in of_packets(),
        line_bytes_max in line_bytes_max(),
    ) {
        let settings =
            LineSettings { format: Format::Cri, line_bytes_max, over_long: OverLong::Split };
        let outcome = run_packets(records, &settings, &[&packets]);
        let lines = lines_of_packets(records, &packets);
        let lines: Vec<_> = lines.iter().map(|line| raw_line(records, line)).collect();
        prop_assert_eq!(read_cri(outcome.block.bytes()), lines);
    }
}
