//! The rounds of the suite: every stage on every store, interleaved.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrowredis::options::Options;
use arrowredis::store::{self, S3Options, Store, StoreOptions};
use arrowredis::{Codec, Dataset, Error, ReadOptions, delete_dataset, delete_uploaded, presign_file};
use clap::ArgMatches;
use serde_json::{Value, json};

use super::limits::{Limits, S3Limits};
use super::results::{Figure, SizeResult};
use super::s3_wire::{self, S3Wire};
use super::sizes::Size;
use super::stages::{Stage, Tuning, Work};
use super::text;
use super::wire::{self, Endpoint, WireRun};
use crate::args;
use crate::failure::Failure;
use crate::output::object;
use crate::session::Session;

/// How long the URL is valid by which the wire of S3 is measured.
const SIGNED_FOR: Duration = Duration::from_secs(3600);

/// The stores to measure, by the names that reports give them; the first is the one that counts.
pub struct Places {
    stores: Vec<(String, Arc<dyn Store>)>,
    /// Of the first.
    endpoint: Option<Endpoint>,
    description: String,
}

impl Places {
    pub fn open(matches: &ArgMatches, folder: &Path, session: &Session) -> Result<Places, Failure> {
        let folder = std::path::absolute(folder.join("store")).map_err(Error::from)?;
        let directory = || store::open(&format!("file://{}", folder.display()), &StoreOptions::default());
        let given = args::store_url(matches)?;
        let mut stores = Vec::new();
        if let Some(url) = &given {
            let name = if matches!(url, args::StoreUrl::Redis(_)) || !url.url().starts_with("file:") {
                "redis"
            } else {
                "directory"
            };
            stores.push((name.to_string(), args::open_store(matches, session)?));
        }
        if given.is_none() || matches.get_flag("all-stores") {
            stores.push(("embedded directory".to_string(), directory()?));
        }
        if matches.get_flag("all-stores") {
            stores.push(("memory".to_string(), store::open("memory://bench", &StoreOptions::default())?));
        }
        let endpoint = given.as_ref().and_then(|url| Endpoint::of(url.url()));
        let description = stores.first().map(|(_, store)| store.describe().to_string()).unwrap_or_default();
        Ok(Places { stores, endpoint, description })
    }

    pub fn main(&self) -> &str {
        self.stores.first().map_or("", |(name, _)| name.as_str())
    }
}

/// What is measured, and how.
pub struct Suite<'a> {
    pub places: Places,
    pub folder: PathBuf,
    pub tuning: Tuning,
    pub compression: Codec,
    pub seed: u64,
    pub repeats: u32,
    pub warmup: u32,
    pub verify: bool,
    /// Where on S3 the file goes, if it does: `s3://BUCKET/PREFIX`, and how that is reached.
    pub s3: Option<(String, S3Options)>,
    pub keep: bool,
    pub matches: &'a ArgMatches,
    pub session: &'a Session,
}

