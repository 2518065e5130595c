//! `demo`: the whole main job, as commands that can be typed.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use arrowredis::store::StoreOptions;
use arrowredis::{Context, Error, GenerateOptions, delete_dataset};
use clap::{ArgMatches, Command};
use serde_json::{Map, Value, json};

use super::described;
use crate::args::{self, StoreUrl};
use crate::failure::Failure;
use crate::output::object;
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Show the whole job: generate, publish, read, write back, verify";
const PARAGRAPH: &str = "Show the whole job: generate a dataset, publish it, read some of its partitions, write all of \
                          it to a file again, and verify that nothing changed. Every step is printed as the command \
                          to type. Without a store it needs no server: it uses a directory. What it makes it removes.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis demo
  arrowredis demo --partitions 8 --batches 16 --rows 100000 --compression lz4
  arrowredis demo --redis-url redis://localhost:6379/0";

/// Small enough to be over at once.
fn defaults() -> GenerateOptions {
    GenerateOptions { partitions: 4, batches: 4, rows: 20_000, ..GenerateOptions::default() }
}

pub fn command(command: Command) -> Command {
    let command = described(command, ABOUT, PARAGRAPH, EXAMPLES)
        .arg(total_timeout_flag().help("Time for each step; no limit unless given"));
    args::with_store(args::with_options(command, &defaults(), "Dataset"))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let options: GenerateOptions = args::options(matches)?;
    args::read_password(matches)?;
    let dir = tempfile::Builder::new().prefix("arrowredis-demo-").tempdir().map_err(Error::from)?;
    let place = Place::new(matches, dir.path())?;
    let result = steps(matches, &options, dir.path(), &place, session);
    if let (Err(_), Place { embedded: false, .. }) = (&result, &place) {
        // The steps' own context may be cancelled, but what they wrote must go. What cannot be removed expires
        // with the error that says why.
        let store_options: StoreOptions = args::options(matches)?;
        if let Ok(store) = args::open_url(&place.url, &store_options) {
            let _ = delete_dataset(&store, &place.prefix, &Context::new());
        }
    }
    let members = result?;
    session.output.say("\n✅ The data came back identical, and everything that the demo made is removed again.")?;
    Ok(members.into())
}

/// Which store, under which name, and how the commands say so.
struct Place {
    url: String,
    prefix: String,
    embedded: bool,
    /// The flags of the store as they are run, and as they are shown.
    run: Vec<String>,
    shown: Vec<String>,
}

impl Place {
    fn new(matches: &ArgMatches, dir: &Path) -> Result<Place, Failure> {
        let given = args::store_url(matches)?;
        let embedded = given.is_none();
        let given = given.unwrap_or_else(|| StoreUrl::Store(format!("file://{}/store", dir.display())));
        let url = given.url().to_string();
        // A URL of a server may hold a password.
        let (flag, shown) = match &given {
            StoreUrl::Redis(_) => ("--redis-url", "\"$REDIS_URL\""),
            StoreUrl::Store(url) if url.starts_with("file:") || url.starts_with("memory:") => ("--store", url.as_str()),
            StoreUrl::Store(_) => ("--store", "\"$STORE_URL\""),
        };
        let connection = args::given::<StoreOptions>(matches);
        let words = |shown: &str| [vec![flag.to_string(), shown.to_string()], connection.clone()].concat();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let prefix = format!("arrowredis-demo:{}-{}", now.as_nanos(), std::process::id());
        Ok(Place { run: words(&url), shown: words(shown), url, prefix, embedded })
    }
}

fn steps(
    matches: &ArgMatches,
    options: &GenerateOptions,
    dir: &Path,
    place: &Place,
    session: &Session,
) -> Result<Map<String, Value>, Failure> {
    let file = |name: &str| dir.join(name).display().to_string();
    let (original, copy) = (file("dataset.arrow"), file("reconstituted.arrow"));
    let prefix = place.prefix.as_str();
    let codec = options.compression.to_string();
    let some = if options.partitions > 1 { "0,1" } else { "0" };
    let mut generate = vec!["gen".to_string(), "--out".to_string(), original.clone()];
    for (key, value) in [("partitions", options.partitions), ("batches", options.batches), ("rows", options.rows)] {
        generate.extend([format!("--{key}"), value.to_string()]);
    }
    let shape = ["--partitions", "--batches", "--rows"];
    let mut others = args::given::<GenerateOptions>(matches).into_iter();
    while let Some(word) = others.next() {
        match shape.contains(&word.as_str()) {
            true => drop(others.next()),
            false => generate.push(word),
        }
    }
    let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
    let commands = [
        ("Generate a dataset", generate, false),
        ("Publish it", words(&["split", "--inp", &original, "--prefix", prefix, "--compression", &codec]), true),
        ("See what is there", words(&["info", prefix]), true),
        ("Read some partitions", words(&["read", "--prefix", prefix, "--partitions", some]), true),
        (
            "Read all and write them to a file",
            words(&["read", "--prefix", prefix, "--partitions", "all", "--out", &copy, "--compression", &codec]),
            true,
        ),
        ("Verify the round trip", words(&["verify", "--file1", &original, "--file2", &copy]), false),
        ("Remove the dataset", words(&["delete", prefix, "--yes"]), true),
    ];
    let timeout = match matches.get_one::<String>("total_timeout") {
        Some(timeout) => words(&["--total-timeout", timeout]),
        None => Vec::new(),
    };
    let mut objects = Vec::new();
    for (number, (title, command, on_store)) in commands.iter().enumerate() {
        session.output.say(format!("\n━━ {}. {title}", number + 1))?;
        let typed = |store: &[String]| {
            let store = if *on_store { store } else { &[] };
            [command, store, &timeout].concat()
        };
        session.output.say(format!("$ arrowredis {}\n", typed(&place.shown).join(" ")))?;
        objects.push(step(&typed(&place.run), session)?);
    }
    let total_seconds: f64 = objects.iter().filter_map(|object| object["total_seconds"].as_f64()).sum();
    let published = objects[1].clone();
    Ok(object(json!({
        "rows": published["rows"],
        "chunks": published["chunks"],
        "payload_bytes": published["payload_bytes"],
        "total_seconds": total_seconds,
        "store": published["store"],
        "identical": true,
        "steps": objects,
    })))
}

/// Runs one command as if it had been typed.
fn step(words: &[String], session: &Session) -> Result<Value, Failure> {
    let typed = std::iter::once("arrowredis").chain(words.iter().map(String::as_str));
    let matches = super::cli().try_get_matches_from(typed).map_err(|e| Failure::usage(e.to_string()))?;
    let (name, matches) = matches.subcommand().ok_or_else(|| Failure::usage("no command"))?;
    let mut outcome = super::run(name, matches, session)?;
    if outcome.differs {
        return Err(Failure::Failed(Error::internal("the data that came back differs from what was published")));
    }
    outcome.object.insert("command".to_string(), name.into());
    Ok(Value::Object(outcome.object))
}
