//! A chart of times over report sizes as SVG, both axes by powers: written by hand, for any browser.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
/// Around the plot: for the labels of the axes, and at the right for the names of the lines.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 60.0;
/// Colours that the colour-blind can tell apart (Okabe and Ito).
const COLOURS: [&str; 6] = ["#000000", "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7"];
/// Beneath it a time is drawn at the edge: a nanosecond, in milliseconds.
const TIME_MIN_MS: f64 = 1e-6;
/// A value that passes a power by less than this share of a step does not begin another step: files have headers.
const SLACK: f64 = 0.02;
/// Between the names of two lines, so that both can be read.
const NAME_HEIGHT: f64 = 14.0;

/// A line: report sizes in bytes and times in milliseconds, ascending by size.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the line is of; plain text without markup.
    pub name: String,
    /// The points.
    pub points: Vec<(f64, f64)>,
}

/// An axis by powers of its base, from one whole power to another.
struct Axis {
    base: f64,
    low: f64,
    high: f64,
}

impl Axis {
    fn over(base: f64, values: impl Iterator<Item = f64> + Clone) -> Self {
        let power = |value: f64| value.max(TIME_MIN_MS).log(base);
        let low = values.clone().map(power).fold(f64::INFINITY, f64::min);
        let high = values.map(power).fold(f64::NEG_INFINITY, f64::max);
        if !low.is_finite() {
            return Self { base, low: 0.0, high: 1.0 };
        }
        let low = (low + SLACK).floor();
        Self { base, low, high: (high - SLACK).ceil().max(low + 1.0) }
    }

    /// The place of a value between the ends, 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let power = value.max(TIME_MIN_MS).log(self.base);
        ((power - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        let count = (self.high - self.low).round().max(0.0) as u32;
        (0..=count).map(|step| self.base.powf(self.low + f64::from(step)))
    }
}

/// The chart as the text of an SVG file.
pub fn svg(series: &[Series]) -> String {
    let points = series.iter().flat_map(|series| series.points.iter().copied());
    let sizes = Axis::over(4.0, points.clone().map(|(size, _)| size));
    let times = Axis::over(10.0, points.map(|(_, time)| time));
    let x = |size: f64| LEFT + sizes.place(size) * (WIDTH - LEFT - RIGHT);
    let y = |time: f64| HEIGHT - BOTTOM - times.place(time) * (HEIGHT - TOP - BOTTOM);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    grid(&mut text, (&sizes, &x), (&times, &y));
    lines(&mut text, series, &x, &y);
    text.push_str("</svg>\n");
    text
}

type Place<'a> = &'a dyn Fn(f64) -> f64;

// A string takes whatever is written to it: here and below the results of `writeln!` say nothing.
fn grid(text: &mut String, (sizes, x): (&Axis, Place<'_>), (times, y): (&Axis, Place<'_>)) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for size in sizes.ticks() {
        let (at, label) = (x(size), size_label(size));
        let _ = writeln!(text, "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#dddddd\"/>");
        let _ = writeln!(
            text,
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            bottom + 18.0
        );
    }
    for time in times.ticks() {
        let (at, label) = (y(time), time_label(time));
        let _ = writeln!(text, "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#dddddd\"/>");
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    let middle = (LEFT + right) / 2.0;
    let _ = writeln!(
        text,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">report size</text>",
        HEIGHT - 16.0
    );
    let _ = writeln!(text, "<text x=\"{LEFT}\" y=\"{}\">mean time of a block</text>", TOP - 12.0);
}

fn lines(text: &mut String, series: &[Series], x: Place<'_>, y: Place<'_>) {
    let mut taken: Vec<f64> = Vec::new();
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let mut path = String::new();
        for (place, (size, time)) in series.points.iter().enumerate() {
            let step = if place == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{step}{:.1} {:.1}", x(*size), y(*time));
        }
        let _ = writeln!(text, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let Some((size, time)) = series.points.last() else { continue };
        let mut at = y(*time) + 4.0;
        while taken.iter().any(|other| (other - at).abs() < NAME_HEIGHT) {
            at -= NAME_HEIGHT;
        }
        taken.push(at);
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{at:.1}\" fill=\"{colour}\">{}</text>",
            x(*size) + 8.0,
            series.name
        );
    }
}

fn size_label(bytes: f64) -> String {
    match bytes {
        1_048_576.0.. => format!("{} MiB", bytes / 1_048_576.0),
        1_024.0.. => format!("{} KiB", bytes / 1_024.0),
        _ => format!("{bytes} B"),
    }
}

fn time_label(ms: f64) -> String {
    let rounded = |value: f64| format!("{}", (value * 1_000.0).round() / 1_000.0);
    match ms {
        1_000.0.. => format!("{} s", rounded(ms / 1_000.0)),
        0.999.. => format!("{} ms", rounded(ms)),
        0.000_999.. => format!("{} µs", rounded(ms * 1_000.0)),
        _ => format!("{} ns", rounded(ms * 1_000_000.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, points: &[(f64, f64)]) -> Series {
        Series { name: name.to_owned(), points: points.to_vec() }
    }

    #[test]
    fn labels_have_units() {
        let sizes = [(64.0, "64 B"), (65_536.0, "64 KiB"), (16_777_216.0, "16 MiB")];
        for (bytes, label) in sizes {
            assert_eq!(size_label(bytes), label);
        }
        let times = [(1e-6, "1 ns"), (0.001, "1 µs"), (0.1, "100 µs"), (1.0, "1 ms"), (10_000.0, "10 s")];
        for (ms, label) in times {
            assert_eq!(time_label(ms), label);
        }
    }

    #[test]
    fn the_ends_of_an_axis_are_whole_powers_and_its_places_lie_between() {
        let axis = Axis::over(10.0, [0.02, 300.0].into_iter());
        assert_eq!((axis.low, axis.high), (-2.0, 3.0));
        assert_eq!(axis.ticks().count(), 6);
        for (value, place) in [(0.01, 0.0), (1_000.0, 1.0), (0.0, 0.0), (1e9, 1.0)] {
            assert!((axis.place(value) - place).abs() < 1e-9, "{value}");
        }
        let files = Axis::over(4.0, [65_865.0, 16_782_660.0].into_iter());
        assert_eq!((files.low, files.high), (8.0, 12.0), "a header begins no step");
        assert_eq!(Axis::over(10.0, [5.0].into_iter()).ticks().count(), 2, "one value has an axis too");
        assert_eq!(Axis::over(10.0, std::iter::empty()).ticks().count(), 2, "and none");
    }

    #[test]
    fn each_line_is_drawn_once_with_its_name_and_names_do_not_cover_each_other() {
        let text = svg(&[
            series("creation", &[(65_536.0, 1.0), (1_048_576.0, 10.0)]),
            series("mining", &[(65_536.0, 5.0), (1_048_576.0, 10.0)]),
        ]);
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{text}");
        assert_eq!(text.matches("stroke-width=\"2\"").count(), 2);
        let place = |name: &str| {
            let line = text.lines().find(|line| line.contains(&format!(">{name}<"))).expect(name);
            let at = line.split("y=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a place");
            at.parse::<f64>().expect("a number")
        };
        assert!((place("creation") - place("mining")).abs() >= NAME_HEIGHT, "{text}");
        assert_eq!(text.matches('<').count(), text.matches('>').count(), "every tag is closed");
    }
}
