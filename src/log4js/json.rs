//! Values as `%j` shows them, as JSON.stringify() does; `[Circular]` where one holds itself.

use super::flatted::{Field, Value, Values};
use super::number;
use crate::limits::EVENT_LEVELS_MAX;

/// What there is to be done.
enum Step<'v> {
    Show(Value<'v>),
    Push(&'static str),
    Name(&'v str),
    /// A value that was begun has come to its end.
    Leave,
}

/// `value`, in at most `bytes_max` bytes; none where they do not do, or where it goes too deep.
pub(super) fn shown<'v>(
    values: &'v Values<'_>,
    value: Value<'v>,
    bytes_max: usize,
) -> Option<String> {
    if matches!(value, Value::Undefined) {
        return Some("undefined".to_owned());
    }
    let mut out = String::new();
    let mut inside: Vec<usize> = Vec::new();
    let mut steps = vec![Step::Show(value)];
    while let Some(step) = steps.pop() {
        values.work(1)?;
        if out.len() > bytes_max {
            return None;
        }
        match step {
            Step::Push(text) => out.push_str(text),
            Step::Name(name) => push_quoted(values, name, bytes_max, &mut out)?,
            Step::Leave => drop(inside.pop()),
            Step::Show(value) => match value {
                Value::Undefined | Value::Null => out.push_str("null"),
                Value::Truth(truth) => out.push_str(if truth { "true" } else { "false" }),
                Value::Number(number) if !number.is_finite() => out.push_str("null"),
                Value::Number(-0.0) => out.push('0'),
                Value::Number(number) => out.push_str(&number::shown(number)),
                Value::Text(text) => push_quoted(values, text, bytes_max, &mut out)?,
                Value::Array(place, _) | Value::Object(place, _) if inside.contains(&place) => {
                    return Some("[Circular]".to_owned());
                }
                Value::Array(place, items) => {
                    begin(place, &mut inside)?;
                    steps.extend([Step::Leave, Step::Push("]")]);
                    for (index, item) in items.iter().enumerate().rev() {
                        steps.push(Step::Show(values.value(*item)));
                        if index > 0 {
                            steps.push(Step::Push(","));
                        }
                    }
                    steps.push(Step::Push("["));
                }
                Value::Object(place, fields) => {
                    begin(place, &mut inside)?;
                    steps.extend([Step::Leave, Step::Push("}")]);
                    values.work(fields.len())?;
                    let shown = shown_fields(values, fields);
                    for (index, (name, value)) in shown.into_iter().enumerate().rev() {
                        steps.extend([Step::Show(value), Step::Push(":"), Step::Name(name)]);
                        if index > 0 {
                            steps.push(Step::Push(","));
                        }
                    }
                    steps.push(Step::Push("{"));
                }
            },
        }
    }
    (out.len() <= bytes_max).then_some(out)
}

fn begin(place: usize, inside: &mut Vec<usize>) -> Option<()> {
    inside.push(place);
    (inside.len() <= EVENT_LEVELS_MAX).then_some(())
}

/// Fields that JSON has: of an error not what every error has.
fn shown_fields<'v>(values: &'v Values<'_>, fields: &'v [Field<'v>]) -> Vec<(&'v str, Value<'v>)> {
    let is_error = values.stack(fields).is_some();
    let is_shown = |name: &str| !is_error || !matches!(name, "message" | "stack");
    let fields = fields.iter().filter(|(name, _)| is_shown(name));
    let fields = fields.map(|(name, item)| (&**name, values.value(*item)));
    fields.filter(|(_, value)| !matches!(value, Value::Undefined)).collect()
}

fn push_quoted(values: &Values<'_>, text: &str, bytes_max: usize, out: &mut String) -> Option<()> {
    values.work(text.len())?;
    if out.len() + text.len() > bytes_max {
        return None;
    }
    out.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}
