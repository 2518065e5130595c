//! Plots as geometry: where bars, whiskers, lines and texts lie. The page's template draws them.

use serde::Serialize;

const WIDTH: f64 = 900.0;
/// Where the bars begin and end; labels stand before, values after.
const LEFT: f64 = 350.0;
const RIGHT: f64 = 720.0;
const ROW: f64 = 28.0;
const THICK: f64 = 16.0;

/// A value to be drawn as a horizontal bar. The class says which colour.
#[derive(Debug, Clone)]
pub struct Bar {
    pub label: String,
    pub value: f64,
    /// The ends of its whisker.
    pub range: Option<(f64, f64)>,
    pub text: String,
    pub class: &'static str,
}

/// A whole to be drawn as a bar of parts, by class.
#[derive(Debug, Clone)]
pub struct Stack {
    pub label: String,
    pub parts: Vec<(&'static str, f64)>,
    pub text: String,
}

/// Horizontal bars, each in a row.
#[derive(Debug, Serialize)]
pub struct Bars {
    title: String,
    width: f64,
    height: f64,
    rows: Vec<Row>,
    /// Where a line marks the whole.
    mark: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Row {
    label: String,
    text: String,
    /// Of the row's middle.
    y: f64,
    label_x: f64,
    text_x: f64,
    parts: Vec<Part>,
    whisker: Option<(f64, f64)>,
}

#[derive(Debug, Serialize)]
struct Part {
    class: &'static str,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

fn row(index: usize, label: &str, text: &str, text_after: f64) -> Row {
    let y = ROW * index as f64 + ROW / 2.0 + 4.0;
    Row {
        label: label.to_string(),
        text: text.to_string(),
        y,
        label_x: LEFT - 10.0,
        text_x: rounded(text_after + 8.0),
        parts: Vec::new(),
        whisker: None,
    }
}

fn part(class: &'static str, row: &Row, from: f64, to: f64) -> Part {
    Part { class, x: rounded(from), y: row.y - THICK / 2.0, width: rounded((to - from).max(0.0)), height: THICK }
}

fn height(rows: usize) -> f64 {
    ROW * rows as f64 + 8.0
}

impl Bars {
    /// Bars from zero to the largest value, or to `full`, which is marked then.
    pub fn of_values(title: &str, bars: &[Bar], full: Option<f64>) -> Bars {
        let ends = bars.iter().flat_map(|bar| [bar.value, bar.range.map_or(0.0, |(_, high)| high)]);
        let most = ends.chain(full).filter(|value| value.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
        let x = |value: f64| LEFT + (RIGHT - LEFT) * (value.max(0.0) / most).clamp(0.0, 1.0);
        let draw = |(index, bar): (usize, &Bar)| {
            let end = bar.range.map_or(bar.value, |(_, high)| high.max(bar.value));
            let mut row = row(index, &bar.label, &bar.text, x(end));
            row.parts.push(part(bar.class, &row, LEFT, x(bar.value)));
            row.whisker = bar.range.map(|(low, high)| (rounded(x(low)), rounded(x(high))));
            row
        };
        Bars {
            title: title.to_string(),
            width: WIDTH,
            height: height(bars.len()),
            rows: bars.iter().enumerate().map(draw).collect(),
            mark: full.map(|full| rounded(x(full))),
        }
    }

    /// Bars of parts, each scaled to its own whole.
    pub fn of_parts(title: &str, stacks: &[Stack]) -> Bars {
        let draw = |(index, stack): (usize, &Stack)| {
            let mut row = row(index, &stack.label, &stack.text, RIGHT);
            let whole: f64 = stack.parts.iter().map(|(_, value)| value).sum::<f64>().max(f64::MIN_POSITIVE);
            let mut at = LEFT;
            for (class, value) in &stack.parts {
                let to = at + (RIGHT - LEFT) * value / whole;
                row.parts.push(part(class, &row, at, to));
                at = to;
            }
            row
        };
        let rows = stacks.iter().enumerate().map(draw).collect();
        Bars { title: title.to_string(), width: WIDTH, height: height(stacks.len()), rows, mark: None }
    }
}

/// A line through points.
#[derive(Debug, Clone)]
pub struct Line {
    pub label: String,
    pub class: &'static str,
    pub points: Vec<(f64, f64)>,
}

/// Lines over a common axis, both axes from zero.
#[derive(Debug, Serialize)]
pub struct Lines {
    title: String,
    x_title: String,
    lines: Vec<Path>,
    ticks: Vec<Tick>,
}

#[derive(Debug, Serialize)]
struct Path {
    class: &'static str,
    path: String,
    points: Vec<Point>,
}

#[derive(Debug, Serialize)]
struct Point {
    x: f64,
    y: f64,
    text: String,
}

/// The same share of both axes.
#[derive(Debug, Serialize)]
struct Tick {
    x: f64,
    y: f64,
    x_text: String,
    y_text: String,
}

/// The corners of the field in which lines are drawn, in a box of 440 by 260.
const FIELD: (f64, f64, f64, f64) = (52.0, 12.0, 428.0, 220.0);

impl Lines {
    pub fn new(title: &str, x_title: &str, y_unit: &str, lines: &[Line]) -> Lines {
        let (left, top, right, bottom) = FIELD;
        let points = || lines.iter().flat_map(|line| &line.points);
        let most = |value: fn(&(f64, f64)) -> f64| round_end(points().map(value).fold(0.0, f64::max));
        let (most_x, most_y) = (most(|point| point.0), most(|point| point.1));
        let x = |value: f64| rounded(left + (right - left) * value / most_x);
        let y = |value: f64| rounded(bottom - (bottom - top) * value / most_y);
        let draw = |line: &Line| {
            let text = |at: &(f64, f64)| format!("{}: {:.3} {y_unit} at {:.2} {x_title}", line.label, at.1, at.0);
            let points: Vec<Point> =
                line.points.iter().map(|at| Point { x: x(at.0), y: y(at.1), text: text(at) }).collect();
            let steps = points.iter().enumerate();
            let path = steps.map(|(i, p)| format!("{}{} {}", if i == 0 { "M" } else { "L" }, p.x, p.y)).collect();
            Path { class: line.class, path, points }
        };
        let tick = |share: f64| Tick {
            x: x(share * most_x),
            y: y(share * most_y),
            x_text: short(share * most_x),
            y_text: short(share * most_y),
        };
        Lines {
            title: title.to_string(),
            x_title: x_title.to_string(),
            lines: lines.iter().map(draw).collect(),
            ticks: [0.0, 0.25, 0.5, 0.75, 1.0].map(tick).into(),
        }
    }
}

/// The next round number: the end of an axis.
fn round_end(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|end| *end >= value).unwrap_or(10.0 * power)
}

fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A coordinate, without digits that nobody sees.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, expected) in [(0.0, 1.0), (0.03, 0.04), (1.0, 1.0), (1.01, 2.0), (47.0, 50.0), (7e3, 1e4)] {
            assert!((round_end(value) / expected - 1.0).abs() < 1e-9, "{value}: {}", round_end(value));
        }
    }

    #[test]
    fn parts_fill_the_whole() {
        let stack = Stack { label: String::new(), parts: vec![("a", 1.0), ("b", 3.0)], text: String::new() };
        let drawn = Bars::of_parts("", &[stack]);
        let widths: Vec<f64> = drawn.rows[0].parts.iter().map(|part| part.width).collect();
        assert_eq!(widths, [(RIGHT - LEFT) / 4.0, (RIGHT - LEFT) * 0.75].map(rounded));
    }

    #[test]
    fn bars_end_where_the_largest_value_does() {
        let bar = |value| Bar { label: String::new(), value, range: None, text: String::new(), class: "c" };
        let width = |drawn: &Bars, row: usize| drawn.rows[row].parts[0].width;
        let drawn = Bars::of_values("", &[bar(1.0), bar(0.0), bar(f64::NAN), bar(4.0)], None);
        assert_eq!([0, 1, 3].map(|row| width(&drawn, row)), [92.5, 0.0, 370.0]);
        assert_eq!(width(&Bars::of_values("", &[bar(50.0)], Some(100.0)), 0), 185.0);
    }
}
