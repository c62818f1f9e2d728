//! The figures as a Markdown document.

use crate::machine::Machine;
use crate::series::Series;
use crate::table;

pub(crate) fn document(machine: &Machine, pairs: usize, all: &[Series]) -> String {
    let header = table::header(machine, pairs).replace('\n', "  \n");
    let tables = all.iter().map(table);
    let versions = table::versions(all).replace("\nversions\n", "\n## Versions\n\n");
    let versions = versions.replace("\n  ", "\n- ");
    format!("# Comparison\n\n{header}{}{versions}", tables.collect::<String>())
}

fn table(series: &Series) -> String {
    let mut text = format!("\n## {}\n\n", table::title(series));
    for (index, row) in table::rows(series).iter().enumerate() {
        text += &format!("| {} |\n", row.join(" | "));
        if index == 0 {
            text += &format!("|---|{}\n", "---:|".repeat(row.len() - 1));
        }
    }
    for remark in series.rows.iter().map(table::remarks).filter(|remark| !remark.is_empty()) {
        text += &format!("\n{}\n", remark.trim());
    }
    text
}