impl Suite<'_> {
    /// What the figures were measured on and with.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let s3 = self.s3.as_ref().map(|(base, _)| ("S3", base.clone()));
        let mut facts = vec![
            ("Store", self.places.description.clone()),
            ("Compression", self.compression.to_string()),
            ("Rounds", format!("{} measured after {} that warm up, stages interleaved", self.repeats, self.warmup)),
            ("Cores", cores.to_string()),
            ("Version", env!("CARGO_PKG_VERSION").to_string()),
        ];
        facts.extend(s3);
        facts
    }

    /// Measures a size; what keeps it from its end is part of the result. Everything is removed afterwards.
    pub fn measure(&self, size: Size) -> Result<SizeResult, Failure> {
        self.session.output.say(format!("\n🚀 Starting benchmark: {}", size.name))?;
        let file = |what: &str| self.folder.join(format!("bench-{}{what}.arrow", size.name.to_lowercase()));
        let work = Work {
            file: file(""),
            copy: file("-reconstituted"),
            prefix: size.prefix(),
            s3: self
                .s3
                .as_ref()
                .map(|(base, options)| (format!("{base}/bench-{}.arrow", size.name.to_lowercase()), options.clone())),
            generate: size.options(self.seed, self.compression),
            rows: size.rows(),
            tuning: self.tuning.clone(),
        };
        let mut result =
            SizeResult { size, file_bytes: 0, figures: Vec::new(), limits: None, s3_limits: None, failure: None };
        if let Err(failure) = self.rounds(&work, &mut result) {
            self.session.output.say(format!("   ❌ {}", failure.message()))?;
            result.failure = Some(failure.message());
        } else {
            self.session.output.say(text::details(&result, self.places.main()))?;
        }
        if !self.keep {
            self.clean_up(&work);
        }
        Ok(result)
    }

    fn rounds(&self, work: &Work, result: &mut SizeResult) -> Result<(), Failure> {
        let mut ways: Vec<Vec<WireRun>> = Vec::new();
        let mut s3_rounds: Vec<Result<S3Wire, String>> = Vec::new();
        for round in 0..self.warmup + self.repeats {
            let counts = round >= self.warmup;
            self.once(work, Stage::Generate, None, counts, result)?;
            result.file_bytes = std::fs::metadata(&work.file).map_or(0, |metadata| metadata.len());
            for place in &self.places.stores {
                for stage in self.stages() {
                    self.once(work, stage, Some(place), counts, result)?;
                }
            }
            let on_s3 = if work.s3.is_some() { &Stage::ON_S3[..] } else { &[] };
            for stage in [Stage::Local, Stage::LocalColumns].iter().chain(on_s3) {
                self.once(work, *stage, None, counts, result)?;
            }
            if let Some((url, options)) = work.s3.as_ref().filter(|_| counts) {
                let ctx = self.session.context(self.matches)?;
                let signed = presign_file(url, options, SIGNED_FOR, &ctx)?;
                s3_rounds.push(s3_wire::measure(&signed, result.file_bytes));
            }
            if let (Some(endpoint), Some((_, store))) = (&self.places.endpoint, self.places.stores.first()) {
                let dataset = Dataset::open(store, &work.prefix, &self.session.context(self.matches)?)?;
                let chunks: Vec<_> = dataset.manifest().map(|m| m.chunks().collect()).unwrap_or_default();
                let measured = wire::measure(endpoint, &chunks)?;
                if counts {
                    ways.push(measured);
                }
            }
        }
        let local = result.figure(Stage::Local, "").map(Figure::cpu_seconds);
        result.limits = local.and_then(|decoding| Limits::of(&ways, decoding));
        result.s3_limits = local.filter(|_| work.s3.is_some()).map(|decoding| {
            let rounds: Vec<S3Wire> = s3_rounds.into_iter().collect::<Result<_, _>>()?;
            S3Limits::of(&rounds, decoding).ok_or_else(|| "no round was measured".to_string())
        });
        Ok(())
    }

    fn stages(&self) -> Vec<Stage> {
        let known =
            |stage: &Stage| *stage != Stage::ReadWhere || ReadOptions::specs().iter().any(|spec| spec.key == "where");
        let mut stages: Vec<Stage> = Stage::ON_STORE.into_iter().filter(known).collect();
        if self.verify {
            stages.push(Stage::Verify);
        }
        stages
    }

    /// Runs a stage once, and notes what it took if that counts.
    fn once(
        &self,
        work: &Work,
        stage: Stage,
        place: Option<&(String, Arc<dyn Store>)>,
        counts: bool,
        result: &mut SizeResult,
    ) -> Result<(), Failure> {
        let ctx = self.session.context(self.matches)?;
        let label = format!("{}{}", stage.title(), place.map(|(name, _)| format!(", {name}")).unwrap_or_default());
        let run = self.session.watch(&label, &ctx, || work.run(stage, place.map(|(_, store)| store), &ctx))?;
        if !counts {
            return Ok(());
        }
        let name = place.map_or("", |(name, _)| name.as_str());
        match result.figures.iter_mut().find(|figure| figure.stage == stage && figure.place == name) {
            Some(figure) => figure.runs.push(run),
            None => result.figures.push(Figure { stage, place: name.to_string(), runs: vec![run] }),
        }
        Ok(())
    }

    /// Everything as one object.
    pub fn json(&self, results: &[SizeResult]) -> serde_json::Map<String, Value> {
        let place = self.places.main();
        let sum = |value: fn(&Figure) -> f64| {
            results.iter().flat_map(|result| &result.figures).map(value).fold(0.0, |a, b| a + b)
        };
        let last = |figure: &Figure, value: fn(&arrowredis::Metrics) -> u64| {
            figure.runs.last().map_or(0, |run| value(&run.metrics))
        };
        let reads = || results.iter().filter_map(|result| result.figure(Stage::Read, place));
        let facts = self.facts().into_iter().map(|(name, value)| (name.to_lowercase(), value.into()));
        object(json!({
            "benchmarks": results.iter().map(|result| result.json(place)).collect::<Vec<_>>(),
            "settings": facts.collect::<serde_json::Map<String, Value>>(),
            "rows": reads().map(|figure| last(figure, |m| m.rows)).sum::<u64>(),
            "chunks": reads().map(|figure| last(figure, |m| m.chunks)).sum::<u64>(),
            "payload_bytes": reads().map(|figure| last(figure, |m| m.payload_bytes)).sum::<u64>(),
            "total_seconds": sum(|figure| figure.runs.iter().map(|run| run.seconds).sum()),
        }))
    }

    /// Removes what the size made. The context is new: what was interrupted is removed, too.
    fn clean_up(&self, work: &Work) {
        for file in [&work.file, &work.copy] {
            let _ = std::fs::remove_file(file);
        }
        for (_, store) in &self.places.stores {
            // What was never written is not there.
            let _ = delete_dataset(store, &work.prefix, &arrowredis::Context::new());
        }
        if let Some((url, options)) = &work.s3 {
            let _ = delete_uploaded(url, options, &arrowredis::Context::new());
        }
        // The embedded store is ours alone; the folder may hold what somebody wants to keep.
        let _ = std::fs::remove_dir_all(self.folder.join("store"));
        let _ = std::fs::remove_dir(&self.folder);
    }
}
