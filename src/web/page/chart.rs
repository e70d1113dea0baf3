//! Charts over time, as SVG: typed steps in, text out. Pure.
//!
//! A chart stacks its series over the time and has, on the same axis, the band of the time listened. What was not listened
//! to is never drawn as zero: a gap is dashed and empty, a deaf time is hatched, lost frames have a mark.

mod axis;

use super::text;
use crate::UnixNanos;
use axis::{time_ticks, value_ticks};
use std::fmt::Write as _;

/// One step of the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Its start.
    pub start: UnixNanos,
    /// Its end, exclusive.
    pub end: UnixNanos,
    /// A value for each series; empty where nothing came.
    pub values: Vec<f64>,
    /// The part of it that was listened to, 0 to 1; absent where nobody knows, as with capture files.
    pub listened: Option<f64>,
    /// How it was.
    pub kind: Kind,
    /// Frames were lost: by the kernel, or with windows that are declared lost.
    pub has_lost: bool,
}

/// How a step was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Windows came, of a radio that heard something.
    #[default]
    Heard,
    /// Windows came, of a radio that was off or heard nothing: nobody can tell whether there was anything.
    Deaf,
    /// No window came.
    Missing,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// Unique on its page.
    pub id: &'a str,
    /// What it shows, in a line.
    pub title: &'a str,
    /// The same in a few sentences, for those who cannot see it.
    pub description: &'a str,
    /// What the values are: `frames a second`.
    pub unit: &'a str,
    /// How many values a step has; they are stacked, the first at the bottom.
    pub series: usize,
    /// They are not stacked: three values are the least, the likely one and the most.
    pub is_interval: bool,
    /// The time shown.
    pub from: UnixNanos,
    /// Its end.
    pub to: UnixNanos,
    /// The steps, ascending.
    pub steps: &'a [Step],
}

/// Where things are, in units of the drawing.
struct Frame {
    width: f64,
    left: f64,
    right: f64,
    top: f64,
    /// Where the stack stands.
    floor: f64,
    band: f64,
    band_end: f64,
    height: f64,
    ticks: usize,
}

impl Frame {
    /// For screens of a computer, and for phones: a drawing that is scaled down has letters that nobody can read.
    const fn new(is_wide: bool) -> Self {
        let (width, height, ticks) = if is_wide { (960.0, 290.0, 9) } else { (360.0, 270.0, 4) };
        let (left, right, top) = (52.0, width - 8.0, 30.0);
        Self {
            width,
            left,
            right,
            top,
            floor: height - 66.0,
            band: height - 50.0,
            band_end: height - 34.0,
            height,
            ticks,
        }
    }
}

