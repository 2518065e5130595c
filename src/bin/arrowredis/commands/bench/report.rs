//! The report: one self-contained page with plots, readable in light and dark.

use arrowredis::{Error, MB};
use minijinja::{Environment, context};
use serde::Serialize;

use super::plot::{Bar, Bars, Line, Lines, Stack};
use super::results::{Figure, SizeResult, name};
use super::stages::Stage;
use crate::failure::Failure;
use crate::output::{count, megabytes};

const TEMPLATE: &str = include_str!("report.html");
const STYLE: &str = include_str!("report.css");

/// The whole page.
pub fn page(results: &[SizeResult], place: &str, facts: &[(&'static str, String)]) -> Result<String, Failure> {
    let measured: Vec<&SizeResult> = results.iter().filter(|result| !result.figures.is_empty()).collect();
    let failures: Vec<_> = results.iter().filter_map(|r| Some((r.size.name, r.failure.as_ref()?))).collect();
    let page = context! {
        style => STYLE,
        facts => facts,
        cards => measured.last().map(|largest| cards(largest, place)).unwrap_or_default(),
        places => places(&measured, place),
        throughput => measured.iter().map(|result| throughput(result)).collect::<Vec<_>>(),
        limits => limits(&measured, place),
        time => time(&measured, place),
        scaling => scaling(&measured, place),
        scaling_keys => scaled(&measured, place).iter().map(|(stage, _, class)| (*class, stage.title())).collect::<Vec<_>>(),
        memory => memory(&measured),
        rows => rows(&measured),
        failures => failures,
    };
    let mut environment = Environment::new();
    let failed = |e: minijinja::Error| Failure::Failed(Error::internal(format!("the report's template: {e}")));
    environment.add_template("report.html", TEMPLATE).map_err(failed)?;
    environment.get_template("report.html").and_then(|template| template.render(page)).map_err(failed)
}

#[derive(Serialize)]
struct Card {
    title: String,
    value: String,
    unit: &'static str,
    note: String,
}

/// The figures that a reader came for.
fn cards(result: &SizeResult, place: &str) -> Vec<Card> {
    let shown =
        [(Stage::Split, place), (Stage::Read, place), (Stage::ReadColumns, place), (Stage::Local, ""), (Stage::S3, "")];
    let card = |(stage, place): (Stage, &str)| {
        let figure = result.figure(stage, place)?;
        let (value, unit, _) = rate(figure);
        Some(Card {
            title: name(figure),
            value: format!("{value:.0}"),
            unit,
            note: format!("{:.3} s", figure.seconds().median),
        })
    };
    let dataset = Card {
        title: "dataset".to_string(),
        value: result.size.name.to_string(),
        unit: "",
        note: format!("{} rows, {}", count(result.size.rows()), megabytes(result.file_bytes)),
    };
    shown.into_iter().filter_map(card).chain([dataset]).collect()
}

/// A copy decodes nothing: what counts then is what was moved.
fn rate(figure: &Figure) -> (f64, &'static str, &'static str) {
    match figure.decoded_mb_per_second() {
        0.0 => (figure.payload_mb_per_second(), "MB/s", "moved"),
        decoded => (decoded, "Arrow MB/s", "decoded"),
    }
}

fn throughput(result: &SizeResult) -> Bars {
    let bar = |figure: &Figure| {
        let seconds = figure.seconds();
        let (value, unit, class) = rate(figure);
        let at = |other: f64| if other > 0.0 { value * seconds.median / other } else { value };
        let range = Some((at(seconds.high), at(seconds.low)));
        Bar { label: name(figure), value, range, text: format!("{value:.0} {unit}"), class }
    };
    Bars::of_values(result.size.name, &result.figures.iter().map(bar).collect::<Vec<_>>(), None)
}

/// The same reads of the local file, of the store and of S3.
fn places(results: &[&SizeResult], place: &str) -> Vec<Bars> {
    let reads = |result: &&SizeResult| {
        let shown = [
            (Stage::Local, ""),
            (Stage::Read, place),
            (Stage::S3, ""),
            (Stage::LocalColumns, ""),
            (Stage::ReadColumns, place),
            (Stage::S3Columns, ""),
        ];
        let bar = |(stage, place): (Stage, &str)| {
            let figure = result.figure(stage, place)?;
            let spread = figure.seconds();
            let class = match stage {
                Stage::Local | Stage::LocalColumns => "fetch",
                Stage::S3 | Stage::S3Columns => "both",
                _ => "decoded",
            };
            let (value, range) = (spread.median, Some((spread.low, spread.high)));
            Some(Bar { label: name(figure), value, range, text: format!("{value:.3} s"), class })
        };
        Bars::of_values(result.size.name, &shown.into_iter().filter_map(bar).collect::<Vec<_>>(), None)
    };
    results.iter().map(reads).collect()
}

fn limits(results: &[&SizeResult], place: &str) -> Option<Bars> {
    let bars = |result: &SizeResult, what: &str, wire: f64, model: f64, read: f64| {
        [("wire", wire, "moved"), ("model", model, "decoded")].map(|(label, seconds, class)| Bar {
            label: format!("{} · {what}{label}", result.size.name),
            value: 100.0 * seconds / read,
            range: None,
            text: format!("{:.0} %: {seconds:.3} s of {read:.3} s", 100.0 * seconds / read),
            class,
        })
    };
    let of_store = |result: &SizeResult| {
        let (limits, read) = (result.limits.as_ref()?, result.seconds(Stage::Read, place)?);
        Some(bars(result, "", limits.wire_seconds.median, limits.model_seconds(), read))
    };
    let of_s3 = |result: &SizeResult| {
        let (limits, read) = (result.s3_limits.as_ref()?.as_ref().ok()?, result.seconds(Stage::S3, "")?);
        Some(bars(result, "S3, ", limits.wire_seconds.median, limits.model_seconds(), read))
    };
    let found: Vec<Bar> =
        results.iter().flat_map(|result| [of_store(result), of_s3(result)]).flatten().flatten().collect();
    (!found.is_empty()).then(|| Bars::of_values("", &found, Some(100.0)))
}

fn time(results: &[&SizeResult], place: &str) -> Bars {
    let stack = |result: &SizeResult, figure: &Figure| {
        let total = figure.seconds().median;
        let (fetch, decode) = figure.shares();
        let both = (fetch + decode - total).clamp(0.0, fetch.min(decode));
        let (fetch, decode) = (fetch - both, decode - both);
        let other = (total - fetch - decode - both).max(0.0);
        Stack {
            label: format!("{} · {}", result.size.name, figure.stage.title()),
            parts: vec![("fetch", fetch), ("both", both), ("decode", decode), ("other", other)],
            text: format!("{total:.3} s"),
        }
    };
    let shown = |figure: &&Figure| figure.place == place || figure.place.is_empty();
    let of = |result: &&SizeResult| {
        result.figures.iter().filter(shown).map(|figure| stack(result, figure)).collect::<Vec<_>>()
    };
    Bars::of_parts("", &results.iter().flat_map(of).collect::<Vec<_>>())
}

/// The stages whose scaling is shown, with their colours.
fn scaled<'a>(results: &[&SizeResult], place: &'a str) -> Vec<(Stage, &'a str, &'static str)> {
    let mut stages = vec![
        (Stage::Generate, "", "other"),
        (Stage::Split, place, "moved"),
        (Stage::Read, place, "decoded"),
        (Stage::Local, "", "fetch"),
        (Stage::S3, "", "both"),
    ];
    stages.retain(|(stage, place, _)| *stage != Stage::S3 || results.iter().any(|r| r.figure(*stage, place).is_some()));
    stages
}

fn scaling(results: &[&SizeResult], place: &str) -> [Lines; 2] {
    let gigabytes = |result: &SizeResult| {
        let read = result.figure(Stage::Read, place)?.runs.last()?.metrics.decoded_bytes;
        Some(read as f64 / MB / 1024.0).filter(|gigabytes| *gigabytes > 0.0)
    };
    let point = |result: &SizeResult, stage, place: &str, value: fn(&Figure, f64) -> f64| {
        let gigabytes = gigabytes(result)?;
        Some((gigabytes, value(result.figure(stage, place)?, gigabytes)))
    };
    let plot = |title: &str, unit: &str, value: fn(&Figure, f64) -> f64| {
        let line = |(stage, place, class): &(Stage, &str, &'static str)| Line {
            label: stage.title().to_string(),
            class,
            points: results.iter().filter_map(|result| point(result, *stage, place, value)).collect(),
        };
        Lines::new(title, "GB of Arrow data", unit, &scaled(results, place).iter().map(line).collect::<Vec<_>>())
    };
    [
        plot("Seconds", "s", |figure, _| figure.seconds().median),
        plot("Processor seconds for each GB", "s/GB", |figure, gigabytes| figure.cpu_seconds() / gigabytes),
    ]
}

fn memory(results: &[&SizeResult]) -> Option<Bars> {
    let bar = |result: &SizeResult, figure: &Figure| {
        let value = figure.peak_bytes()? as f64 / MB;
        let label = format!("{} · {}", result.size.name, name(figure));
        Some(Bar { label, value, range: None, text: format!("{value:.0} MB"), class: "fetch" })
    };
    let of = |result: &&SizeResult| result.figures.iter().filter_map(|f| bar(result, f)).collect::<Vec<_>>();
    let found: Vec<Bar> = results.iter().flat_map(of).collect();
    (!found.is_empty()).then(|| Bars::of_values("", &found, None))
}

/// All figures, as the cells of a table.
fn rows(results: &[&SizeResult]) -> Vec<[String; 8]> {
    let cells = |result: &SizeResult, figure: &Figure| {
        let seconds = figure.seconds();
        [
            result.size.name.to_string(),
            name(figure),
            format!("{:.4}", seconds.median),
            format!("{:.4}–{:.4}", seconds.low, seconds.high),
            format!("{:.0}", figure.payload_mb_per_second()),
            format!("{:.0}", figure.decoded_mb_per_second()),
            format!("{:.3}", figure.cpu_seconds()),
            figure.runs.len().to_string(),
        ]
    };
    results.iter().flat_map(|result| result.figures.iter().map(|figure| cells(result, figure))).collect()
}
