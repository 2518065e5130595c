//! What every command needs: where to report, what cancels it, how long it may take.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use arrowredis::{CancelToken, Context, Error, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value, json};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args;
use crate::failure::{self, Failure};
use crate::input::{STANDARD, Stdin};
use crate::output::{self, Output, RED, YELLOW, tag};
use crate::progress::{self, LogWriter, Unit, beside_bars};

/// What a command came to.
pub struct Outcome {
    /// For `--json`.
    pub object: Map<String, Value>,
    /// `verify` found a difference.
    pub differs: bool,
    /// What failed, where the object tells of what went well, too.
    pub failure: Option<Failure>,
}

impl From<Map<String, Value>> for Outcome {
    fn from(object: Map<String, Value>) -> Self {
        Outcome { object, differs: false, failure: None }
    }
}

/// The flags that all commands have.
pub fn with_common_flags(command: Command) -> Command {
    let flag = |key: &'static str, help: &'static str| {
        Arg::new(key).long(key).help(help).action(ArgAction::SetTrue).global(true)
    };
    command
        .arg(flag("json", "Print one JSON object instead of the report (to standard error if --out is -)"))
        .arg(flag("quiet", "Print errors only").short('q'))
        .arg(
            Arg::new("verbose")
                .short('v')
                .long("verbose")
                .help("Log what is going on to standard error; -vv logs more")
                .action(ArgAction::Count)
                .conflicts_with("quiet")
                .global(true),
        )
}

/// The flag that bounds an operation as a whole.
pub fn total_timeout_flag() -> Arg {
    args::value_flag::<Duration>("total_timeout", "Time for the whole operation; no limit unless given", None)
}

/// One run of the program.
pub struct Session {
    pub output: Output,
    interrupt: Arc<Interrupt>,
    show_progress: bool,
}

#[derive(Default)]
struct Interrupt {
    cancel: CancelToken,
    /// An operation runs that has to clean up.
    working: AtomicBool,
    fired: AtomicBool,
}

impl Interrupt {
    fn signal(&self) {
        if self.fired.swap(true, SeqCst) || !self.working.load(SeqCst) {
            std::process::exit(i32::from(failure::INTERRUPTED));
        }
        self.cancel.cancel();
    }
}

impl Session {
    pub fn new(matches: &ArgMatches) -> Session {
        let (json, quiet) = (matches.get_flag("json"), matches.get_flag("quiet"));
        start_logging(quiet, matches.get_count("verbose"));
        let interrupt = Arc::new(Interrupt::default());
        let handler = interrupt.clone();
        if let Err(error) = ctrlc::set_handler(move || handler.signal()) {
            tracing::warn!(%error, "Ctrl-C will end the program without cleaning up");
        }
        let data_on_stdout = matches.try_get_one::<String>("out").ok().flatten().is_some_and(|out| out == STANDARD);
        let output = Output::new(json, quiet, data_on_stdout);
        let show_progress = output.chatty() && io::stderr().is_terminal();
        Session { output, interrupt, show_progress }
    }

    /// Starts an operation.
    pub fn context(&self, matches: &ArgMatches) -> Result<Context, Failure> {
        self.interrupt.working.store(true, SeqCst);
        let ctx = Context::new().with_cancel(self.interrupt.cancel.clone());
        Ok(match args::value::<Duration>(matches, "total_timeout")? {
            Some(timeout) => ctx.with_timeout(timeout),
            None => ctx,
        })
    }

    /// Standard input as a stream that ends with the operation.
    pub fn stdin(&self, matches: &ArgMatches) -> Result<Stdin, Failure> {
        let timeout = args::value::<Duration>(matches, "total_timeout")?;
        Stdin::new(self.interrupt.cancel.clone(), timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// Runs an operation under a progress bar.
    pub fn watch<T>(&self, label: &str, ctx: &Context, work: impl FnOnce() -> T) -> T {
        progress::watch(label, Unit::Chunks, self.show_progress, ctx, work)
    }

    /// The same, with a bar of bytes.
    pub fn watch_bytes<T>(&self, label: &str, ctx: &Context, work: impl FnOnce() -> T) -> T {
        progress::watch(label, Unit::Bytes, self.show_progress, ctx, work)
    }

    /// Says on standard error what the user should know.
    pub fn warn(&self, message: &str) {
        if !self.output.quiet() {
            // Nothing is left to do where standard error is closed.
            let _ = beside_bars(format!("{} {message}\n", tag("warning", YELLOW)).as_bytes());
        }
    }

    /// Whether a signal asked for the end.
    pub fn interrupted(&self) -> bool {
        self.interrupt.fired.load(SeqCst)
    }

    /// Reports how a command ended, and gives its exit status.
    pub fn end(&self, command: &str, result: Result<Outcome, Failure>) -> ExitCode {
        let result = result.and_then(|mut outcome| {
            outcome.object.insert("command".to_string(), command.into());
            self.output.object(outcome.object).map(|()| (outcome.differs, outcome.failure))
        });
        let failure = match result {
            Ok((_, Some(failure))) => {
                let _ = beside_bars(format!("{} {}\n", tag("error", RED), failure.message()).as_bytes());
                return ExitCode::from(failure.status());
            }
            Ok((differs, None)) => return ExitCode::from(if differs { failure::DIFFERENCE } else { 0 }),
            Err(Failure::BrokenPipe) => return ExitCode::from(failure::FAILED),
            Err(failure) => failure,
        };
        let (status, failure) = match self.interrupted() {
            true => (failure::INTERRUPTED, Failure::Failed(Error::cancelled("interrupted"))),
            false => (failure.status(), failure),
        };
        let _ = beside_bars(format!("{} {}\n", tag("error", RED), failure.message()).as_bytes());
        // Where standard output fails as well, the status still tells.
        let _ = self.output.object(error_object(command, &failure));
        ExitCode::from(status)
    }
}

fn error_object(command: &str, failure: &Failure) -> Map<String, Value> {
    let (kind, retryable, place) = match failure {
        Failure::Failed(error) => (error.kind(), error.is_retryable(), (error.partition(), error.batch())),
        Failure::Usage(_) | Failure::BrokenPipe => (ErrorKind::InvalidArgument, false, (None, None)),
    };
    output::object(json!({
        "command": command,
        "error": {
            "code": kind.name(),
            "message": failure.message(),
            "retryable": retryable,
            "partition": place.0,
            "batch": place.1,
        },
    }))
}

fn start_logging(quiet: bool, verbosity: u8) {
    let level = match (quiet, verbosity) {
        (true, _) => LevelFilter::OFF,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let logs = tracing_subscriber::fmt().with_max_level(level).with_ansi(colours).with_writer(|| LogWriter);
    // The first one in the process wins; there is no other.
    let _ = match verbosity {
        0 => logs.with_target(false).without_time().finish().with(targets(level)).try_init(),
        _ => logs.with_target(verbosity > 1).finish().with(targets(level)).try_init(),
    };
}

/// What AWS's libraries say is for those who look for it: what matters of it stands in the one line of an error. Their
/// finer levels tell of headers, and so of session tokens.
fn targets(level: LevelFilter) -> Targets {
    let of_aws = if level > LevelFilter::WARN { LevelFilter::WARN } else { LevelFilter::OFF };
    Targets::new().with_default(level).with_target("aws_", of_aws)
}