impl Chart<'_> {
    /// The drawing for wide screens and that for narrow ones; a style sheet shows one of them.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut out = String::with_capacity(16 << 10);
        for is_wide in [true, false] {
            // Writing to a String cannot fail.
            let _ = self.draw(&mut out, &Frame::new(is_wide), if is_wide { "wide" } else { "narrow" });
        }
        out
    }

    fn draw(&self, out: &mut String, frame: &Frame, class: &str) -> std::fmt::Result {
        let (id, width, height) = (self.id, frame.width, frame.height);
        writeln!(
            out,
            "<svg class=\"chart {class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-{class}-t {id}-{class}-d\" data-left=\"{}\" data-right=\"{}\" \
             data-top=\"{}\" data-bottom=\"{}\" data-from=\"{}\" data-to=\"{}\">",
            frame.left,
            frame.right,
            frame.top,
            frame.band_end,
            millis(self.from),
            millis(self.to),
        )?;
        writeln!(out, "<title id=\"{id}-{class}-t\">{}</title>", escaped(self.title))?;
        writeln!(out, "<desc id=\"{id}-{class}-d\">{}</desc>", escaped(self.description))?;
        writeln!(
            out,
            "<defs><pattern id=\"{id}-{class}-h\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect class=\"deaf-back\" width=\"7\" height=\"7\"/>\
             <rect class=\"deaf-line\" width=\"2\" height=\"7\"/></pattern></defs>"
        )?;
        let top = |step: &Step| if self.is_interval { step.highest() } else { step.sum() };
        let highest = self.steps.iter().map(top).fold(0.0, f64::max);
        let (ticks, top_value) = value_ticks(highest);
        for value in ticks {
            let y = round(frame.floor - value / top_value * (frame.floor - frame.top));
            writeln!(out, "<path class=\"grid\" d=\"M{} {y}H{}\"/>", frame.left, frame.right)?;
            writeln!(
                out,
                "<text class=\"y\" x=\"{}\" y=\"{}\">{}</text>",
                frame.left - 6.0,
                y + 4.0,
                axis::label(value)
            )?;
        }
        writeln!(out, "<text class=\"unit\" x=\"{}\" y=\"12\">{}</text>", frame.left, escaped(self.unit))?;
        self.regions(out, frame, class)?;
        if self.is_interval {
            self.interval(out, frame, top_value)?;
        } else {
            for series in 0..self.series {
                self.stack(out, frame, series, top_value)?;
            }
        }
        self.marks(out, frame)?;
        self.band(out, frame)?;
        for (time, label, form) in time_ticks(self.from, self.to, frame.ticks) {
            let x = self.x(frame, time);
            writeln!(out, "<path class=\"tick\" d=\"M{x} {}v5\"/>", frame.band_end)?;
            writeln!(
                out,
                "<text class=\"x\" x=\"{x}\" y=\"{}\" data-time=\"{}\" data-form=\"{form}\">{label}</text>",
                frame.band_end + 19.0,
                millis(time)
            )?;
        }
        writeln!(out, "<path class=\"cross\" d=\"\"/>\n</svg>")
    }

    fn x(&self, frame: &Frame, time: UnixNanos) -> f64 {
        let length = seconds(self.from, self.to).max(1e-9);
        let share = (seconds(self.from, time) / length).clamp(0.0, 1.0);
        round(frame.left + share * (frame.right - frame.left))
    }

    /// Gaps and deaf times, neighbours as one.
    fn regions(&self, out: &mut String, frame: &Frame, class: &str) -> std::fmt::Result {
        let mut at = 0;
        while let Some(first) = self.steps.get(at) {
            let run = self.steps.iter().skip(at).take_while(|step| step.kind == first.kind).count();
            let last = self.steps.get(at + run - 1).unwrap_or(first);
            at += run;
            let (x, end) = (self.x(frame, first.start), self.x(frame, last.end));
            let (y, width, height) = (frame.top, round(end - x).max(1.0), round(frame.floor - frame.top));
            match first.kind {
                Kind::Heard => {}
                Kind::Deaf => writeln!(
                    out,
                    "<rect class=\"deaf\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
                     fill=\"url(#{}-{class}-h)\"/>",
                    self.id
                )?,
                Kind::Missing => {
                    writeln!(out, "<rect class=\"gap\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>")?
                }
            }
        }
        Ok(())
    }

    /// One series, as one path.
    fn stack(&self, out: &mut String, frame: &Frame, series: usize, top_value: f64) -> std::fmt::Result {
        let scale = (frame.floor - frame.top) / top_value;
        let mut path = String::new();
        for step in self.steps.iter().filter(|step| step.kind == Kind::Heard) {
            let value = step.values.get(series).copied().unwrap_or(0.0);
            if value <= 0.0 {
                continue;
            }
            let below: f64 = step.values.iter().take(series).sum();
            let (x, end) = self.bar(frame, step);
            // What is there is seen, however little it is.
            let height = round(value * scale).max(0.5);
            let y = round(frame.floor - below * scale - height);
            write!(path, "M{x} {y}h{}v{height}h-{0}z", round(end - x))?;
        }
        if path.is_empty() { Ok(()) } else { writeln!(out, "<path class=\"s{}\" d=\"{path}\"/>", series + 1) }
    }

    /// A band from the least to the most, and a line; both end where nothing is known.
    fn interval(&self, out: &mut String, frame: &Frame, top_value: f64) -> std::fmt::Result {
        let scale = (frame.floor - frame.top) / top_value;
        let (mut between, mut line) = (String::new(), String::new());
        let mut before = None;
        for step in self.steps.iter().filter(|step| step.kind == Kind::Heard) {
            let &[low, likely, high] = step.values.as_slice() else { continue };
            let y = |value: f64| round(frame.floor - value * scale);
            let (x, end) = (self.x(frame, step.start), self.x(frame, step.end));
            write!(between, "M{x} {}H{end}V{}H{x}z", y(high), y(low))?;
            let goes_on = before == Some(step.start);
            if goes_on {
                write!(line, "V{}H{end}", y(likely))?
            } else {
                write!(line, "M{x} {}H{end}", y(likely))?
            }
            before = Some(step.end);
        }
        if line.is_empty() {
            return Ok(());
        }
        writeln!(out, "<path class=\"between\" d=\"{between}\"/>\n<path class=\"estimate\" d=\"{line}\"/>")
    }

    /// The left and right edge of a step's bar.
    fn bar(&self, frame: &Frame, step: &Step) -> (f64, f64) {
        let (x, end) = (self.x(frame, step.start), self.x(frame, step.end));
        let blank = if end - x > 4.0 { 1.0 } else { 0.0 };
        (x, round((end - blank).max(x + 0.5)))
    }

    /// A mark over each step that lost frames.
    fn marks(&self, out: &mut String, frame: &Frame) -> std::fmt::Result {
        let mut path = String::new();
        for step in self.steps.iter().filter(|step| step.has_lost) {
            let (x, end) = self.bar(frame, step);
            write!(path, "M{} {}l-4 -7h8z", round((x + end) / 2.0), frame.top)?;
        }
        if path.is_empty() { Ok(()) } else { writeln!(out, "<path class=\"lost\" d=\"{path}\"/>") }
    }

    /// How much of each step was listened to; dotted where nobody knows.
    fn band(&self, out: &mut String, frame: &Frame) -> std::fmt::Result {
        let height = frame.band_end - frame.band;
        let width = round(frame.right - frame.left);
        writeln!(
            out,
            "<rect class=\"band\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\"/>",
            frame.left, frame.band
        )?;
        let (mut heard, mut unknown) = (String::new(), String::new());
        for step in self.steps.iter().filter(|step| step.kind != Kind::Missing) {
            let (x, end) = (self.x(frame, step.start), self.x(frame, step.end));
            let wide = round((end - x).max(0.5));
            match step.listened {
                None => write!(unknown, "M{x} {}h{wide}", round(frame.band + height / 2.0))?,
                Some(share) if share > 0.0 => {
                    let tall = round(share.min(1.0) * height).max(0.5);
                    write!(heard, "M{x} {}h{wide}v{tall}h-{wide}z", round(frame.band_end - tall))?;
                }
                Some(_) => {}
            }
        }
        if !heard.is_empty() {
            writeln!(out, "<path class=\"heard\" d=\"{heard}\"/>")?;
        }
        if !unknown.is_empty() {
            writeln!(out, "<path class=\"unknown\" d=\"{unknown}\"/>")?;
        }
        Ok(())
    }
}

impl Step {
    fn sum(&self) -> f64 {
        if self.kind == Kind::Heard { self.values.iter().sum() } else { 0.0 }
    }

    fn highest(&self) -> f64 {
        if self.kind == Kind::Heard { self.values.iter().copied().fold(0.0, f64::max) } else { 0.0 }
    }
}

fn seconds(from: UnixNanos, to: UnixNanos) -> f64 {
    let nanos = to.0.saturating_sub(from.0);
    text::real(nanos.unsigned_abs()) / 1e9 * if nanos < 0 { -1.0 } else { 1.0 }
}

fn millis(time: UnixNanos) -> i64 {
    time.0.div_euclid(1_000_000)
}

/// To a tenth: more digits are octets that nobody sees.
fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Text as SVG may hold it between tags and in attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
#[path = "chart_tests.rs"]
mod tests;
