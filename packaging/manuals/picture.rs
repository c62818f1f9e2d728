//! The picture of the data path, written as SVG from `data-path.txt`, which says how.
//!
//! It brings its own background and both colour schemes, so it can be read wherever it is shown.

use std::fmt::Write;

/// The picture's text.
pub(crate) const TEXT: &str = include_str!("data-path.txt");

const LINE_HEIGHT: f64 = 14.0;

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.name, .title { font-weight: 600 }
.small { font-size: 11px; fill: #59636e }
.area { fill: #f6f8fa; stroke: #d1d9e0 }
.ground { fill: #ffffff }
.box { fill: #ffffff; stroke: #9198a1; stroke-width: 1.2 }
.outside { stroke-dasharray: 4 3 }
.step { stroke: #0969da }
.queue { fill: #ddf4ff; stroke: #0969da; stroke-width: 2 }
.file { fill: #dafbe1; stroke: #1a7f37 }
.control { stroke: #bf8700 }
.kept { fill: #fff8c5; stroke: #9a6700 }
.line { fill: none; stroke: #59636e; stroke-width: 1.6 }
.order { stroke-dasharray: 5 4; stroke-width: 1.2 }
.head { fill: #59636e }
.stop { fill: #cf222e; font-weight: 600; font-size: 11px }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .small { fill: #9198a1 }
  .area { fill: #151b23; stroke: #3d444d }
  .ground { fill: #0d1117 }
  .box { fill: #0d1117; stroke: #656c76 }
  .step { stroke: #4493f8 }
  .queue { fill: #121d2f; stroke: #4493f8 }
  .file { fill: #12261e; stroke: #3fb950 }
  .control { stroke: #d29922 }
  .kept { fill: #272115; stroke: #bb8009 }
  .line { stroke: #9198a1 }
  .head { fill: #9198a1 }
  .stop { fill: #ff7b72 }
}
";

/// The picture that `text` describes, or the line that is wrong.
pub(crate) fn picture(text: &str) -> Result<String, String> {
    let (mut size, mut body) = (None, String::new());
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || format!("packaging/manuals/data-path.txt:{}: {line}", index + 1);
        let shape = Shape::read(line).ok_or_else(wrong)?;
        match (shape.what, &shape.numbers[..]) {
            ("size", [width, height]) => size = Some((*width, *height)),
            _ => shape.draw(&mut body).ok_or_else(wrong)?,
        }
    }
    let (width, height) = size.ok_or("packaging/manuals/data-path.txt: no size")?;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>How a line travels through logagent</title>\n<style>\n{STYLE}</style>\n\
         <defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path class=\"head\" d=\"M0,0 L8,4 L0,8 z\"/>\
         </marker></defs>\n\
         <rect class=\"ground\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n{body}</svg>\n"
    ))
}

/// One line of the text.
struct Shape<'a> {
    what: &'a str,
    numbers: Vec<f64>,
    /// Where a note's text is held.
    anchor: &'a str,
    texts: Vec<&'a str>,
}

impl<'a> Shape<'a> {
    fn read(line: &'a str) -> Option<Shape<'a>> {
        let mut parts = line.split(" | ").map(str::trim);
        let mut words = parts.next()?.split_whitespace();
        let what = words.next()?;
        let (mut numbers, mut anchor) = (Vec::new(), "start");
        for word in words {
            match word.parse() {
                Ok(number) => numbers.push(number),
                Err(_) => anchor = word,
            }
        }
        Some(Shape { what, numbers, anchor, texts: parts.collect() })
    }

    fn draw(&self, body: &mut String) -> Option<()> {
        let texts = &self.texts[..];
        match (self.what, &self.numbers[..]) {
            ("title", [x, y]) => label(body, "title", *x, *y, "start", texts.first()?),
            ("note", [x, y]) => label(body, "small", *x, *y, self.anchor, texts.first()?),
            ("stop", [x, y]) => label(body, "stop", *x, *y, "middle", texts.first()?),
            ("area", place) => area(body, place, texts)?,
            ("arrow", points) => line(body, "line", points, texts)?,
            ("order", points) => line(body, "line order", points, texts)?,
            ("outside" | "step" | "queue" | "file" | "control" | "kept", place) => {
                self.boxed(body, place)?;
            }
            _ => return None,
        }
        Some(())
    }

    /// A box with its name and what else is to be said, in the middle.
    fn boxed(&self, body: &mut String, place: &[f64]) -> Option<()> {
        let [x, y, width, height] = place else { return None };
        rectangle(body, &format!("box {}", self.what), place)?;
        let lines = self.texts.len() as f64;
        let mut baseline = y + height / 2.0 - lines * LINE_HEIGHT / 2.0 + 11.0;
        for (index, text) in self.texts.iter().enumerate() {
            let class = if index == 0 { "name" } else { "small" };
            label(body, class, x + width / 2.0, baseline, "middle", text);
            baseline += LINE_HEIGHT;
        }
        Some(())
    }
}

fn area(body: &mut String, place: &[f64], texts: &[&str]) -> Option<()> {
    let [x, y, width, _] = place else { return None };
    rectangle(body, "area", place)?;
    label(body, "title", x + 14.0, y + 20.0, "start", texts.first()?);
    if let Some(about) = texts.get(1) {
        label(body, "small", x + width - 14.0, y + 20.0, "end", about);
    }
    Some(())
}

fn rectangle(body: &mut String, class: &str, place: &[f64]) -> Option<()> {
    let [x, y, width, height] = place else { return None };
    let rectangle = format!(
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>"
    );
    writeln!(body, "{rectangle}").ok()
}

/// A line through points with its head at the last, and perhaps a word at a place beside it.
fn line(body: &mut String, class: &str, points: &[f64], texts: &[&str]) -> Option<()> {
    let pairs: Vec<String> =
        points.chunks_exact(2).map(|at| format!("{},{}", at[0], at[1])).collect();
    let path = pairs.join(" L");
    writeln!(body, "<path class=\"{class}\" d=\"M{path}\" marker-end=\"url(#head)\"/>").ok()?;
    let Some(text) = texts.first() else { return Some(()) };
    // TEXT X Y ANCHOR
    let mut words = text.rsplitn(4, ' ');
    let (anchor, y, x) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    label(body, "small", x, y, anchor, words.next()?);
    Some(())
}

fn label(body: &mut String, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    *body += &format!(
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>\n"
    );
}
